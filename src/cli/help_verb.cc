#include <fmt/format.h>

#include <algorithm>
#include <memory>

#include "cli/help.h"
#include "cli/text.h"
#include "cli/verb.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

struct Options {
  std::vector<std::string> words;
  bool markdown = false;
};

base::Result<std::vector<const Verb*>> find_path(const std::vector<Verb>& verbs,
                                                 const std::vector<std::string>& words) {
  std::vector<const Verb*> path;
  const std::vector<Verb>* level = &verbs;
  for (const std::string& word : words) {
    const auto found = std::ranges::find(*level, word, &Verb::name);
    if (found == level->end()) {
      std::vector<std::string> names;
      for (const Verb& verb : *level) names.push_back(verb.name);
      std::string message = fmt::format("there is no verb \"{}\"", word);
      if (const auto near = nearest(word, names)) message += fmt::format("; did you mean {}?", *near);
      return Error(ErrorCode::usage, std::move(message)).with_next("`slipway help` lists the verbs.");
    }
    path.push_back(&*found);
    level = &found->children;
  }
  return path;
}

base::Result<int> run(Invocation& invocation, const Options& options) {
  if (options.markdown) {
    invocation.console.out(help_markdown(invocation.verbs));
    return 0;
  }
  SLIPWAY_TRY(const std::vector<const Verb*> path, find_path(invocation.verbs, options.words));
  invocation.console.out(help_text(invocation.verbs, path, invocation.console.facts()));
  return 0;
}

}  // namespace

Verb help_verb() {
  auto o = std::make_shared<Options>();
  return {.name = "help",
          .group = "Slipway itself",
          .summary = "explain a verb",
          .options =
              {{.names = "VERB", .target = &o->words, .help = "A verb, or two words such as `keys create`."},
               {.names = "--markdown", .target = &o->markdown, .help = "Print docs/cli.md.", .hidden = true}},
          .examples = {{"slipway help keys create", "the same as `slipway keys create --help`"}},
          .action = [o](Invocation& invocation) { return run(invocation, *o); }};
}

}  // namespace slipway::cli
