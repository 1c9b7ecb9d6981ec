#include "engine/chat.h"

#include <gtest/gtest.h>

#include "engine/tool_fallback.h"

namespace slipway::engine {
namespace {

using base::ErrorCode;

// The template of SmolLM2-Instruct in spirit: ChatML without tools.
const std::string kChatMl =
    "{% for message in messages %}{{'<|im_start|>' + message['role'] + '\n' + message['content'] + "
    "'<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}";

const ChatFormat& plain_format() {
  static const ChatFormat format(kChatMl, "<|im_start|>", "<|im_end|>");
  return format;
}

const ChatFormat& tool_format() {
  static const ChatFormat format(kToolTemplate, "", "<|im_end|>");
  return format;
}

const std::string kWeatherTool =
    R"({"type":"function","function":{"name":"get_weather","description":"Weather of a city","parameters":{"type":"object",)"
    R"("properties":{"city":{"type":"string"},"days":{"type":"integer","minimum":1,"maximum":9}},"required":["city"]}}})";

std::string with_messages(const std::string& rest) {
  return R"({"messages":[{"role":"user","content":"hi"}])" + (rest.empty() ? "" : "," + rest) + "}";
}

TEST(ChatFormat, RendersMessagesAndTextPartsTheSame) {
  const auto whole = plain_format().render(
      R"({"messages":[{"role":"system","content":"be brief"},{"role":"user","content":"hi"}]})");
  ASSERT_TRUE(whole) << whole.error().to_string();
  EXPECT_EQ(
      whole->prompt,
      "<|im_start|>system\nbe brief<|im_end|>\n<|im_start|>user\nhi<|im_end|>\n<|im_start|>assistant\n");
  EXPECT_EQ(whole->parser, nullptr) << "a plain answer needs no parser";
  const auto parts = plain_format().render(
      R"({"messages":[{"role":"system","content":"be brief"},{"role":"user","content":[{"type":"text","text":"hi"}]}]})");
  ASSERT_TRUE(parts) << parts.error().to_string();
  EXPECT_EQ(parts->prompt, whole->prompt);
}

struct BadBody {
  const char* body;
  ErrorCode code;
  const char* param;
};

TEST(ChatFormat, WrongFieldsAreNamed) {
  const BadBody cases[] = {
      {R"([])", ErrorCode::bad_request, ""},
      {R"({"messages":)", ErrorCode::bad_json, ""},
      {R"({})", ErrorCode::bad_request, "messages"},
      {R"({"messages":[]})", ErrorCode::bad_request, "messages"},
      {R"({"messages":[{"content":"x"}]})", ErrorCode::bad_request, "messages[0].role"},
      {R"({"messages":[{"role":"wizard","content":"x"}]})", ErrorCode::bad_request, "messages[0].role"},
      {R"({"messages":[{"role":"user"}]})", ErrorCode::bad_request, "messages[0].content"},
      {R"({"messages":[{"role":"user","content":7}]})", ErrorCode::bad_request, "messages[0].content"},
      {R"({"messages":[{"role":"user","content":[{"type":"image_url","image_url":{}}]}]})",
       ErrorCode::unsupported, "messages[0].content[0].type"},
      {R"({"messages":[{"role":"user","content":"x"}],"tools":{}})", ErrorCode::bad_request, "tools"},
      {R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"retrieval"}]})",
       ErrorCode::unsupported, "tools[0].type"},
      {R"({"messages":[{"role":"user","content":"x"}],"tools":[{"type":"function","function":{"name":"a b"}}]})",
       ErrorCode::bad_request, "tools[0].function.name"},
      {R"({"messages":[{"role":"user","content":"x"}],"tool_choice":"required"})", ErrorCode::bad_request,
       "tool_choice"},
      {R"({"messages":[{"role":"user","content":"x"}],"tool_choice":7})", ErrorCode::bad_request,
       "tool_choice"},
      {R"({"messages":[{"role":"user","content":"x"}],"response_format":{"type":"xml"}})",
       ErrorCode::bad_request, "response_format.type"},
      {R"({"messages":[{"role":"user","content":"x"}],"response_format":{"type":"json_schema"}})",
       ErrorCode::bad_request, "response_format.json_schema"},
      {R"({"messages":[{"role":"user","content":"x"}],"reasoning_effort":"extreme"})", ErrorCode::bad_request,
       "reasoning_effort"},
      {R"({"messages":[{"role":"user","content":"x"}],"grammar":"%llguidance {}"})", ErrorCode::unsupported,
       "grammar"},
  };
  for (const BadBody& c : cases) {
    const auto got = plain_format().render(c.body);
    ASSERT_FALSE(got) << c.body;
    EXPECT_EQ(got.error().code(), c.code) << c.body << " " << got.error().to_string();
    EXPECT_EQ(got.error().param(), c.param) << c.body;
  }
}

