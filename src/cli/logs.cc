#include <fmt/format.h>

#include <memory>

#include "cli/audit.h"
#include "cli/client.h"
#include "cli/cluster.h"
#include "cli/interrupt.h"
#include "cli/model_view.h"
#include "cli/text.h"
#include "io/files.h"
#include "store/environment.h"
#include "store/logs.h"

namespace slipway::cli {
namespace {

constexpr int kInterruptedExit = 130;
constexpr std::int64_t kLines = 100;

struct Options {
  std::string name;
  bool follow = false;
  std::int64_t tail = -1;  // -1: not given
  bool audit = false;
  std::string head;
  std::int64_t lines() const { return tail < 0 ? kLines : tail; }
};

std::string level_cell(const Console& console, const std::string& level) {
  const Style style = level == "error" ? Style::red : level == "warn" ? Style::yellow : Style::dim;
  return console.paint_out(style, pad_right(level, 5));
}

// "07:10:01.123 info  request  POST /v1/chat/completions model=x status=200"; a line that is no record stays
// as it is.
std::string human(const Console& console, std::string_view line) {
  const Json record = Json::parse(line, nullptr, false);
  if (!record.is_object()) return without_controls(line) + "\n";
  const std::string ts = text_of(record, "ts");
  const std::string time = ts.size() >= 23 ? ts.substr(11, 12) : ts;
  std::string out = console.paint_out(Style::dim, time) + " " +
                    level_cell(console, text_of(record, "level")) + " " + text_of(record, "event");
  if (const std::string message = text_of(record, "msg"); !message.empty())
    out += "  " + without_controls(message);
  for (const auto& [key, value] : record.items()) {
    const bool silent = value.is_null() || (value.is_string() && value.get_ref<const std::string&>().empty());
    if (silent || key == "ts" || key == "level" || key == "event" || key == "msg") continue;
    const std::string text = without_controls(value.is_string() ? value.get<std::string>() : value.dump());
    const bool quote = text.find(' ') != std::string::npos;
    out += " " + console.paint_out(Style::dim, key + "=") + (quote ? "\"" + text + "\"" : text);
  }
  return out + "\n";
}

std::string shown(const Invocation& invocation, std::string_view line) {
  if (invocation.globals.output == OutputFormat::json) return std::string(line) + "\n";
  if (invocation.globals.output == OutputFormat::table) return human(invocation.console, line);
  const Json record = Json::parse(line, nullptr, false);
  return "---\n" + (record.is_discarded() ? std::string(line) + "\n" : to_yaml(record));
}

// NAME as a filter: a replica's id, a model's id, or another name of a model.
struct Which {
  store::LogFilter filter;
  bool known = true;  // false: nothing of that name is deployed now (it may have been)
  std::vector<std::string> names;
};

Which which(const std::string& name, const Json& models) {
  Which out;
  if (name.empty()) return out;
  out.names = model_names(models);
  for (const Json& model : models) {
    for (const Json& replica : list_of(model, "replicas")) {
      if (text_of(replica, "id") != name) continue;
      out.filter.replica = name;
      return out;
    }
    if (text_of(model, "id") == name || text_of(model, "model") == name)
      out.filter.model = text_of(model, "id");
  }
  out.known = !out.filter.model.empty();
  if (!out.known) out.filter.model = name;
  return out;
}

base::Error nothing_of(const std::string& name, const Which& wanted) {
  std::string message = fmt::format("there is no line of \"{}\"", name);
  if (const auto near = nearest(name, wanted.names)) message += fmt::format("; did you mean {}?", *near);
  return base::Error(base::ErrorCode::unknown_model, std::move(message))
      .with_next("`slipway status` names models and replicas.");
}

// What is on disk, when no daemon can be asked: the words of one that died are the ones that are wanted most.
base::Result<int> from_disk(Invocation& invocation, const Options& options, const std::string& environment) {
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, environment));
  store::LogFilter filter;
  filter.model = options.name;
  SLIPWAY_TRY(const auto found,
              store::tail_logs(where.logs, filter, static_cast<std::size_t>(options.lines())));
  if (!invocation.globals.quiet) {
    print_note(
        invocation.console,
        fmt::format("Slipway is not running in environment \"{}\"; these are its last words.", environment));
  }
  for (const std::string& line : found) invocation.console.out(shown(invocation, line));
  return 0;
}

