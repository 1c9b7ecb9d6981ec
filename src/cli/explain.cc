#include <fmt/format.h>

#include <memory>

#include "cli/help.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::string code;
  bool markdown = false;
};

Json row_json(const base::ErrorInfo& row) {
  return {{"code", base::code_name(row.code)},
          {"symbol", row.symbol},
          {"kind", base::kind_name(row.kind)},
          {"http_status", row.http_status},
          {"exit_code", row.exit_code},
          {"text", row.text},
          {"next", row.next_step}};
}

Error unknown_code(const std::string& code) {
  std::vector<std::string> names;
  for (const base::ErrorInfo& row : base::all_errors()) {
    names.push_back(base::code_name(row.code));
    names.emplace_back(row.symbol);
  }
  std::string message = fmt::format("there is no error code \"{}\"", code);
  if (const auto near = nearest(code, names)) message += fmt::format("; did you mean {}?", *near);
  return Error(ErrorCode::usage, std::move(message)).with_next("`slipway explain` lists all codes.");
}

void print_row(Invocation& invocation, const base::ErrorInfo& row) {
  if (invocation.globals.output != OutputFormat::table) {
    print_value(invocation.console, invocation.globals.output, row_json(row));
    return;
  }
  invocation.console.out(fmt::format(
      "{}  {}\n{}.\n\n  kind         {}\n  HTTP status  {}\n  exit code    {}\n  next         {}\n",
      base::code_name(row.code), row.symbol, row.text, base::kind_name(row.kind), row.http_status,
      row.exit_code, row.next_step));
}

void print_all(Invocation& invocation) {
  if (invocation.globals.output != OutputFormat::table) {
    Json rows = Json::array();
    for (const base::ErrorInfo& row : base::all_errors()) rows.push_back(row_json(row));
    print_value(invocation.console, invocation.globals.output, Json{{"errors", std::move(rows)}});
    return;
  }
  Table table({{.heading = "CODE", .keep = true},
               {.heading = "EXIT", .align = Table::Align::right},
               {.heading = "MEANING"}});
  for (const base::ErrorInfo& row : base::all_errors()) {
    table.add({base::code_name(row.code), std::to_string(row.exit_code), std::string(row.text)});
  }
  invocation.console.out(table.render(invocation.console.facts()));
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  if (options.markdown) {
    invocation.console.out(errors_markdown());
  } else if (options.code.empty()) {
    print_all(invocation);
  } else {
    const base::ErrorInfo* row = base::find_error(options.code);
    if (row == nullptr) return unknown_code(options.code);
    print_row(invocation, *row);
  }
  return 0;
}

}  // namespace

Verb explain_verb() {
  auto o = std::make_shared<Options>();
  return {
      .name = "explain",
      .group = "Slipway itself",
      .summary = "say what an error code means and what to do",
      .about = "Works offline. Without a code it lists all of them.",
      .options =
          {{.names = "CODE", .target = &o->code, .help = "A code such as E5001, or its symbol."},
           {.names = "--markdown", .target = &o->markdown, .help = "Print docs/errors.md.", .hidden = true}},
      .examples = {{"slipway explain E5001", "the meaning, the exit code and the next step of one error"}},
      .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
