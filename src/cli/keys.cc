#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <memory>

#include "cli/client.h"
#include "cli/confirm.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Create {
  std::string name;
  std::vector<std::string> models;
  std::vector<std::string> scopes;
  std::int64_t requests_per_minute = 0;
  std::int64_t tokens_per_minute = 0;
  std::int64_t concurrent = 0;
  std::string expires;
  bool dry_run = false;
};

struct Revoke {
  std::string id;
  bool dry_run = false;
};

// "30d", "12h", "45m", "90s" -> seconds; 0 for "".
base::Result<std::int64_t> duration_s(const std::string& text) {
  if (text.empty()) return 0;
  constexpr std::int64_t kMaxDays = 36'500;
  std::int64_t n = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size() - 1, n);
  const char unit = text.back();
  const std::int64_t scale = unit == 'd'   ? 86'400
                             : unit == 'h' ? 3600
                             : unit == 'm' ? 60
                             : unit == 's' ? 1
                                           : 0;
  const bool good = error == std::errc() && end == text.data() + text.size() - 1 && n > 0 && scale > 0;
  if (good && n <= kMaxDays * 86'400 / scale) return n * scale;
  return Error(ErrorCode::usage,
               fmt::format("--expires: \"{}\" is no time such as 30d, 12h, 45m or 90s", text))
      .with_next("Run `slipway keys create --help`.");
}

std::string limit(const Json& key, const char* name) {
  const double n = number_of(key, name);
  return n > 0 ? fmt::format("{:.0f}", n) : "-";
}

std::string joined(const Json& list, std::string_view empty) {
  std::string out;
  for (const Json& item : list)
    out += (out.empty() ? "" : ",") + (item.is_string() ? item.get<std::string>() : item.dump());
  return out.empty() ? std::string(empty) : out;
}

base::Result<int> create(Invocation& invocation, const Create& options) {
  SLIPWAY_TRY(const std::int64_t expires, duration_s(options.expires));
  const std::vector<std::string> scopes =
      options.scopes.empty() ? std::vector<std::string>{"inference"} : options.scopes;
  const Json body{{"name", options.name},
                  {"models", options.models},
                  {"scopes", scopes},
                  {"requests_per_minute", options.requests_per_minute},
                  {"tokens_per_minute", options.tokens_per_minute},
                  {"concurrent", options.concurrent},
                  {"expires_in_s", expires}};
  Console& console = invocation.console;
  const OutputFormat format = invocation.globals.output;
  if (options.dry_run) {
    print_value(console, format == OutputFormat::table ? OutputFormat::yaml : format,
                Json{{"would_create", body}});
    return 0;
  }
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  SLIPWAY_TRY(const Json key, client.call("POST", "/control/v1/keys", body));
  if (format != OutputFormat::table) {
    print_value(console, format, key);
    return 0;
  }
  if (!invocation.globals.quiet) {
    console.err(fmt::format("{} for \"{}\"; it is shown this once:\n", text_of(key, "id"), options.name));
  }
  console.out(text_of(key, "key") + "\n");
  return 0;
}

std::string key_state(const Json& key) {
  if (const std::string at = text_of(key, "revoked"); !at.empty()) return "revoked " + at;
  if (const std::string at = text_of(key, "expires"); !at.empty()) return "until " + at;
  return "valid";
}

base::Result<int> list(Invocation& invocation) {
  using enum Table::Align;
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  SLIPWAY_TRY(const Json answer, client.get("/control/v1/keys"));
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, answer);
    return 0;
  }
  Table table({{.heading = "ID", .keep = true},
               {.heading = "NAME"},
               {.heading = "ENDS IN", .keep = true},
               {.heading = "SCOPES"},
               {.heading = "MODELS"},
               {.heading = "REQ/MIN", .align = right},
               {.heading = "TOK/MIN", .align = right},
               {.heading = "AT ONCE", .align = right},
               {.heading = "STATE"}});
  for (const Json& key : list_of(answer, "keys")) {
    table.add({text_of(key, "id"), without_controls(text_of(key, "name")), "..." + text_of(key, "hint"),
               joined(list_of(key, "scopes"), "-"), joined(list_of(key, "models"), "all"),
               limit(key, "requests_per_minute"), limit(key, "tokens_per_minute"), limit(key, "concurrent"),
               key_state(key)});
  }
  if (table.rows() == 0)
    invocation.console.err("No key yet. `slipway keys create NAME` makes one.\n");
  else
    invocation.console.out(table.render(invocation.console.facts()));
  return 0;
}

