#include "engine/schema_check.h"

#include <gtest/gtest.h>

#include "engine/chat.h"

namespace slipway::engine {
namespace {

TEST(SchemaCheck, WhatTheConverterEnforcesPasses) {
  const char* good[] = {
      R"({})",
      R"({"type":"object"})",
      R"({"type":"object","properties":{"a":{"type":"string"},"b":{"type":"integer","minimum":0,"maximum":10}},"required":["a"],"additionalProperties":false})",
      R"({"type":"array","items":{"type":"number"},"minItems":1,"maxItems":4})",
      R"({"type":["string","null"]})",
      R"({"enum":["a","b",3]})",
      R"({"type":"string","enum":["a","b"]})",
      R"({"const":"x"})",
      R"({"type":"string","pattern":"^[a-z]{2,4}$"})",
      R"({"type":"string","minLength":1,"maxLength":20})",
      R"({"type":"string","format":"date-time"})",
      R"({"anyOf":[{"type":"string"},{"type":"integer"}]})",
      R"({"oneOf":[{"type":"string"},{"type":"integer"}]})",
      R"({"oneOf":[{"type":"object","properties":{"k":{"const":"a"}},"required":["k"]},{"type":"object","properties":{"k":{"const":"b"}},"required":["k"]}]})",
      R"({"$defs":{"n":{"type":"object","properties":{"next":{"anyOf":[{"$ref":"#/$defs/n"},{"type":"null"}]}}}},"$ref":"#/$defs/n"})",
      R"({"title":"T","description":"d","type":"boolean","default":true,"examples":[false]})",
      R"({"prefixItems":[{"type":"string"},{"type":"integer"}]})",
  };
  for (const char* schema : good) {
    const auto grammar = ChatFormat::schema_to_grammar(schema);
    EXPECT_TRUE(grammar) << schema << "\n" << (grammar ? "" : grammar.error().to_string());
  }
}

TEST(SchemaCheck, WhatItWouldDropIsRefused) {
  const char* bad[] = {
      R"([])",
      R"(true)",
      R"({"type":"float"})",
      R"({"type":"object","properties":{"a":{"type":"string"}},"required":["b"]})",
      R"({"type":"object","properties":{},"minProperties":1})",
      R"({"type":"object","patternProperties":{"^x":{"type":"string"}}})",
      R"({"type":"object","properties":{"a":{"type":"string"}},"anyOf":[{"required":["a"]}]})",
      R"({"type":"number","minimum":0})",
      R"({"type":"integer","multipleOf":5})",
      R"({"type":"integer","minimum":5,"maximum":4})",
      R"({"type":"integer","minimum":1e300})",
      R"({"type":"integer","minimum":1,"exclusiveMinimum":2})",
      R"({"type":"string","pattern":"abc"})",
      R"({"type":"string","pattern":"^(?=a)b$"})",
      R"({"type":"string","pattern":"^a$","minLength":1})",
      R"({"type":"string","format":"email"})",
      R"({"type":"string","minLength":100000})",
      R"({"type":"array","uniqueItems":true})",
      R"({"type":"array","contains":{"type":"string"}})",
      R"({"type":"string","enum":[1]})",
      R"({"not":{"type":"string"}})",
      R"({"if":{"type":"string"},"then":{"minLength":1}})",
      R"({"oneOf":[{"type":"integer"},{"type":"number"}]})",
      R"({"oneOf":[{"type":"object","properties":{"a":{"const":1}},"required":["a"]},{"type":"object","properties":{"b":{"const":2}},"required":["b"]}]})",
      R"({"allOf":[{"type":"string"},{"minLength":2}]})",
      R"({"$ref":"https://example.com/schema"})",
      R"({"$ref":"#/nowhere"})",
      R"({"$defs":{"a":{"$ref":"#/$defs/b"},"b":{"$ref":"#/$defs/a"}},"$ref":"#/$defs/a"})",
      R"({"$defs":{"a":{"type":"string"}},"$ref":"#/$defs/a","minLength":3})",
      R"({"type":["object","object"]})",
  };
  for (const char* schema : bad) {
    const auto grammar = ChatFormat::schema_to_grammar(schema);
    ASSERT_FALSE(grammar) << schema;
    EXPECT_EQ(grammar.error().code(), base::ErrorCode::bad_schema) << schema;
  }
}

TEST(SchemaCheck, SizeAndDepthAreBounded) {
  std::string deep = R"({"type":"string"})";
  for (int i = 0; i < 200; ++i) deep = R"({"type":"array","items":)" + deep + "}";
  EXPECT_FALSE(ChatFormat::schema_to_grammar(deep));
  std::string wide = R"({"type":"object","properties":{)";
  for (int i = 0; i < 5000; ++i) wide += (i ? ",\"p" : "\"p") + std::to_string(i) + R"(":{"type":"string"})";
  EXPECT_FALSE(ChatFormat::schema_to_grammar(wide + "}}"));
  EXPECT_FALSE(ChatFormat::schema_to_grammar(R"({"enum":[")" + std::string(300'000, 'x') + R"("]})"));
}

TEST(SchemaCheck, HostileNamesAreOnlyNames) {
  const auto grammar = ChatFormat::schema_to_grammar(
      R"({"type":"object","properties":{"\" ::= root\nroot ::= \"":{"type":"string"},"":{"type":"null"},"a b":{"type":"null"},"a-b":{"type":"null"}}})");
  ASSERT_TRUE(grammar) << grammar.error().to_string();
}

TEST(SchemaCheck, DepthIgnoresBracketsInStrings) {
  EXPECT_TRUE(depth_within(R"({"a":"[[[[[[\"[[[["})", 1));
  EXPECT_FALSE(depth_within("[[]]", 1));
}

}  // namespace
}  // namespace slipway::engine
