#include <fmt/format.h>

#include <filesystem>
#include <memory>

#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/text.h"
#include "io/files.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string what;
  std::int64_t replicas = 0;
  bool dry_run = false;
  bool no_wait = false;
};

constexpr std::size_t kMaxValuesBytes = 1u << 20;

// A word with a slash to a place that exists, or with a YAML ending, is a file; "owner/name" is a model's id.
bool names_a_file(const std::string& what) {
  std::error_code ignored;
  return what.ends_with(".yaml") || what.ends_with(".yml") || what.starts_with("./") ||
         what.starts_with("/") || what.starts_with("../") || std::filesystem::is_regular_file(what, ignored);
}

base::Result<Json> request_of(const Options& options) {
  Json body = Json::object();
  if (names_a_file(options.what)) {
    SLIPWAY_TRY(const std::string text, io::read_file(options.what, kMaxValuesBytes));
    body["values"] = text;
    body["source"] = options.what;
  } else {
    body["name"] = options.what;
  }
  if (options.replicas > 0) body["replicas"] = options.replicas;
  return body;
}

base::Result<int> dry_run(Invocation& invocation, ControlClient& client, const Options& options,
                          Json request) {
  request["dry_run"] = true;
  Progress progress(invocation.console, invocation.globals.quiet);
  SLIPWAY_TRY(const Json plan, client.follow("POST", "/control/v1/models", request, progress));
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, plan);
    return 0;
  }
  std::string text =
      fmt::format("would deploy {}: {}, {}", text_of(plan, "id", options.what), text_of(plan, "file"),
                  counted(number_of(plan, "replicas_wanted", 1), "replica"));
  const double context = number_of(plan, "context_tokens");
  if (context > 0)
    text += fmt::format(", context {:.0f} tokens, {:.0f} at once", context, number_of(plan, "parallel"));
  invocation.console.out(text + "\n");
  for (const Json& reason : list_of(plan, "reasons")) {
    if (reason.is_string()) invocation.console.out("  " + reason.get<std::string>() + "\n");
  }
  return 0;
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  if (cluster) {
    if (!names_a_file(options.what))
      return Error(ErrorCode::usage,
                   fmt::format("a cluster needs a values file, and {} is none", options.what))
          .with_next(
              "Files for many models are in platform/models/ of the sources: slipway deploy FILE.yaml");
    return cluster_deploy(invocation, *cluster,
                          {.file = options.what,
                           .replicas = options.replicas,
                           .dry_run = options.dry_run,
                           .wait = !options.no_wait});
  }
  SLIPWAY_TRY(const Json request, request_of(options));
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  Interrupt interrupt;
  if (options.dry_run) return dry_run(invocation, client, options, request);
  Progress progress(invocation.console, invocation.globals.quiet);
  auto model = client.follow("POST", "/control/v1/models", request, progress);
  if (!model && model.error().code() == ErrorCode::interrupted) {
    return Error(ErrorCode::interrupted, "stopped watching; the daemon goes on deploying " + options.what)
        .with_next(fmt::format("`slipway deploy {}` watches it again, `slipway status` shows it, `slipway "
                               "undeploy` takes it back.",
                               options.what));
  }
  if (!model) return std::move(model).error();
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, *model);
    return 0;
  }
  if (!invocation.globals.quiet) print_deployed(invocation.console, *model, invocation.globals.verbose);
  invocation.console.out(text_of(*model, "id") + "\n");
  return 0;
}

}  // namespace

Verb deploy_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "deploy",
      .group = "Models",
      .summary = "run a model, from a values file or by its catalogue name",
      .about =
          "Downloads what is missing, checks that it fits, starts the replicas and waits until they are "
          "ready. The daemon "
          "does the work: Ctrl-C stops the watching only, and the same command watches again. Deploying the "
          "same thing "
          "twice changes nothing. On a cluster it says how long each phase took and ends with the model's "
          "first token. Prints the model's id.",
      .options = {{.names = "FILE|NAME",
                   .target = &o->what,
                   .help =
                       "A values file (*.yaml), a catalogue name such as smollm2-135m, or a Hugging Face id.",
                   .required = true,
                   .is_file = true},
                  {.names = "--replicas",
                   .target = &o->replicas,
                   .value = "N",
                   .help = "This many replicas instead of what the file says.",
                   .range = {1, 64}},
                  {.names = "--no-wait",
                   .target = &o->no_wait,
                   .help = "On a cluster: do not wait until the model answers."},
                  {.names = "--dry-run",
                   .target = &o->dry_run,
                   .help = "Say what would be done (on a cluster: print the objects); change nothing."}},
      .examples = {{"slipway deploy smollm2-135m", "the embedded model"},
                   {"slipway deploy values-llama-32-1b-vllm.yaml --replicas 2",
                    "a model of your own, twice"}},
      .exits = {{1, "the deployment failed, or the model is ready and does not answer"},
                {4, "it cannot run here, does not fit, or Slipway is not running"},
                {5, "the model's source asks for a token"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
