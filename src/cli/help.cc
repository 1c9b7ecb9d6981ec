#include "cli/help.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/error.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

constexpr std::size_t kMaxNameColumn = 30;
constexpr std::size_t kMaxTextWidth = 100;

// "-f, --file FILE" or "MODEL".
std::string option_label(const Option& option) {
  if (option.positional()) return option.names;
  std::string names = option.names;
  if (const std::size_t comma = names.find(','); comma != std::string::npos)
    names.insert(comma + 1, " ");
  else
    names.insert(0, "    ");
  return option.value.empty() ? names : names + " " + option.value;
}

std::string option_help(const Option& option) {
  std::string text = option.help;
  if (option.choices.empty()) return text;
  text += " One of:";
  for (const std::string& choice : option.choices) text += " " + choice;
  return text + ".";
}

std::string usage(const std::vector<const Verb*>& path) {
  std::string out = "slipway";
  for (const Verb* verb : path) out += " " + verb->name;
  const Verb& verb = *path.back();
  if (!verb.children.empty()) out += verb.action ? " [VERB]" : " VERB";
  for (const Option& option : verb.options) {
    if (option.hidden || !option.positional()) continue;
    const bool many = std::holds_alternative<std::vector<std::string>*>(option.target);
    const std::string name = option.names + (many ? "..." : "");
    out += option.required ? " " + name : " [" + name + "]";
  }
  return out + " [options]";
}

// Rows of "  name   text", the text wrapped to the terminal.
std::string rows(const std::vector<std::pair<std::string, std::string>>& entries, std::size_t width) {
  std::size_t column = 0;
  for (const auto& entry : entries) column = std::max(column, display_width(entry.first));
  column = std::min(column, kMaxNameColumn) + 4;
  std::string out;
  for (const auto& [name, text] : entries) {
    std::string line = "  " + pad_right(name, column - 2);
    if (display_width(name) + 2 > column) line += "\n" + std::string(column, ' ');
    out += line + wrap(text, width > column + 20 ? width - column : 20, column) + "\n";
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> option_rows(const std::vector<Option>& options,
                                                             bool positional) {
  std::vector<std::pair<std::string, std::string>> out;
  for (const Option& option : options) {
    if (option.hidden || option.positional() != positional) continue;
    out.emplace_back(option_label(option), option_help(option));
  }
  return out;
}

std::vector<std::pair<std::string, std::string>> exit_rows(const Verb& verb) {
  std::vector<std::pair<int, std::string>> codes{{0, "done"}, {2, "the command line or a file is wrong"}};
  codes.insert(codes.end(), verb.exits.begin(), verb.exits.end());
  codes.emplace_back(130, "interrupted by Ctrl-C");
  std::ranges::sort(codes);
  std::vector<std::pair<std::string, std::string>> out;
  for (const auto& [code, text] : codes) out.emplace_back(std::to_string(code), text);
  return out;
}

std::vector<Option> globals_for_help() {
  static Globals globals;
  return global_options(globals);
}

std::string overview(const std::vector<Verb>& verbs, std::size_t width) {
  std::string out =
      "Slipway: an inference-ready cluster in one program.\n\n"
      "Usage: slipway VERB [options]\n\n"
      "  slipway up                 start the gateway, and the models this environment wants\n"
      "  slipway chat \"Hello\"       ask the model\n"
      "  slipway status             see what runs\n";
  std::vector<std::string> groups;
  for (const Verb& verb : verbs) {
    if (std::ranges::find(groups, verb.group) == groups.end()) groups.push_back(verb.group);
  }
  for (const std::string& group : groups) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const Verb& verb : verbs) {
      if (verb.group == group) entries.emplace_back(pad_right(verb.name, 10), verb.summary);
    }
    out += "\n" + group + ":\n" + rows(entries, width);
  }
  out += "\nGlobal options:\n" + rows(option_rows(globals_for_help(), false), width);
  return out + "\n`slipway VERB --help` explains a verb, `slipway explain CODE` an error.\n";
}