std::string path_of(const Options& options, const Which& wanted) {
  std::string path = fmt::format("/control/v1/logs?tail={}", options.lines());
  if (!wanted.filter.model.empty()) path += "&model=" + percent_encoded(wanted.filter.model);
  if (!wanted.filter.replica.empty()) path += "&replica=" + percent_encoded(wanted.filter.replica);
  return options.follow ? path + "&follow=1" : path;
}

base::Result<int> audit(Invocation& invocation, const Options& options, bool in_cluster) {
  if (!options.audit || options.follow)
    return base::Error(base::ErrorCode::usage, options.audit ? "--audit and --follow exclude each other"
                                                             : "--head belongs to --audit")
        .with_next("Run `slipway logs --help`.");
  if (in_cluster)
    return base::Error(base::ErrorCode::target_unsupported,
                       "a cluster's audit log is its API server's, and Slipway keeps none there")
        .with_next(
            "Read that one: on EKS the streams kube-apiserver-audit of log group /aws/eks/NAME/cluster.");
  return show_audit(invocation, {.subject = options.name, .tail = options.tail, .head = options.head});
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  SLIPWAY_TRY(const auto cluster, cluster_of(invocation.globals));
  if (options.audit || !options.head.empty()) return audit(invocation, options, cluster.has_value());
  if (cluster) return cluster_logs(invocation, *cluster, options.name, options.lines());
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  Interrupt interrupt;
  auto models = client.get("/control/v1/models");
  if (!models && models.error().code() == base::ErrorCode::not_running) {
    return from_disk(invocation, options, client.environment());
  }
  if (!models) return std::move(models).error();
  const Which wanted = which(options.name, list_of(*models, "models"));
  std::size_t lines = 0;
  auto end = client.lines(path_of(options, wanted), [&](std::string_view line) {
    if (!line.empty()) invocation.console.out(shown(invocation, line));
    ++lines;
    return !Interrupt::raised();
  });
  if (Interrupt::raised()) return kInterruptedExit;
  if (!end) return std::move(end).error();
  if (lines == 0 && !wanted.known) return nothing_of(options.name, wanted);
  return 0;
}

}  // namespace

Verb logs_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "logs",
      .group = "Run",
      .summary = "what the daemon and its replicas said",
      .about =
          "One record a line. With -o json the records as they are stored, one JSON object a line. "
          "Prompts and answers "
          "are never logged. When Slipway is not running, what is on disk. With --audit the audit log: who "
          "made or revoked a key, deployed or undeployed a model, started or stopped Slipway; its chain of "
          "hashes is checked from the first record on, and what was changed or taken out is named.",
      .options = {{.names = "NAME",
                   .target = &o->name,
                   .help = "Only this model or replica; with --audit this model or key."},
                  {.names = "-f,--follow",
                   .target = &o->follow,
                   .help = "Go on with new lines until Ctrl-C."},
                  {.names = "--tail",
                   .target = &o->tail,
                   .value = "N",
                   .help = "Start with the last N lines (default 100; with --audit all).",
                   .range = {0, 100'000}},
                  {.names = "--audit", .target = &o->audit, .help = "The audit log of this machine."},
                  {.names = "--head",
                   .target = &o->head,
                   .value = "HASH",
                   .help = "With --audit: fail unless a record has this hash, kept elsewhere before."}},
      .examples = {{"slipway logs -f", "follow everything"},
                   {"slipway logs smollm2-135m --tail 20", "the last words of one model"},
                   {"slipway logs --audit -o json >audit.jsonl", "the whole audit log, one record a line"}},
      .exits = {{1, "there is nothing of that name, or the audit log was tampered with"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