// The key a person means: an id as it is, or the one valid key of that name.
base::Result<std::string> resolve(ControlClient& client, const std::string& word) {
  if (word.starts_with("key_")) return word;
  SLIPWAY_TRY(const Json answer, client.get("/control/v1/keys"));
  std::vector<std::string> ids, names;
  for (const Json& key : list_of(answer, "keys")) {
    if (!text_of(key, "revoked").empty()) continue;
    names.push_back(text_of(key, "name"));
    if (names.back() == word) ids.push_back(text_of(key, "id"));
  }
  if (ids.size() == 1) return ids.front();
  if (ids.size() > 1) {
    return Error(ErrorCode::usage,
                 fmt::format("{} keys are named \"{}\": {}", ids.size(), word, fmt::join(ids, ", ")))
        .with_next("Give the id of the one you mean.");
  }
  std::string message = fmt::format("no valid key has the id or the name \"{}\"", word);
  if (const auto near = nearest(word, names)) message += fmt::format("; did you mean {}?", *near);
  return Error(ErrorCode::key_invalid, std::move(message));
}

base::Result<int> revoke(Invocation& invocation, const Revoke& options) {
  SLIPWAY_TRY(ControlClient client, ControlClient::of(invocation.globals));
  SLIPWAY_TRY(const std::string id, resolve(client, options.id));
  const OutputFormat format = invocation.globals.output;
  if (options.dry_run) {
    if (format == OutputFormat::table)
      invocation.console.out("would revoke " + id + "\n");
    else
      print_value(invocation.console, format, Json{{"would_revoke", id}});
    return 0;
  }
  const bool by_name = id != options.id;
  const bool ask = by_name || invocation.console.facts().in_tty;
  if (ask) {
    SLIPWAY_TRY(
        const bool yes,
        confirm(invocation, fmt::format("Revoke {}? Its users get 401 at once, and it cannot be undone.",
                                        by_name ? fmt::format("{} (\"{}\")", id, options.id) : id)));
    if (!yes) return 1;
  }
  SLIPWAY_TRY(const Json answer, client.call("DELETE", "/control/v1/keys/" + percent_encoded(id), Json()));
  if (format == OutputFormat::table)
    invocation.console.out("revoked " + text_of(answer, "revoked") + "\n");
  else
    print_value(invocation.console, format, answer);
  return 0;
}

Verb create_verb() {
  auto o = std::make_shared<Create>();
  return {
      .name = "create",
      .summary = "make an API key and print it, once",
      .about = "Only a digest of the key is stored. The key alone goes to stdout. A limit of 0 is no limit.",
      .options = {{.names = "NAME", .target = &o->name, .help = "Who or what it is for.", .required = true},
                  {.names = "-m,--model",
                   .target = &o->models,
                   .value = "MODEL",
                   .help = "Only this model; may be repeated."},
                  {.names = "--scope",
                   .target = &o->scopes,
                   .value = "SCOPE",
                   .help = "What it may do (default inference); may be repeated.",
                   .choices = {"inference", "admin"}},
                  {.names = "--requests-per-minute",
                   .target = &o->requests_per_minute,
                   .value = "N",
                   .help = "Limit of requests.",
                   .range = {0, 4e9}},
                  {.names = "--tokens-per-minute",
                   .target = &o->tokens_per_minute,
                   .value = "N",
                   .help = "Limit of tokens, prompt and answer.",
                   .range = {0, 4e9}},
                  {.names = "--concurrent",
                   .target = &o->concurrent,
                   .value = "N",
                   .help = "Requests in flight at once.",
                   .range = {0, 4e9}},
                  {.names = "--expires",
                   .target = &o->expires,
                   .value = "TIME",
                   .help = "Valid this long: 30d, 12h, 45m, 90s."},
                  {.names = "--dry-run",
                   .target = &o->dry_run,
                   .help = "Print what would be asked for; change nothing."}},
      .examples =
          {{"export SLIPWAY_API_KEY=$(slipway keys create ci -q --requests-per-minute 60 --expires 30d)",
            "a limited key into a variable"}},
      .exits = {{4, "Slipway is not running"}},
      .action = [o](Invocation& invocation) { return create(invocation, *o); }};
}

Verb revoke_verb() {
  auto o = std::make_shared<Revoke>();
  return {
      .name = "revoke",
      .summary = "end a key at once",
      .about = "Asks first on a terminal. Elsewhere an id is taken at its word, and a name needs --yes.",
      .options = {{.names = "KEY", .target = &o->id, .help = "The key's id, or its name.", .required = true},
                  {.names = "--dry-run",
                   .target = &o->dry_run,
                   .help = "Say which key it would be; change nothing."}},
      .examples = {{"slipway keys revoke ci --yes", "the key named ci, without a question"}},
      .exits = {{1, "the answer was no"}, {4, "Slipway is not running"}, {5, "there is no such key"}},
      .action = [o](Invocation& invocation) { return revoke(invocation, *o); }};
}

}  // namespace

Verb keys_verb() {
  Verb list_verb{.name = "list",
                 .summary = "the keys, their limits and the last four characters",
                 .examples = {{"slipway keys list -o json", "for a program"}},
                 .exits = {{4, "Slipway is not running"}},
                 .action = list};
  return {.name = "keys",
          .group = "Keys and settings",
          .summary = "make, list and revoke API keys",
          .children = {create_verb(), std::move(list_verb), revoke_verb()}};
}

}  // namespace slipway::cli
