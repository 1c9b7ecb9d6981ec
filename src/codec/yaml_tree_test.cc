#include "codec/yaml_tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace slipway::codec {
namespace {

using testing::HasSubstr;

base::Result<YamlNode> read(std::string_view text, YamlLimits limits = {}) {
  return parse_yaml({"f.yaml", text}, limits);
}

std::string refusal(std::string_view text, YamlLimits limits = {}) {
  const auto read_text = read(text, limits);
  return read_text ? "" : read_text.error().message();
}

TEST(YamlTree, KeepsPlacesAndQuotes) {
  const auto root = read("a: 1\nb:\n  - 'x'\n  - y\n");
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(root->find("a")->place, (Place{1, 4}));
  const YamlNode* b = root->find("b");
  ASSERT_EQ(b->items.size(), 2u);
  EXPECT_TRUE(b->items[0].quoted);
  EXPECT_FALSE(b->items[1].quoted);
  EXPECT_EQ(b->items[1].place, (Place{4, 5}));
  EXPECT_EQ(root->find("c"), nullptr);
}

TEST(YamlTree, ScalarsHaveTheTypesOfTheCoreSchema) {
  const auto root =
      read("t: true\nq: 'true'\nn:\nz: ~\ni: -12\nh: 0x10\nf: 0.95\ne: 1e3\nv: 3.11.0\nw: '8'\nd: --1");
  ASSERT_TRUE(root.has_value());
  EXPECT_EQ(yaml_bool(*root->find("t")), true);
  EXPECT_EQ(yaml_bool(*root->find("q")), std::nullopt);
  EXPECT_TRUE(root->find("n")->is_null());
  EXPECT_TRUE(root->find("z")->is_null());
  EXPECT_EQ(yaml_integer(*root->find("i")), -12);
  EXPECT_EQ(yaml_integer(*root->find("h")), 16);
  EXPECT_EQ(yaml_number(*root->find("f")), 0.95);
  EXPECT_EQ(yaml_number(*root->find("e")), 1'000.0);
  EXPECT_EQ(yaml_number(*root->find("v")), std::nullopt);
  EXPECT_EQ(yaml_integer(*root->find("w")), std::nullopt);
  EXPECT_EQ(yaml_integer(*root->find("w"), true), 8);
  EXPECT_EQ(yaml_integer(*root->find("d")), std::nullopt);
}

TEST(YamlTree, AnAliasIsACopyOfItsAnchor) {
  const auto root = read("a: &x {k: [1, 2]}\nb: *x\n");
  ASSERT_TRUE(root.has_value()) << root.error().to_string();
  EXPECT_EQ(root->find("b")->find("k")->items.size(), 2u);
}

TEST(YamlTree, RefusesWhatIsAmbiguousOrUnsupported) {
  EXPECT_THAT(refusal("a: 1\na: 2\n"), HasSubstr("the key 'a' is there twice (f.yaml:2:1)"));
  EXPECT_THAT(refusal("a: 1\n---\nb: 2\n"), HasSubstr("more than one YAML document"));
  EXPECT_THAT(refusal("? [1]\n: 2\n"), HasSubstr("keys must be text"));
  EXPECT_THAT(refusal("a: &x {k: 1}\nb:\n  <<: *x\n"), HasSubstr("merge keys"));
  EXPECT_THAT(refusal("a: !!python/object:os.system x\n"), HasSubstr("is not supported"));
  EXPECT_THAT(refusal("a: &x [*x]\n"), HasSubstr("inside its own anchor"));
  EXPECT_THAT(refusal("a: [1, 2\n"), HasSubstr("YAML: "));
  EXPECT_THAT(refusal("a: 'it''s\n"), HasSubstr("a quote is never closed (f.yaml:1:4)"));
  EXPECT_EQ(refusal("a: 'it''s'\nb: \"\\\"\"\n"), "");
  EXPECT_THAT(refusal("a: *nobody\n"), HasSubstr("YAML: "));
  EXPECT_THAT(refusal(std::string_view("a: \0b", 5)), HasSubstr("zero byte"));
  EXPECT_THAT(refusal("a: \xff\xfe"), HasSubstr("not UTF-8"));
}

TEST(YamlTree, ABombOfAliasesEndsAtTheNodeLimit) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int j = 0; j < 10; ++j) bomb += (j ? ", *a" : "*a") + std::to_string(i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(refusal(bomb), HasSubstr("more than 50000 values"));
}

TEST(YamlTree, DepthAndSizeAreBounded) {
  EXPECT_THAT(refusal(std::string(100, '[') + std::string(100, ']')), HasSubstr("deeper than 40"));
  EXPECT_FALSE(read(std::string(100'000, '[')).has_value());
  EXPECT_THAT(refusal("a: 12345678901", {.bytes = 10}), HasSubstr("at most 10"));
  std::string deep =
      "a: &a [[[[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]]]]\nb: "
      "[[[[[[[[[[[[[[[[[[[[[[*a]]]]]]]]]]]]]]]]]]]]]]\n";
  EXPECT_THAT(refusal(deep), HasSubstr("deeper than 40"));
}

TEST(YamlTree, AnEmptyTextIsNothing) {
  EXPECT_TRUE(read("")->is_null());
  EXPECT_TRUE(read("# only a comment\n")->is_null());
}

}  // namespace
}  // namespace slipway::codec
