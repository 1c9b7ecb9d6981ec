#include "cli/parse.h"

#include <fmt/format.h>

#include <algorithm>
#include <CLI/CLI.hpp>
#include <map>
#include <memory>

#include "cli/settings.h"
#include "cli/text.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

// CLI11's checks: empty when the word is good.
std::string choice_problem(const std::string& word, const std::vector<std::string>& choices) {
  if (std::ranges::find(choices, word) != choices.end()) return "";
  std::string problem = fmt::format("\"{}\" is none of {}", word, fmt::join(choices, ", "));
  if (const auto near = nearest(word, choices)) problem += fmt::format("; did you mean {}?", *near);
  return problem;
}

std::string range_problem(const std::string& word, std::pair<double, double> range) {
  double value = 0;
  if (!CLI::detail::lexical_cast(word, value)) return fmt::format("\"{}\" is no number", word);
  if (value >= range.first && value <= range.second) return "";
  return fmt::format("{} is not between {} and {}", word, range.first, range.second);
}

void add_option(CLI::App& app, const Option& option) {
  CLI::Option* made = std::visit(
      [&](auto* target) -> CLI::Option* {
        using T = std::remove_pointer_t<decltype(target)>;
        if constexpr (std::is_same_v<T, bool>)
          return app.add_flag(option.names, *target, option.help);
        else
          return app.add_option(option.names, *target, option.help);
      },
      option.target);
  const bool number =
      std::holds_alternative<std::int64_t*>(option.target) || std::holds_alternative<double*>(option.target);
  if (!option.choices.empty())
    made->check(
        [choices = option.choices](const std::string& word) { return choice_problem(word, choices); });
  if (number)
    made->check([range = option.range](const std::string& word) { return range_problem(word, range); });
  if (std::holds_alternative<std::vector<std::string>*>(option.target) && !option.positional()) {
    made->expected(1)->multi_option_policy(CLI::MultiOptionPolicy::TakeAll);
  }
  if (option.required) made->required();
}

class Parser {
 public:
  Parser(const std::vector<Verb>& verbs, Globals& globals) : verbs_(verbs) {
    root_.set_help_flag("-h,--help", "Print help and exit");
    root_.add_flag("--version", parsed_.version, "Print the version and exit");
    root_.require_subcommand(0, 1);
    globals_ = global_options(globals);
    for (const Option& option : globals_) add_option(root_, option);
    for (const Verb& verb : verbs) add_verb(root_, verb);
  }

  base::Result<Parsed> parse(std::vector<std::string> arguments) {
    std::ranges::reverse(arguments);  // CLI11 takes them from the back
    try {
      root_.parse(arguments);
    } catch (const CLI::CallForHelp&) {
      parsed_.help = true;
    } catch (const CLI::ExtrasError&) {
      return extras_error();
    } catch (const CLI::ParseError& e) {
      return usage(e.what());
    }
    parsed_.path = path();
    return parsed_;
  }

 private:
  void add_verb(CLI::App& parent, const Verb& verb) {
    CLI::App* app = parent.add_subcommand(verb.name, verb.summary);
    app->fallthrough();
    app->require_subcommand(0, verb.children.empty() ? 0 : 1);
    for (const Option& option : verb.options) add_option(*app, option);
    for (const Verb& child : verb.children) add_verb(*app, child);
    verb_of_[app] = &verb;
  }

  std::vector<const Verb*> path() {
    std::vector<const Verb*> out;
    for (CLI::App* app = &root_; !app->get_subcommands().empty();) {
      app = app->get_subcommands().front();
      out.push_back(verb_of_.at(app));
    }
    return out;
  }

  Error usage(std::string message) {
    std::string command = "slipway";
    for (const Verb* verb : path()) command += " " + verb->name;
    return Error(ErrorCode::usage, std::move(message)).with_next(fmt::format("Run `{} --help`.", command));
  }

  Error extras_error() {
    const std::vector<const Verb*> at = path();
    const std::vector<std::string> extras = root_.remaining(true);
    const std::string word = extras.empty() ? "" : extras.front();
    const bool flag = word.starts_with("-");
    const bool wants_verb = at.empty() || !at.back()->children.empty();
    if (!flag && !wants_verb)
      return usage(fmt::format("{} takes no argument \"{}\" here", at.back()->name, word));
    const std::string prefix = at.empty() ? "slipway" : "slipway " + at.back()->name;
    std::string message = flag ? fmt::format("{} has no option {}", prefix, word)
                               : fmt::format("{} has no verb \"{}\"", prefix, word);
    const std::string bare = word.substr(0, word.find('='));
    if (const auto near = nearest(bare, flag ? option_names(at) : verb_names(at))) {
      message += fmt::format("; did you mean {}?", *near);
    }
    return usage(std::move(message));
  }

  std::vector<std::string> verb_names(const std::vector<const Verb*>& at) const {
    std::vector<std::string> names;
    for (const Verb& verb : at.empty() ? verbs_ : at.back()->children) names.push_back(verb.name);
    return names;
  }

  std::vector<std::string> option_names(const std::vector<const Verb*>& at) const {
    std::vector<std::string> names{"--help"};
    const auto take = [&](const std::vector<Option>& options) {
      for (const Option& option : options) {
        if (option.positional() || option.hidden) continue;
        for (std::string& name : CLI::detail::split(option.names, ',')) names.push_back(std::move(name));
      }
    };
    for (const Verb* verb : at) take(verb->options);
    take(globals_);
    return names;
  }

  const std::vector<Verb>& verbs_;
  CLI::App root_{"slipway"};
  Parsed parsed_;
  std::vector<Option> globals_;
  std::map<const CLI::App*, const Verb*> verb_of_;
};

OutputFormat format_of(std::string_view name) {
  return name == "json" ? OutputFormat::json : name == "yaml" ? OutputFormat::yaml : OutputFormat::table;
}

// The flag was checked by its choices; the variable was not.
base::Result<OutputFormat> output_format(const Globals& globals) {
  const Resolved output = setting("output", globals.output_flag);
  if (output.value == "table" || output.value == "json" || output.value == "yaml")
    return format_of(output.value);
  return Error(ErrorCode::bad_value,
               fmt::format("{} is \"{}\", which is none of table, json, yaml", output.where, output.value))
      .with_next(fmt::format("unset {}", output.where));
}

}  // namespace

base::Result<Parsed> parse(const std::vector<std::string>& arguments, const std::vector<Verb>& verbs,
                           Globals& globals) {
  Parser parser(verbs, globals);
  base::Result<Parsed> parsed = parser.parse(arguments);
  if (!parsed) return parsed;
  SLIPWAY_TRY(globals.output, output_format(globals));
  return parsed;
}

OutputFormat output_wanted(const std::vector<std::string>& arguments) {
  for (std::size_t i = 0; i < arguments.size(); ++i) {
    const std::string& word = arguments[i];
    if ((word == "-o" || word == "--output") && i + 1 < arguments.size()) return format_of(arguments[i + 1]);
    if (word.starts_with("--output=")) return format_of(word.substr(9));
    if (word.starts_with("-o") && word.size() > 2) return format_of(word.substr(word[2] == '=' ? 3 : 2));
  }
  return format_of(setting("output").value);
}

}  // namespace slipway::cli
