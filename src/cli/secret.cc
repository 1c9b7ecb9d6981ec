#include <fmt/format.h>

#include <cstdlib>
#include <memory>

#include "base/time.h"
#include "cli/cloud.h"
#include "cli/cluster.h"
#include "cli/text.h"
#include "environment/secrets.h"

namespace slipway::cli {
namespace {

using base::Error, base::ErrorCode, base::Result;
using environment::CheckedToken, environment::ClusterPlace, environment::KeptSecret;

constexpr std::size_t kLargestFile = 64 << 10;

struct Options {
  std::string name;
  std::string file;
};

// From a file, stdin ("-") or a terminal; never from the command line, which every user of the machine can
// read.
Result<std::string> read_value(Invocation& invocation, const Options& options) {
  Console& console = invocation.console;
  if (options.file == "-") return console.read_all(kLargestFile);
  if (!options.file.empty()) return io::read_file(options.file, kLargestFile);
  if (!console.facts().in_tty || !console.facts().err_tty)
    return Error(ErrorCode::usage, "there is no terminal to ask for the token on")
        .with_next("Give a file: `slipway secret set hf-token --file FILE`, or `--file -` for stdin.");
  const Interrupt interrupt;  // Ctrl-C ends the question, and the terminal shows again what is typed
  auto typed = console.read_secret("Hugging Face token (it is not shown): ");
  if (!typed) return Error(ErrorCode::interrupted, "nothing was typed; nothing was changed");
  return *std::move(typed);
}

// Everywhere that the environment's models and downloads look.
Result<std::vector<KeptSecret>> keep(Invocation& invocation, const std::optional<ClusterPlace>& cluster,
                                     const CheckedToken& token) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  const std::string name = environment_name(invocation.globals);
  std::vector<KeptSecret> out;
  if (!cluster && !is_cloud_environment(name)) {
    SLIPWAY_TRY(out.emplace_back(), environment::keep_token_here(paths, token));
    return out;
  }
  Work work(invocation, true);
  if (is_cloud_environment(name)) {
    SLIPWAY_TRY(out.emplace_back(), environment::keep_token_in_cloud(paths, name, token, work.patience));
  }
  if (!cluster) return out;  // its cluster is not made yet
  SLIPWAY_TRY(auto api, kube::Client::open(cluster->kubeconfig, cluster->context));
  auto kept = environment::keep_token_on(api, *cluster, name, token);
  if (!kept && out.empty()) return std::move(kept).error();
  if (!kept)
    return std::move(kept).error().with_context(
        fmt::format("{} has the token, the cluster's Secret has not", out.front().where));
  out.push_back(*std::move(kept));
  return out;
}

Result<int> set(Invocation& invocation, const Options& options) {
  if (options.name != environment::kHubToken)
    return Error(ErrorCode::usage, fmt::format("there is no secret \"{}\" to set", options.name))
        .with_next("Slipway keeps one: `slipway secret set hf-token`.");
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  SLIPWAY_TRY(const std::string text, read_value(invocation, options));
  SLIPWAY_TRY(const CheckedToken token, environment::checked_token(text));
  Console& console = invocation.console;
  if (!token.warning.empty()) print_warning(console, token.warning);
  SLIPWAY_TRY(const auto kept, keep(invocation, cluster, token));
  Json where = Json::array();
  for (const KeptSecret& secret : kept) where.push_back(secret.where);
  if (invocation.globals.output != OutputFormat::table) {
    print_value(console, invocation.globals.output, Json{{"secret", options.name}, {"kept", where}});
    return 0;
  }
  for (const KeptSecret& secret : kept) console.out(fmt::format("{} is in {}\n", secret.name, secret.where));
  if (invocation.globals.quiet) return 0;
  const char* const variable = std::getenv("HF_TOKEN");
  if (cluster)
    print_note(console, "Replicas that start from now on have it; one that runs sees it within two minutes.");
  else if (variable != nullptr && *variable != 0)
    print_note(console,
               "HF_TOKEN is set here and goes before it for a daemon that is started from this shell.");
  return 0;
}

Result<std::vector<KeptSecret>> all(Invocation& invocation) {
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  const std::string name = environment_name(invocation.globals);
  if (!cluster && !is_cloud_environment(name)) return environment::secrets_here(paths);
  Work work(invocation, true);
  std::vector<KeptSecret> out;
  if (is_cloud_environment(name)) {
    SLIPWAY_TRY(out.emplace_back(), environment::secret_in_cloud(paths, name, work.patience));
  }
  if (!cluster) return out;
  SLIPWAY_TRY(auto api, kube::Client::open(cluster->kubeconfig, cluster->context));
  SLIPWAY_TRY(const auto there, environment::secrets_on(api, *cluster));
  out.insert(out.end(), there.begin(), there.end());
  return out;
}

std::string age_cell(double age_s) {
  if (age_s < 0) return "empty";
  return base::human_duration(std::chrono::seconds(static_cast<std::int64_t>(age_s)));
}

Result<int> list(Invocation& invocation) {
  SLIPWAY_TRY(const auto secrets, all(invocation));
  Console& console = invocation.console;
  if (invocation.globals.output != OutputFormat::table) {
    Json rows = Json::array();
    for (const KeptSecret& secret : secrets)
      rows.push_back({{"name", secret.name},
                      {"where", secret.where},
                      {"age_s", secret.age_s < 0 ? Json() : Json(static_cast<std::int64_t>(secret.age_s))}});
    print_value(console, invocation.globals.output, Json{{"secrets", rows}});
    return 0;
  }
  Table table({{.heading = "NAME", .keep = true}, {.heading = "AGE"}, {.heading = "WHERE"}});
  for (const KeptSecret& secret : secrets)
    table.add({without_controls(secret.name), age_cell(secret.age_s), without_controls(secret.where)});
  if (table.rows() == 0)
    console.err("No secret yet. `slipway secret set hf-token` keeps the token of gated models.\n");
  else
    console.out(table.render(console.facts()));
  return 0;
}

Verb set_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "set",
      .summary = "keep the Hugging Face token where models and downloads read it",
      .about =
          "Asks for it without showing it, or reads a file or stdin. On this machine it is a file of mode "
          "0600 that downloads from hf: use; on a cluster the Secret hf-token beside the models; on eks that "
          "and Secrets Manager. It is never printed, and in no state or log. Open models need none.",
      .options = {{.names = "NAME", .target = &o->name, .help = "hf-token.", .required = true},
                  {.names = "--file",
                   .target = &o->file,
                   .value = "FILE",
                   .help = "Read it from this file; - is stdin.",
                   .is_file = true}},
      .examples = {{"slipway secret set hf-token", "asks for it"},
                   {"slipway secret set hf-token --file - < token.txt", "from stdin"}},
      .exits = {{4, "the environment is not up"}, {5, "AWS or the cluster refuses it"}},
      .action = [o](Invocation& invocation) { return set(invocation, *o); }};
}

}  // namespace

Verb secret_verb() {
  Verb list_verb{.name = "list",
                 .summary = "names and ages of secrets, never what they hold",
                 .examples = {{"slipway secret list", "what is kept, and where"}},
                 .action = list};
  return {.name = "secret",
          .group = "Keys and settings",
          .summary = "the token for gated models: keep it, and list what is kept",
          .children = {set_verb(), std::move(list_verb)}};
}

}  // namespace slipway::cli
