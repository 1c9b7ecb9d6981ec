#include "cli/completion_script.h"

#include <fmt/format.h>

namespace slipway::cli {
namespace {

std::string replaced(std::string_view text, std::string_view from, std::string_view to) {
  std::string out(text);
  for (std::size_t at = out.find(from); at != std::string::npos; at = out.find(from, at + to.size())) {
    out.replace(at, from.size(), to);
  }
  return out;
}

// Inside single quotes of a POSIX shell.
std::string shell_quoted(std::string_view text) {
  return "'" + replaced(text, "'", "'\\''") + "'";
}
std::string fish_quoted(std::string_view text) {
  return "'" + replaced(replaced(text, "\\", "\\\\"), "'", "\\'") + "'";
}

std::string joined(const std::vector<std::string>& words, std::string_view by) {
  return fmt::format("{}", fmt::join(words, by));
}

void collect(std::vector<CompletionNode>& out, const Verb& verb, const std::string& above,
             const std::vector<Option>& globals) {
  CompletionNode node{
      .path = above.empty() ? verb.name : above + " " + verb.name, .words = {}, .options = {}};
  for (const Verb& child : verb.children) node.words.emplace_back(child.name, child.summary);
  for (const Option& option : verb.options) {
    if (!option.hidden) node.options.push_back(option);
  }
  node.options.insert(node.options.end(), globals.begin(), globals.end());
  out.push_back(node);
  for (const Verb& child : verb.children) collect(out, child, node.path, globals);
}

// The case patterns "path word" under which a word goes one verb down.
std::string steps(const std::vector<CompletionNode>& nodes) {
  std::vector<std::string> patterns;
  for (const CompletionNode& node : nodes) {
    for (const auto& [word, summary] : node.words)
      patterns.push_back(fmt::format("\"{} {}\"", node.path, word));
  }
  return joined(patterns, " | ");
}

bool takes_files(const CompletionNode& node) {
  for (const Option& option : node.options) {
    if (option.positional() && option.is_file) return true;
  }
  return false;
}

std::string bash_values(const CompletionNode& node) {
  std::string out;
  for (const Option& option : node.options) {
    if (option.positional() || option.value.empty()) continue;
    std::vector<std::string> patterns;
    for (const std::string& name : option_spellings(option))
      patterns.push_back(fmt::format("\"{} {}\"", node.path, name));
    std::string action = "COMPREPLY=()";
    if (!option.choices.empty()) {
      action =
          fmt::format("COMPREPLY=($(compgen -W {} -- \"$cur\"))", shell_quoted(joined(option.choices, " ")));
    } else if (option.is_file) {
      action = "COMPREPLY=($(compgen -f -- \"$cur\"))";
    }
    out += fmt::format("    {}) {}; return ;;\n", joined(patterns, " | "), action);
  }
  return out;
}

std::vector<std::string> all_words(const CompletionNode& node) {
  std::vector<std::string> words;
  for (const auto& [word, summary] : node.words) words.push_back(word);
  for (const Option& option : node.options) {
    if (option.positional()) {
      words.insert(words.end(), option.choices.begin(), option.choices.end());
    } else {
      for (std::string& name : option_spellings(option)) words.push_back(std::move(name));
    }
  }
  words.emplace_back("--help");
  return words;
}

std::string zsh_candidates(const CompletionNode& node) {
  const auto entry = [](std::string_view word, std::string_view says) {
    return shell_quoted(replaced(word, ":", "\\:") + ":" + std::string(says));
  };
  std::string out;
  for (const auto& [word, summary] : node.words) out += " " + entry(word, summary);
  for (const Option& option : node.options) {
    if (option.positional()) {
      for (const std::string& choice : option.choices) out += " " + entry(choice, option.help);
    } else {
      for (const std::string& name : option_spellings(option)) out += " " + entry(name, option.help);
    }
  }
  return out + " " + entry("--help", "Print help and exit");
}

std::string fish_condition(const CompletionNode& node) {
  if (node.path.empty()) return "__fish_use_subcommand";
  std::string out;
  std::string_view rest = node.path;
  while (!rest.empty()) {
    const std::size_t space = rest.find(' ');
    if (!out.empty()) out += "; and ";
    out += "__fish_seen_subcommand_from " + std::string(rest.substr(0, space));
    rest.remove_prefix(space == std::string_view::npos ? rest.size() : space + 1);
  }
  return out;
}

std::string fish_option(const CompletionNode& node, const Option& option) {
  std::string out = fmt::format("complete -c slipway -n {}", fish_quoted(fish_condition(node)));
  for (const std::string& name : option_spellings(option)) {
    out += name.starts_with("--") ? " -l " + name.substr(2) : " -s " + name.substr(1);
  }
  if (!option.value.empty()) out += option.is_file ? " -r -F" : " -x";
  if (!option.choices.empty()) out += " -a " + fish_quoted(joined(option.choices, " "));
  return out + " -d " + fish_quoted(option.help) + "\n";
}

std::string fish_words(const CompletionNode& node) {
  std::vector<std::string> names;
  for (const auto& [word, summary] : node.words) names.push_back(word);
  std::string condition = fish_condition(node);
  if (!node.path.empty()) condition += "; and not __fish_seen_subcommand_from " + joined(names, " ");
  std::string out;
  for (const auto& [word, summary] : node.words) {
    out += fmt::format("complete -c slipway -n {} -a {} -d {}\n", fish_quoted(condition), word,
                       fish_quoted(summary));
  }
  return out;
}

}  // namespace

std::vector<std::string> option_spellings(const Option& option) {
  const std::size_t comma = option.names.find(',');
  if (comma == std::string::npos) return {option.names};
  return {option.names.substr(0, comma), option.names.substr(comma + 1)};
}

std::vector<CompletionNode> completion_nodes(const std::vector<Verb>& verbs) {
  static Globals globals;
  const std::vector<Option> global = global_options(globals);
  CompletionNode root{.path = "", .words = {}, .options = global};
  for (const Verb& verb : verbs) root.words.emplace_back(verb.name, verb.summary);
  std::vector<CompletionNode> nodes{root};
  for (const Verb& verb : verbs) collect(nodes, verb, "", global);
  return nodes;
}

std::string bash_completion(const std::vector<Verb>& verbs) {
  const std::vector<CompletionNode> nodes = completion_nodes(verbs);
  std::string values, words;
  for (const CompletionNode& node : nodes) {
    values += bash_values(node);
    words += fmt::format("    \"{}\") words={}{} ;;\n", node.path, shell_quoted(joined(all_words(node), " ")),
                         takes_files(node) ? "; files=yes" : "");
  }
  return fmt::format(
      "# bash completion of slipway; load it with: source <(slipway completion bash)\n"
      "_slipway() {{\n"
      "  local cur=${{COMP_WORDS[COMP_CWORD]}} prev=${{COMP_WORDS[COMP_CWORD-1]}} at= words= files= i\n"
      "  for ((i = 1; i < COMP_CWORD; i++)); do\n"
      "    case \"$at ${{COMP_WORDS[i]}}\" in\n"
      "    {}) at=\"${{at:+$at }}${{COMP_WORDS[i]}}\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$at $prev\" in\n{}  esac\n"
      "  case \"$at\" in\n{}  esac\n"
      "  COMPREPLY=($(compgen -W \"$words\" -- \"$cur\"))\n"
      "  if [ -n \"$files\" ]; then COMPREPLY+=($(compgen -f -- \"$cur\")); fi\n"
      "}}\n"
      "complete -o filenames -F _slipway slipway\n",
      steps(nodes), values, words);
}

std::string zsh_completion(const std::vector<Verb>& verbs) {
  const std::vector<CompletionNode> nodes = completion_nodes(verbs);
  std::string cases;
  for (const CompletionNode& node : nodes) {
    cases += fmt::format("    \"{}\") candidates=({} ){} ;;\n", node.path, zsh_candidates(node),
                         takes_files(node) ? "; files=yes" : "");
  }
  return fmt::format(
      "#compdef slipway\n"
      "# zsh completion of slipway; put it into a folder of $fpath as _slipway\n"
      "_slipway() {{\n"
      "  local at= word files=\n"
      "  local -a candidates\n"
      "  for word in \"${{words[@]:1:$((CURRENT - 2))}}\"; do\n"
      "    case \"$at $word\" in\n"
      "    {}) at=\"${{at:+$at }}$word\" ;;\n"
      "    esac\n"
      "  done\n"
      "  case \"$at\" in\n{}  esac\n"
      "  _describe 'slipway' candidates\n"
      "  [[ -n \"$files\" ]] && _files\n"
      "}}\n"
      "compdef _slipway slipway\n",
      steps(nodes), cases);
}

std::string fish_completion(const std::vector<Verb>& verbs) {
  std::string out =
      "# fish completion of slipway; save it as ~/.config/fish/completions/slipway.fish\ncomplete -c slipway "
      "-f\n";
  for (const CompletionNode& node : completion_nodes(verbs)) {
    out += fish_words(node);
    for (const Option& option : node.options) {
      if (!option.positional()) out += fish_option(node, option);
    }
    if (takes_files(node))
      out += fmt::format("complete -c slipway -n {} -F\n", fish_quoted(fish_condition(node)));
  }
  return out;
}

}  // namespace slipway::cli
