#include "codec/tfvars.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

namespace slipway::codec {
namespace {

using testing::HasSubstr;

base::Result<TfObject> read(std::string_view text) {
  return parse_tfvars({"f.tfvars", text});
}

const TfValue& get(const TfObject& object, std::string_view name) {
  return std::ranges::find(object, name, &TfEntry::name)->value;
}
std::string text_of(std::string_view file) {
  return std::get<std::string>(get(*read(file), "a").value);
}

TEST(Tfvars, ReadsEveryKindOfValue) {
  const auto f = read(R"(
# a comment
name = "x" // another
n = 12
neg = -3
f = 1.5e2
yes = true
nothing = null /* a third */
list = ["a", "b",
  "c", # inside
]
map = { coredns = true, kube-proxy : false
  "quoted key" = 1 }
empty = []
)");
  ASSERT_TRUE(f.has_value()) << f.error().to_string();
  EXPECT_EQ(std::get<std::string>(get(*f, "name").value), "x");
  EXPECT_EQ(std::get<std::int64_t>(get(*f, "n").value), 12);
  EXPECT_EQ(std::get<std::int64_t>(get(*f, "neg").value), -3);
  EXPECT_EQ(std::get<double>(get(*f, "f").value), 150.0);
  EXPECT_EQ(std::get<bool>(get(*f, "yes").value), true);
  EXPECT_EQ(type_words(get(*f, "nothing")), "null");
  EXPECT_EQ(std::get<TfList>(get(*f, "list").value).size(), 3u);
  const auto& map = std::get<TfObject>(get(*f, "map").value);
  EXPECT_EQ(std::get<bool>(get(map, "kube-proxy").value), false);
  EXPECT_EQ(std::get<std::int64_t>(get(map, "quoted key").value), 1);
  EXPECT_TRUE(std::get<TfList>(get(*f, "empty").value).empty());
}

TEST(Tfvars, KeepsPlaces) {
  const auto f = read("a = 1\n  b   = \"x\"\n");
  EXPECT_EQ(get(*f, "b").name_place, (Place{2, 3}));
  EXPECT_EQ(get(*f, "b").place, (Place{2, 9}));
}

TEST(Tfvars, ResolvesEscapesAndMarkers) {
  EXPECT_EQ(text_of(R"(a = "q\" b\\ n\n t\t")"), "q\" b\\ n\n t\t");
  EXPECT_EQ(text_of(R"(a = "\u00e9\U0001F600")"), "\u00e9\U0001F600");
  EXPECT_EQ(text_of(R"(a = "$${x} %%{y} $5 100%")"), "${x} %{y} $5 100%");
}

TEST(Tfvars, ReadsHeredocsAndStripsTheirIndentation) {
  EXPECT_EQ(text_of("a = <<EOT\n one\n  two\nEOT\nb = 1\n"), " one\n  two\n");
  EXPECT_EQ(text_of("a = <<-EOT\n    one\n\n      two\n    EOT\n"), "one\n\n  two\n");
  EXPECT_EQ(text_of("a = <<EOT\nEOT"), "");
  EXPECT_EQ(text_of("a = <<EOT\n$${x} \"q\" \\n\nEOT\n"), "${x} \"q\" \\n\n");
}

struct Bad {
  const char* text;
  const char* words;
};

TEST(Tfvars, MistakesAreNamedWithTheirPlace) {
  const Bad rows[] = {
      {"a", "'=' is expected after 'a', not the end of the file (f.tfvars:1:2)"},
      {"a = ", "a value is expected here, not the end of the file"},
      {"a = 1 2", "the line must end after the value, not go on with '2'"},
      {"= 1", "a variable's name is expected here"},
      {"a = 1\na = 2\n", "'a' is set twice (f.tfvars:2:1)"},
      {"a = \"x", "not closed on its line"},
      {"a = \"\\q\"", "unknown escape"},
      {"a = \"\\uD800\"", "names no character"},
      {"a = \"\\u12\"", "4 hexadecimal digits"},
      {"a = [1, 2", "'[' is never closed"},
      {"a = {b = 1", "'{' is never closed"},
      {"a = {b = 1, b = 2}", "the key 'b' is there twice"},
      {"a = {b 1}", "'=' is expected after 'b'"},
      {"a = [1 2]", "',' or ']' is expected"},
      {"a = {b = 1 c = 2}", "is expected here, not 'c'"},
      {"a = <<EOT\nx\n", "never closed by a line 'EOT'"},
      {"a = <<\n", "<<WORD"},
      {"a = 1 /* x", "a comment /* is never closed"},
      {"a = 1e999", "not a number"},
      {"a = 'x'", "a value is expected here, not '''"},
      {"a = \xff", "not UTF-8"},
  };
  for (const Bad& row : rows) {
    const auto f = read(row.text);
    ASSERT_FALSE(f.has_value()) << row.text;
    EXPECT_EQ(f.error().code(), base::ErrorCode::syntax);
    EXPECT_THAT(f.error().message(), HasSubstr(row.words)) << row.text;
  }
}

TEST(Tfvars, ExpressionsAreRefusedByName) {
  const Bad rows[] = {
      {"a = var.x", "'var' is a reference"},
      {"a = file(\"x\")", "'file' is a function call"},
      {"a = 1 + 2", "'+' would make an expression"},
      {"a = !true", "'!' would make an expression"},
      {"a = (1)", "'(' would make an expression"},
      {"a = true ? 1 : 2", "'?' would make an expression"},
      {"a = \"${x}\"", "templates"},
      {"a = <<EOT\n%{ if x }\nEOT\n", "templates"},
      {"a = [for x in y : x]", "'for' expression"},
      {"a = {for x in y : x => 1}", "'for' expression"},
      {"variable \"x\" {}", "begins a block"},
      {"a = yes", "text goes in \"quotes\""},
  };
  for (const Bad& row : rows) {
    const auto f = read(row.text);
    ASSERT_FALSE(f.has_value()) << row.text;
    EXPECT_THAT(f.error().message(), HasSubstr(row.words)) << row.text;
  }
}

TEST(Tfvars, DepthSizeAndCountAreBounded) {
  EXPECT_THAT(read("a = " + std::string(100'000, '[')).error().message(), HasSubstr("deeper than 32"));
  std::string many = "a = [";
  for (std::size_t i = 0; i <= kTfMaxValues; ++i) many += "1,";
  EXPECT_THAT(read(many + "]").error().message(), HasSubstr("more than 20000 values"));
  EXPECT_THAT(read(std::string(kTfMaxBytes + 1, ' ')).error().message(), HasSubstr("at most 1048576"));
}

TEST(Tfvars, WindowsLinesAndAByteOrderMarkAreAccepted) {
  const auto f = read(
      "\xEF\xBB\xBF"
      "a = 1\r\nb = <<EOT\r\nx\r\nEOT\r\n");
  ASSERT_TRUE(f.has_value()) << f.error().to_string();
  EXPECT_EQ(std::get<std::string>(get(*f, "b").value), "x\n");
}

}  // namespace
}  // namespace slipway::codec
