#include <gtest/gtest.h>

#include "cli/completion_script.h"
#include "cli/testing.h"

namespace slipway::cli {
namespace {

// Runs `shell -n` on the script; true when the shell is not here.
bool parses(const std::string& shell) {
  if (std::system(("command -v " + shell + " >/dev/null").c_str()) != 0) return true;
  const auto path = std::filesystem::path(testing::TempDir()) / ("slipway_completion." + shell);
  std::ofstream(path) << run_cli({"completion", shell}).out;
  return std::system((shell + " -n " + path.string()).c_str()) == 0;
}

TEST(Completion, EveryScriptParsesInItsShell) {
  for (const char* shell : {"bash", "zsh", "fish"}) EXPECT_TRUE(parses(shell)) << shell;
}

// What bash offers after `line` (its last word may be unfinished).
std::string bash_offers(const std::string& line) {
  const auto folder = std::filesystem::path(testing::TempDir());
  std::ofstream(folder / "completion.bash") << run_cli({"completion", "bash"}).out;
  std::ofstream(folder / "ask.bash") << "source " << (folder / "completion.bash").string() << "\n"
                                     << "COMP_WORDS=(" << line << ")\nCOMP_CWORD=$((${#COMP_WORDS[@]} - 1))\n"
                                     << "_slipway\nprintf '%s\\n' \"${COMPREPLY[@]}\" >"
                                     << (folder / "offers").string();
  EXPECT_EQ(std::system(("bash " + (folder / "ask.bash").string()).c_str()), 0);
  return read_whole(folder / "offers");
}

TEST(Completion, BashOffersVerbsOptionsAndChoices) {
  EXPECT_EQ(bash_offers("slipway vers"), "version\n");
  EXPECT_EQ(bash_offers("slipway config exp"), "explain\n");
  EXPECT_EQ(bash_offers("slipway completion z"), "zsh\n");
  EXPECT_EQ(bash_offers("slipway version -o y"), "yaml\n");
  EXPECT_EQ(bash_offers("slipway version --verb"), "--verbose\n");
}

TEST(Completion, HiddenOptionsAreNotOffered) {
  for (const CompletionNode& node : completion_nodes(all_verbs())) {
    for (const Option& option : node.options) EXPECT_FALSE(option.hidden) << node.path << " " << option.names;
  }
}

}  // namespace
}  // namespace slipway::cli