TEST(ChatFormat, DeepNestingIsRefusedBeforeItIsParsed) {
  const auto got = plain_format().render(with_messages("\"x\":" + std::string(100'000, '[')));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::bad_json);
}

TEST(ChatFormat, AJsonSchemaBecomesAGrammarAndABadOneAnError) {
  const auto good = plain_format().render(with_messages(
      R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","properties":{"a":{"type":"integer"}},"required":["a"]}}})"));
  ASSERT_TRUE(good) << good.error().to_string();
  EXPECT_NE(good->sampling.grammar.find("root ::="), std::string::npos);
  EXPECT_FALSE(good->sampling.grammar_lazy);
  const auto bad = plain_format().render(with_messages(
      R"("response_format":{"type":"json_schema","json_schema":{"name":"n","schema":{"type":"object","not":{}}}})"));
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code(), ErrorCode::bad_schema);
  EXPECT_EQ(bad.error().param(), "response_format.json_schema.schema");
}

TEST(ChatFormat, ToolsOfATemplateThatKnowsThem) {
  const auto lazy = tool_format().render(with_messages("\"tools\":[" + kWeatherTool + "]"));
  ASSERT_TRUE(lazy) << lazy.error().to_string();
  EXPECT_NE(lazy->prompt.find("get_weather"), std::string::npos);
  EXPECT_TRUE(lazy->sampling.grammar_lazy);
  ASSERT_FALSE(lazy->sampling.triggers.empty());
  const auto forced =
      tool_format().render(with_messages("\"tool_choice\":\"required\",\"tools\":[" + kWeatherTool + "]"));
  ASSERT_TRUE(forced) << forced.error().to_string();
  EXPECT_FALSE(forced->sampling.grammar_lazy);
  EXPECT_FALSE(forced->sampling.grammar.empty());
}

TEST(ChatFormat, AToolLessTemplateGetsTheToolsInWords) {
  const auto rendered = plain_format().render(
      R"({"messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{\"city\":\"Oslo\"}"}}]},{"role":"tool","tool_call_id":"c1","content":"rain"}],"tool_choice":"required","tools":[)" +
      kWeatherTool + "]}");
  ASSERT_TRUE(rendered) << rendered.error().to_string();
  EXPECT_TRUE(rendered->prompt.starts_with("<|im_start|>system\n")) << rendered->prompt;
  EXPECT_NE(rendered->prompt.find("\"get_weather\""), std::string::npos);
  EXPECT_NE(rendered->prompt.find("<tool_response>\nrain\n</tool_response>"), std::string::npos);
  EXPECT_FALSE(rendered->sampling.grammar.empty());
  EXPECT_NE(rendered->parser, nullptr);
}

TEST(ChatFormat, EarlierCallsAreToldEvenWithoutTools) {
  const auto rendered = plain_format().render(
      R"({"messages":[{"role":"user","content":"weather?"},{"role":"assistant","content":null,"tool_calls":[{"id":"c1","type":"function","function":{"name":"get_weather","arguments":"{}"}}]},{"role":"tool","tool_call_id":"c1","content":"rain"}]})");
  ASSERT_TRUE(rendered) << rendered.error().to_string();
  EXPECT_NE(rendered->prompt.find("\"get_weather\""), std::string::npos) << rendered->prompt;
  EXPECT_NE(rendered->prompt.find("<tool_response>\nrain"), std::string::npos);
}

