// The command line itself: unknown words, help, the documents made from the tables.
#include "cli/app.h"

#include "cli/help.h"
#include "cli/testing.h"

namespace slipway::cli {
namespace {

void golden(const std::string& name, const std::vector<std::string>& arguments, TerminalFacts facts = {}) {
  expect_golden(name, arguments, run_cli(arguments, facts));
}

TEST(App, NoVerbPrintsTheOverview) {
  golden("overview", {});
}
TEST(App, UnknownVerbSuggestsTheNearest) {
  golden("unknown_verb", {"expalin", "E5001"});
}
TEST(App, UnknownVerbWithoutANearOne) {
  golden("unknown_verb_far", {"provision"});
}
TEST(App, UnknownFlagSuggestsTheNearest) {
  golden("unknown_flag", {"version", "--verbos"});
}
TEST(App, UnknownSubVerb) {
  golden("unknown_sub_verb", {"config", "explan"});
}
TEST(App, MissingSubVerb) {
  golden("missing_sub_verb", {"config"});
}
TEST(App, ArgumentTooMany) {
  golden("argument_too_many", {"version", "now"});
}
TEST(App, BadChoice) {
  golden("bad_choice", {"version", "-o", "toml"});
}
TEST(App, UsageErrorAsJson) {
  golden("usage_error_json", {"-o", "json", "explain", "E1", "E2"});
}
TEST(App, VerbHelp) {
  golden("verb_help", {"help", "explain"});
}
TEST(App, ExplainOneCode) {
  golden("explain_code", {"explain", "E5001"});
}
TEST(App, ExplainBySymbolAsJson) {
  golden("explain_symbol_json", {"explain", "port_taken", "-o", "json"});
}
TEST(App, ExplainUnknownCode) {
  golden("explain_unknown", {"explain", "E50011"});
}
TEST(App, CompletionNeedsAKnownShell) {
  golden("completion_unknown_shell", {"completion", "tcsh"});
}

TEST(App, HelpFlagAndHelpVerbAgree) {
  EXPECT_EQ(run_cli({"explain", "--help"}).out, run_cli({"help", "explain"}).out);
  EXPECT_EQ(run_cli({"config", "explain", "-h"}).out, run_cli({"help", "config", "explain"}).out);
}

TEST(App, EveryVerbExplainsItself) {
  const std::vector<Verb> verbs = all_verbs();
  const std::function<void(const Verb&)> check = [&](const Verb& verb) {
    EXPECT_FALSE(verb.summary.empty()) << verb.name;
    EXPECT_TRUE(verb.action || !verb.children.empty()) << verb.name;
    if (verb.action) EXPECT_FALSE(verb.examples.empty()) << verb.name;
    for (const Option& option : verb.options)
      EXPECT_FALSE(option.help.empty()) << verb.name << " " << option.names;
    for (const Verb& child : verb.children) check(child);
  };
  for (const Verb& verb : verbs) check(verb);
}

TEST(Documents, CliReferenceIsTheTables) {
  expect_golden_text("docs/cli.md", run_cli({"help", "--markdown"}).out);
}
TEST(Documents, ErrorReferenceIsTheTable) {
  expect_golden_text("docs/errors.md", run_cli({"explain", "--markdown"}).out);
}

}  // namespace
}  // namespace slipway::cli
