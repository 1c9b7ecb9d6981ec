#include "cli/output.h"

#include <gtest/gtest.h>
#include <yaml-cpp/yaml.h>

#include "cli/testing.h"

namespace slipway::cli {
namespace {

Table sample() {
  Table table(
      {{.heading = "ID", .keep = true}, {.heading = "N", .align = Table::Align::right}, {.heading = "WHY"}});
  table.add({"smollm2-135m", "1", "a long reason that does not fit a narrow terminal at all"});
  table.add({"模型", "1024", "short"});
  return table;
}

TEST(Table, AlignsByDisplayWidth) {
  EXPECT_EQ(sample().render({}),
            "ID               N  WHY\n"
            "smollm2-135m     1  a long reason that does not fit a narrow terminal at all\n"
            "模型          1024  short\n");
}

TEST(Table, CutsTheWidestColumnOnATerminalOnly) {
  EXPECT_EQ(sample().render(terminal(40)),
            "ID               N  WHY\n"
            "smollm2-135m     1  a long reason tha...\n"
            "模型          1024  short\n");
}

TEST(Table, SaysHowManyRowsAreLeftOut) {
  Table table({{.heading = "N"}});
  for (int i = 0; i < 10; ++i) table.add({std::to_string(i)});
  EXPECT_EQ(table.render({}, 3), "N\n0\n1\nand 8 more; `-o json` prints all\n");
  EXPECT_EQ(table.render({}, 10), "N\n0\n1\n2\n3\n4\n5\n6\n7\n8\n9\n");
}

TEST(Yaml, ReadsBackAsTheSameValues) {
  const Json value{{"plain", "ready"},
                   {"word", "yes"},
                   {"number", 1.5},
                   {"text", "12"},
                   {"colon", "a: b"},
                   {"hash", "a #b"},
                   {"multi", "one\ntwo"},
                   {"empty", Json::array()},
                   {"none", nullptr},
                   {"list", {1, "off", {{"a", 1}, {"b", {2, 3}}}}},
                   {"nested", {{"x", {{"y", true}}}}},
                   {"path", "/run/x.sock"},
                   {"-", "dash key"},
                   {"url", "http://127.0.0.1:8000"}};
  const YAML::Node node = YAML::Load(to_yaml(value));
  EXPECT_EQ(node["plain"].as<std::string>(), "ready");
  EXPECT_EQ(node["word"].Tag(), "!");  // quoted: a string in every YAML version
  EXPECT_EQ(node["text"].Tag(), "!");
  EXPECT_EQ(node["colon"].as<std::string>(), "a: b");
  EXPECT_EQ(node["hash"].as<std::string>(), "a #b");
  EXPECT_EQ(node["multi"].as<std::string>(), "one\ntwo");
  EXPECT_TRUE(node["empty"].IsSequence());
  EXPECT_TRUE(node["none"].IsNull());
  EXPECT_EQ(node["list"][2]["b"][1].as<int>(), 3);
  EXPECT_EQ(node["list"][1].as<std::string>(), "off");
  EXPECT_TRUE(node["nested"]["x"]["y"].as<bool>());
  EXPECT_EQ(node["-"].as<std::string>(), "dash key");
  EXPECT_EQ(node["url"].as<std::string>(), "http://127.0.0.1:8000");
}

TEST(Yaml, WritesBlockStyle) {
  const Json value{{"models", {{{"id", "a"}, {"replicas", {{{"id", "a-1"}, {"pid", 7}}}}}}},
                   {"healthy", true}};
  EXPECT_EQ(to_yaml(value),
            "models:\n"
            "  - id: a\n"
            "    replicas:\n"
            "      - id: a-1\n"
            "        pid: 7\n"
            "healthy: true\n");
}

TEST(Errors, HaveCodeEvidenceAndNextStep) {
  MemoryConsole console;
  const auto error = base::Error(base::ErrorCode::syntax, "env.tfvars:2:8: expected a value")
                         .with_detail("name = = 1\n       ^");
  EXPECT_EQ(print_error(console, OutputFormat::table, error), 2);
  EXPECT_EQ(console.err_text(),
            "error E1003: env.tfvars:2:8: expected a value\n"
            "  name = = 1\n"
            "         ^\n"
            "  next: Mend the line that the caret points at.\n");
  EXPECT_EQ(console.out_text(), "");
}

TEST(Errors, AreJsonOnStderrWhenJsonWasAsked) {
  MemoryConsole console;
  EXPECT_EQ(
      print_error(console, OutputFormat::json, base::Error(base::ErrorCode::not_running, "nobody listens")),
      4);
  const Json error = Json::parse(console.err_text())["error"];
  EXPECT_EQ(error["code"], "E5001");
  EXPECT_EQ(error["symbol"], "not_running");
  EXPECT_EQ(error["next"], "Start it with `slipway up`.");
  EXPECT_EQ(console.out_text(), "");
}

}  // namespace
}  // namespace slipway::cli
