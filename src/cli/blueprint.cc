#include <fmt/format.h>

#include <memory>

#include "cli/text.h"
#include "cli/verb.h"
#include "codec/blueprint.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string name;
};

Json variable_json(const codec::Variable& v) {
  return {{"name", v.name},
          {"type", codec::type_words(v.type)},
          {"default", v.default_text},
          {"read_by", codec::readers_words(v)},
          {"honoured", v.instead.empty()},
          {"instead", v.instead.empty() ? Json() : Json(v.instead)},
          {"meaning", v.meaning}};
}

base::Result<int> explain_all(Invocation& invocation) {
  if (invocation.globals.output != OutputFormat::table) {
    Json rows = Json::array();
    for (const codec::Variable& v : codec::blueprint_variables()) rows.push_back(variable_json(v));
    print_value(invocation.console, invocation.globals.output, Json{{"variables", std::move(rows)}});
    return 0;
  }
  Table table({{.heading = "VARIABLE", .keep = true},
               {.heading = "TYPE"},
               {.heading = "DEFAULT"},
               {.heading = "READ BY"},
               {.heading = "MEANING"}});
  for (const codec::Variable& v : codec::blueprint_variables())
    table.add({std::string(v.name), std::string(codec::type_words(v.type)), std::string(v.default_text),
               std::string(v.instead.empty() ? codec::readers_words(v) : "nobody"), std::string(v.meaning)});
  invocation.console.out(table.render(invocation.console.facts()));
  return 0;
}

base::Result<int> explain(Invocation& invocation, const Options& options) {
  if (options.name.empty()) return explain_all(invocation);
  const codec::Variable* v = codec::find_variable(options.name);
  if (!v) {
    std::vector<std::string> names;
    for (const codec::Variable& known : codec::blueprint_variables()) names.emplace_back(known.name);
    std::string message = fmt::format("there is no variable \"{}\"", options.name);
    if (const auto near = nearest(options.name, names)) message += fmt::format("; did you mean {}?", *near);
    return Error(ErrorCode::unknown_key, std::move(message))
        .with_next("`slipway blueprint explain` lists all variables.");
  }
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, variable_json(*v));
    return 0;
  }
  invocation.console.out(fmt::format("{}: {}\n\n  type      {}\n  default   {}\n  read by   {}\n", v->name,
                                     v->meaning, codec::type_words(v->type), v->default_text,
                                     v->instead.empty() ? codec::readers_words(*v) : "nobody"));
  if (!v->instead.empty()) invocation.console.out(fmt::format("  instead   {}\n", v->instead));
  return 0;
}

}  // namespace

Verb blueprint_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "blueprint",
      .group = "Cloud",
      .summary = "what can stand in a blueprint file",
      .children = {{.name = "explain",
                    .summary = "say what a variable means",
                    .about = "Without a name it lists all of them. The same table is docs/blueprint.md.",
                    .options = {{.names = "NAME", .target = &o->name, .help = "A variable of a blueprint."}},
                    .examples = {{"slipway blueprint explain node_limits", "type, default and meaning"}},
                    .action = [o](Invocation& invocation) { return explain(invocation, *o); }}}};
}

}  // namespace slipway::cli