std::string verb_help(const std::vector<const Verb*>& path, std::size_t width) {
  const Verb& verb = *path.back();
  std::string name = "slipway";
  for (const Verb* part : path) name += " " + part->name;
  std::string out = wrap(name + ": " + verb.summary, width, 0) + "\n\nUsage: " + usage(path) + "\n";
  if (!verb.about.empty()) out += "\n" + wrap(verb.about, width, 0) + "\n";
  if (!verb.children.empty()) {
    std::vector<std::pair<std::string, std::string>> entries;
    for (const Verb& child : verb.children) entries.emplace_back(child.name, child.summary);
    out += "\nVerbs:\n" + rows(entries, width);
  }
  const auto arguments = option_rows(verb.options, true);
  const auto options = option_rows(verb.options, false);
  if (!arguments.empty()) out += "\nArguments:\n" + rows(arguments, width);
  if (!options.empty()) out += "\nOptions:\n" + rows(options, width);
  out += "\nGlobal options:\n" + rows(option_rows(globals_for_help(), false), width);
  if (!verb.examples.empty()) out += "\nExamples:\n";
  for (const Example& example : verb.examples) {
    out += "  " + example.command + "\n      " + wrap(example.says, width - 6, 6) + "\n";
  }
  return out + "\nExit codes:\n" + rows(exit_rows(verb), width);
}

std::string markdown_table(const std::vector<std::pair<std::string, std::string>>& entries,
                           std::string_view heading) {
  std::string out = fmt::format("\n| {} | |\n|---|---|\n", heading);
  for (const auto& [name, text] : entries) {
    const std::size_t start = name.find_first_not_of(' ');
    std::string shown = name.substr(start == std::string::npos ? 0 : start);
    if (const std::size_t bar = shown.find('|'); bar != std::string::npos) shown.insert(bar, "\\");
    out += fmt::format("| `{}` | {} |\n", shown, text);
  }
  return out;
}

void verb_markdown(std::string& out, std::vector<const Verb*> path) {
  const Verb& verb = *path.back();
  std::string name;
  for (const Verb* part : path) name += (name.empty() ? "" : " ") + part->name;
  out += fmt::format("\n## {}\n\n`{}` : {}.\n", name, usage(path), verb.summary);
  if (!verb.about.empty()) out += "\n" + verb.about + "\n";
  auto entries = option_rows(verb.options, true);
  for (auto& row : option_rows(verb.options, false)) entries.push_back(std::move(row));
  if (!entries.empty()) out += markdown_table(entries, "option");
  if (verb.action) out += markdown_table(exit_rows(verb), "exit code");
  if (!verb.examples.empty()) out += "\n```\n";
  for (const Example& example : verb.examples)
    out += fmt::format("$ {}\n# {}\n", example.command, example.says);
  if (!verb.examples.empty()) out += "```\n";
  for (const Verb& child : verb.children) {
    path.push_back(&child);
    verb_markdown(out, path);
    path.pop_back();
  }
}

}  // namespace

std::string help_text(const std::vector<Verb>& verbs, const std::vector<const Verb*>& path,
                      const TerminalFacts& facts) {
  const std::size_t width = std::min<std::size_t>(static_cast<std::size_t>(facts.width), kMaxTextWidth);
  return path.empty() ? overview(verbs, width) : verb_help(path, width);
}

std::string help_markdown(const std::vector<Verb>& verbs) {
  std::string out =
      "# The command line\n\n"
      "Made by `slipway help --markdown` from the table that also makes the parser and `--help`; do not "
      "edit.\n"
      "stdout is data, stderr is progress. Shapes of `-o json`: docs/json-output.md. Errors: "
      "docs/errors.md.\n";
  out += markdown_table(option_rows(globals_for_help(), false), "option of every verb");
  for (const Verb& verb : verbs) verb_markdown(out, {&verb});
  return out;
}

std::string errors_markdown() {
  std::string out =
      "# Errors\n\n"
      "Made by `slipway explain --markdown` from src/base/errors.def; do not edit. Every error names its "
      "code, what failed "
      "with the\nevidence, and the next command; `slipway explain CODE` prints a row of this table.\n\n"
      "| code | symbol | kind | HTTP | exit | meaning | next |\n|---|---|---|---|---|---|---|\n";
  for (const base::ErrorInfo& row : base::all_errors()) {
    out += fmt::format("| {} | `{}` | {} | {} | {} | {} | {} |\n", base::code_name(row.code), row.symbol,
                       base::kind_name(row.kind), row.http_status, row.exit_code, row.text, row.next_step);
  }
  return out;
}

}  // namespace slipway::cli
