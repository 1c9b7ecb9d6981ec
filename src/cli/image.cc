#include <unistd.h>

#include <fmt/format.h>

#include <cstdlib>
#include <filesystem>
#include <memory>
#include <sstream>
#include <vector>

#include "cli/verb.h"
#include "codec/oci_image.h"
#include "environment/image.h"
#include "io/tool.h"

namespace slipway::cli {
namespace {

using base::Error, base::ErrorCode;
namespace fs = std::filesystem;

constexpr auto kAskTime = std::chrono::seconds(30);

struct Options {
  std::string file;
  bool worker = false;
  std::string tag;
  std::vector<std::string> models;
};

base::Result<fs::path> program_of(const Options& options) {
  std::error_code failed;
  fs::path self = fs::read_symlink("/proc/self/exe", failed);
  if (failed) return Error(ErrorCode::io_failed, "/proc/self/exe cannot be read: " + failed.message());
  if (!options.worker) return self;
  const char* const named = std::getenv("SLIPWAY_WORKER");
  fs::path worker =
      named != nullptr && *named != '\0' ? fs::path(named) : self.parent_path() / "slipway-worker";
  if (access(worker.c_str(), X_OK) != 0)
    return Error(ErrorCode::worker_missing, fmt::format("{} is not there", worker.string()));
  return worker;
}

// What the worker's engine cannot do without; empty when it chooses at run time.
base::Result<std::vector<std::string>> processor_of(const fs::path& worker) {
  const io::Tool tool{.name = worker.filename().string(), .path = worker.string(), .version = {}};
  SLIPWAY_TRY(
      const io::ToolAnswer answer,
      io::call_tool(tool, {.arguments = {"--processor"}, .deadline = base::Deadline::after(kAskTime)}));
  if (!answer.ok())
    return Error(ErrorCode::worker_missing,
                 fmt::format("{} does not answer: {}", worker.string(), answer.why()));
  std::istringstream words(answer.out);
  std::vector<std::string> out;
  for (std::string word; words >> word;) out.push_back(word);
  return out;
}

void print_notes(Invocation& invocation, const Options& options, const environment::ImageRequest& request,
                 const std::vector<std::string>& processor) {
  if (invocation.globals.quiet) return;
  const std::string& reference = request.reference;
  if (!processor.empty())
    print_warning(
        invocation.console,
        fmt::format("this worker was built for this machine's processor and stops on one without {}; "
                    "run it on nodes of the same kind",
                    fmt::join(processor, ", ")));
  constexpr std::string_view kUnnamed = "docker.io/library/";  // no registry was named
  const std::string to =
      reference.starts_with(kUnnamed) ? "REGISTRY/" + reference.substr(kUnnamed.size()) : reference;
  print_note(
      invocation.console,
      fmt::format("next: skopeo copy --preserve-digests oci-archive:{} docker://{}", options.file, to));
  print_note(invocation.console, fmt::format("or on a node: ctr -n k8s.io images import {}", options.file));
  for (const environment::BakedModel& model : request.models)
    print_note(invocation.console,
               fmt::format("a values file serves it with framework: llama-cpp and model: file:{}",
                           model.place.string()));
}

Json models_json(const std::vector<environment::BakedModel>& models) {
  Json out = Json::array();
  for (const environment::BakedModel& model : models)
    out.push_back({{"file", model.file.string()}, {"place", model.place.string()}});
  return out;
}

base::Result<int> build(Invocation& invocation, Options options) {
  const std::string name = options.worker ? "slipway-worker" : "slipway";
  if (options.file.empty()) options.file = name + ".tar";
  if (options.tag.empty()) options.tag = name + ":" SLIPWAY_VERSION;
  if (!options.models.empty() && !options.worker)
    return Error(ErrorCode::usage, "--model goes into the worker's image: gateways and controllers load none")
        .with_next("Add --worker.");
  SLIPWAY_TRY(const std::string reference, codec::image_reference(options.tag));
  SLIPWAY_TRY(const fs::path program, program_of(options));
  std::vector<std::string> processor;
  if (options.worker) {
    SLIPWAY_TRY(processor, processor_of(program));
  }
  environment::ImageRequest request{.program = program, .name = name, .reference = reference};
  for (const std::string& model : options.models) request.models.push_back(environment::baked_model(model));
  SLIPWAY_TRY(const environment::BuiltImage image, environment::build_image(request, options.file));
  if (invocation.globals.output != OutputFormat::table)
    print_value(invocation.console, invocation.globals.output,
                Json{{"file", options.file},
                     {"reference", reference},
                     {"digest", image.digest},
                     {"bytes", image.archive_bytes},
                     {"architecture", image.architecture},
                     {"libraries", image.libraries},
                     {"processor", processor},
                     {"models", models_json(request.models)}});
  else
    invocation.console.out(fmt::format("{} is {} for {}: {}, {}\n", options.file, reference,
                                       image.architecture, base::human_bytes(image.archive_bytes),
                                       image.digest));
  print_notes(invocation, options, request, processor);
  return 0;
}

Verb build_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "build",
      .summary = "make an image of this program, without Docker",
      .about =
          "Writes an OCI archive: this executable, or the worker beside it, with the shared libraries that "
          "it needs, this machine's certificate authorities and a user without rights; no shell. The same "
          "program and libraries give the same digest. The worker's engine uses the instructions of the "
          "processor that it was built on, and the nodes must have them too.",
      .options =
          {{.names = "FILE",
            .target = &o->file,
            .help = "Where to write (default slipway.tar, slipway-worker.tar).",
            .is_file = true},
           {.names = "--worker", .target = &o->worker, .help = "The worker instead of slipway."},
           {.names = "--model",
            .target = &o->models,
            .value = "FILE[=PLACE]",
            .help =
                "A GGUF file to put into the worker's image, so that it needs no hub and no volume (default "
                "place /models/ and the file's name); may be given several times."},
           {.names = "--tag",
            .target = &o->tag,
            .value = "NAME:TAG",
            .help = "What the image is called (default slipway or slipway-worker, with this version)."}},
      .examples = {{"slipway image build slipway.tar", "gateway and controller, for platform/charts/slipway"},
                   {"slipway image build worker.tar --worker --tag registry.example.org/slipway-worker:1",
                    "the worker under a registry's name"},
                   {"slipway image build worker.tar --worker --model smollm2.gguf",
                    "with its weights in it"}},
      .exits = {{1, "the archive cannot be written, or a model is no GGUF file"},
                {4, "the worker or a library is missing"}},
      .action = [o](Invocation& invocation) { return build(invocation, *o); }};
}

}  // namespace

Verb image_verb() {
  return {.name = "image",
          .group = "Cloud",
          .summary = "make container images of Slipway",
          .children = {build_verb()}};
}

}  // namespace slipway::cli
