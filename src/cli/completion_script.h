// Completion scripts, made from the verb table.
#pragma once

#include <string>
#include <vector>

#include "cli/verb.h"

namespace slipway::cli {

std::string bash_completion(const std::vector<Verb>& verbs);
std::string zsh_completion(const std::vector<Verb>& verbs);
std::string fish_completion(const std::vector<Verb>& verbs);

// One verb as the scripts see it: "keys create" with what may follow.
struct CompletionNode {
  std::string path;                                        // "" is the root
  std::vector<std::pair<std::string, std::string>> words;  // sub-verbs with their summaries
  std::vector<Option> options;                             // without hidden ones, with the global ones
};
std::vector<CompletionNode> completion_nodes(const std::vector<Verb>& verbs);
// "-f,--file" -> {"-f", "--file"}.
std::vector<std::string> option_spellings(const Option& option);

}  // namespace slipway::cli
