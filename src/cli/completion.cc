#include <memory>

#include "cli/completion_script.h"
#include "cli/verb.h"

namespace slipway::cli {
namespace {

base::Result<int> run(Invocation& invocation, const std::string& shell) {
  if (shell == "bash") invocation.console.out(bash_completion(invocation.verbs));
  if (shell == "zsh") invocation.console.out(zsh_completion(invocation.verbs));
  if (shell == "fish") invocation.console.out(fish_completion(invocation.verbs));
  return 0;
}

}  // namespace

Verb completion_verb() {
  auto shell = std::make_shared<std::string>();
  return {.name = "completion",
          .group = "Slipway itself",
          .summary = "print a completion script for a shell",
          .options = {{.names = "SHELL",
                       .target = shell.get(),
                       .help = "The shell.",
                       .choices = {"bash", "zsh", "fish"},
                       .required = true}},
          .examples = {{"source <(slipway completion bash)", "completion in this bash session"},
                       {"slipway completion fish > ~/.config/fish/completions/slipway.fish",
                        "for every fish session"}},
          .action = [shell](Invocation& invocation) { return run(invocation, *shell); }};
}

}  // namespace slipway::cli