TEST(ChatFormat, ARequiredCallOfAToolLessTemplateBeginsAtOnce) {
  const std::string other = R"({"type":"function","function":{"name":"now"}})";
  const auto rendered = plain_format().render(
      with_messages("\"tool_choice\":\"required\",\"tools\":[" + kWeatherTool + "," + other + "]"));
  ASSERT_TRUE(rendered) << rendered.error().to_string();
  EXPECT_TRUE(rendered->sampling.grammar_prefill.empty());
  EXPECT_NE(rendered->sampling.grammar.find("call ::= \"<tool_call>\\n\" ("), std::string::npos)
      << rendered->sampling.grammar;
  const auto message = plain_format().parse(
      *rendered, "<tool_call>\n{\"name\": \"now\", \"arguments\": {}}\n</tool_call>", false);
  ASSERT_TRUE(message) << message.error().to_string();
  ASSERT_EQ(message->tool_calls.size(), 1u);
  EXPECT_EQ(message->tool_calls[0].name, "now");
  EXPECT_EQ(message->tool_calls[0].arguments, "{}");
}

TEST(ChatFormat, AToolCallIsParsedPieceByPiece) {
  const auto rendered = tool_format().render(with_messages("\"tools\":[" + kWeatherTool + "]"));
  ASSERT_TRUE(rendered) << rendered.error().to_string();
  const std::string text =
      "Let me see.\n<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": "
      "\"Oslo\"}}\n</tool_call>";
  ParsedMessage seen;
  std::string content, name, arguments;
  for (std::size_t end = 1; end <= text.size(); ++end) {
    const auto now = tool_format().parse(*rendered, std::string_view(text).substr(0, end), end < text.size());
    ASSERT_TRUE(now) << now.error().to_string();
    for (const MessageDelta& delta : ChatFormat::diff(seen, *now)) {
      content += delta.content;
      name += delta.tool.name;
      arguments += delta.tool.arguments;
      EXPECT_LE(delta.tool_index, 0);
    }
    seen = *now;
  }
  EXPECT_EQ(content, "Let me see.\n");
  EXPECT_EQ(name, "get_weather");
  EXPECT_EQ(arguments, "{\"city\": \"Oslo\"}");
}

TEST(ChatFormat, ANamedChoiceLeavesOneTool) {
  const std::string other = R"({"type":"function","function":{"name":"get_time"}})";
  const auto rendered = tool_format().render(
      with_messages(R"("tool_choice":{"type":"function","function":{"name":"get_weather"}},"tools":[)" +
                    kWeatherTool + "," + other + "]"));
  ASSERT_TRUE(rendered) << rendered.error().to_string();
  EXPECT_NE(rendered->sampling.grammar.find("get_weather"), std::string::npos);
  EXPECT_EQ(rendered->sampling.grammar.find("get_time"), std::string::npos);
}

TEST(ChatFormat, OutputThatNestsWithoutEndIsAnErrorNotACrash) {
  const auto rendered = tool_format().render(with_messages("\"tools\":[" + kWeatherTool + "]"));
  ASSERT_TRUE(rendered);
  const std::string text =
      "<tool_call>\n{\"name\": \"get_weather\", \"arguments\": {\"city\": " + std::string(100'000, '[');
  EXPECT_FALSE(tool_format().parse(*rendered, text, true));
}

TEST(ChatFormat, DeltasNeverTakeBack) {
  ParsedMessage before{.content = "abc", .reasoning = "", .tool_calls = {}};
  ParsedMessage after{.content = "ab", .reasoning = "", .tool_calls = {}};
  EXPECT_TRUE(ChatFormat::diff(before, after).empty());
  after.content = "abcd";
  const auto deltas = ChatFormat::diff(before, after);
  ASSERT_EQ(deltas.size(), 1u);
  EXPECT_EQ(deltas[0].content, "d");
}

TEST(ChatFormat, AModelWithoutATemplateSaysSo) {
  const ChatFormat broken("{% for x in %}", "", "");
  EXPECT_FALSE(broken.has_template());
  const auto got = broken.render(with_messages(""));
  ASSERT_FALSE(got);
  EXPECT_EQ(got.error().code(), ErrorCode::unsupported);
}

}  // namespace
}  // namespace slipway::engine
