#include "engine/chat_request.h"

#include <algorithm>
#include <array>
#include <set>

#include "engine/chat.h"
#include "engine/schema_check.h"

namespace slipway::engine {
namespace {

using base::Error, base::ErrorCode, base::Result;
using Inputs = common_chat_templates_inputs;

Error wrong(const std::string& param, const std::string& why) {
  return Error(ErrorCode::bad_request, "`" + param + "` " + why).with_param(param);
}

Error cannot(const std::string& param, const std::string& why) {
  return Error(ErrorCode::unsupported, "`" + param + "` " + why).with_param(param);
}

bool given(const common_json& object, const char* key) {
  return object.contains(key) && !object.at(key).is_null();
}

std::string item(const std::string& list, std::size_t i) {
  return list + "[" + std::to_string(i) + "]";
}

// A string field that may be absent.
Result<std::string> text(const common_json& object, const char* key, const std::string& path) {
  if (!given(object, key)) return std::string();
  if (!object.at(key).is_string()) return wrong(path + "." + key, "must be a string");
  return object.at(key).get<std::string>();
}

Result<void> parse_parts(const common_json& parts, const std::string& path, common_chat_msg& message) {
  std::size_t i = 0;
  for (const common_json& part : parts) {
    const std::string at = item(path, i++);
    if (!part.is_object()) return wrong(at, "must be an object");
    SLIPWAY_TRY(const std::string type, text(part, "type", at));
    if (type != "text")
      return cannot(at + ".type",
                    "is '" + type.substr(0, 40) + "'; this server takes content parts of type 'text' only");
    if (!given(part, "text")) return wrong(at + ".text", "is missing");
    SLIPWAY_TRY(std::string words, text(part, "text", at));
    message.content_parts.push_back({"text", std::move(words)});
  }
  return {};
}

Result<void> parse_content(const common_json& raw, const std::string& path, common_chat_msg& message) {
  const bool optional = message.role == "assistant";
  if (!given(raw, "content")) {
    if (optional) return {};
    return wrong(path + ".content", "is missing");
  }
  const common_json& content = raw.at("content");
  if (content.is_array()) return parse_parts(content, path + ".content", message);
  if (!content.is_string()) return wrong(path + ".content", "must be a string or a list of content parts");
  message.content = content.get<std::string>();
  return {};
}

Result<common_chat_tool_call> parse_call(const common_json& raw, const std::string& path) {
  if (!raw.is_object()) return wrong(path, "must be an object");
  SLIPWAY_TRY(const std::string type, text(raw, "type", path));
  if (type != "function" && !type.empty()) return cannot(path + ".type", "must be 'function'");
  if (!given(raw, "function") || !raw.at("function").is_object())
    return wrong(path + ".function", "must be an object");
  const common_json& function = raw.at("function");
  common_chat_tool_call call;
  SLIPWAY_TRY(call.name, text(function, "name", path + ".function"));
  if (call.name.empty()) return wrong(path + ".function.name", "is missing");
  SLIPWAY_TRY(call.arguments, text(function, "arguments", path + ".function"));
  if (call.arguments.empty()) call.arguments = "{}";
  if (!depth_within(call.arguments, kMaxBodyDepth) ||
      common_json::parse_no_throw(call.arguments).is_discarded())
    return wrong(path + ".function.arguments", "must be JSON in a string");
  SLIPWAY_TRY(call.id, text(raw, "id", path));
  return call;
}

Result<common_chat_msg> parse_message(const common_json& raw, const std::string& path) {
  static constexpr std::array kRoles = {"system", "developer", "user", "assistant", "tool"};
  if (!raw.is_object()) return wrong(path, "must be an object");
  common_chat_msg message;
  SLIPWAY_TRY(message.role, text(raw, "role", path));
  if (std::ranges::find(kRoles, message.role) == kRoles.end())
    return wrong(path + ".role", "must be one of system, developer, user, assistant, tool");
  SLIPWAY_RETURN_IF_ERROR(parse_content(raw, path, message));
  if (given(raw, "tool_calls")) {
    if (!raw.at("tool_calls").is_array()) return wrong(path + ".tool_calls", "must be a list");
    for (std::size_t i = 0; i < raw.at("tool_calls").size(); ++i) {
      SLIPWAY_TRY(common_chat_tool_call call,
                  parse_call(raw.at("tool_calls").at(i), item(path + ".tool_calls", i)));
      message.tool_calls.push_back(std::move(call));
    }
  }
  SLIPWAY_TRY(message.reasoning_content, text(raw, "reasoning_content", path));
  SLIPWAY_TRY(message.tool_name, text(raw, "name", path));
  SLIPWAY_TRY(message.tool_call_id, text(raw, "tool_call_id", path));
  return message;
}

Result<void> parse_messages(const common_json& body, Inputs& inputs) {
  if (!given(body, "messages")) return wrong("messages", "is missing");
  const common_json& messages = body.at("messages");
  if (!messages.is_array() || messages.empty())
    return wrong("messages", "must be a list with at least one message");
  if (messages.size() > kMaxMessages)
    return wrong("messages", "has " + std::to_string(messages.size()) + " messages, the limit is " +
                                 std::to_string(kMaxMessages));
  inputs.messages.reserve(messages.size());
  std::size_t i = 0;
  for (const common_json& raw : messages) {
    SLIPWAY_TRY(common_chat_msg message, parse_message(raw, item("messages", i++)));
    inputs.messages.push_back(std::move(message));
  }
  return {};
}

bool good_tool_name(std::string_view name) {
  return !name.empty() && name.size() <= kMaxToolName && std::ranges::all_of(name, [](unsigned char c) {
    return std::isalnum(c) != 0 || c == '_' || c == '-';
  });
}

Result<common_chat_tool> parse_tool(const common_json& raw, const std::string& path) {
  if (!raw.is_object()) return wrong(path, "must be an object");
  SLIPWAY_TRY(const std::string type, text(raw, "type", path));
  if (type != "function") return cannot(path + ".type", "must be 'function'");
  if (!given(raw, "function") || !raw.at("function").is_object())
    return wrong(path + ".function", "must be an object");
  const common_json& function = raw.at("function");
  const std::string at = path + ".function";
  common_chat_tool tool;
  SLIPWAY_TRY(tool.name, text(function, "name", at));
  if (!good_tool_name(tool.name)) return wrong(at + ".name", "must be 1 to 64 letters, digits, '_' or '-'");
  SLIPWAY_TRY(tool.description, text(function, "description", at));
  tool.parameters = "{}";
  if (!given(function, "parameters")) return tool;
  const common_json& parameters = function.at("parameters");
  if (!parameters.is_object()) return wrong(at + ".parameters", "must be a JSON schema object");
  const bool strict = given(function, "strict") && function.at("strict") == true;
  auto checked = check_schema(parameters, strict ? Enforcement::complete : Enforcement::best_effort);
  if (!checked) return std::move(checked).error().with_param(at + ".parameters");
  tool.parameters = parameters.dump_safe();
  return tool;
}

Result<void> parse_tools(const common_json& body, Inputs& inputs) {
  if (!given(body, "tools")) return {};
  const common_json& tools = body.at("tools");
  if (!tools.is_array()) return wrong("tools", "must be a list");
  if (tools.size() > kMaxTools)
    return wrong("tools", "has more than " + std::to_string(kMaxTools) + " tools");
  std::set<std::string> names;
  for (std::size_t i = 0; i < tools.size(); ++i) {
    SLIPWAY_TRY(common_chat_tool tool, parse_tool(tools.at(i), item("tools", i)));
    if (!names.insert(tool.name).second)
      return wrong(item("tools", i) + ".function.name", "is the name of two tools: " + tool.name);
    inputs.tools.push_back(std::move(tool));
  }
  return {};
}

// A named choice leaves only that tool, and requires it.
Result<void> choose_named(const common_json& choice, Inputs& inputs) {
  SLIPWAY_TRY(const std::string type, text(choice, "type", "tool_choice"));
  if (type != "function") return cannot("tool_choice.type", "must be 'function'");
  if (!given(choice, "function") || !choice.at("function").is_object())
    return wrong("tool_choice.function", "must be an object");
  SLIPWAY_TRY(const std::string name, text(choice.at("function"), "name", "tool_choice.function"));
  std::erase_if(inputs.tools, [&](const common_chat_tool& tool) { return tool.name != name; });
  if (inputs.tools.empty()) return wrong("tool_choice.function.name", "names no tool of `tools`");
  inputs.tool_choice = COMMON_CHAT_TOOL_CHOICE_REQUIRED;
  inputs.parallel_tool_calls = false;
  return {};
}

Result<void> parse_tool_choice(const common_json& body, Inputs& inputs) {
  if (given(body, "parallel_tool_calls")) {
    if (!body.at("parallel_tool_calls").is_boolean())
      return wrong("parallel_tool_calls", "must be true or false");
    inputs.parallel_tool_calls = body.at("parallel_tool_calls").get<bool>();
  }
  if (!given(body, "tool_choice")) return {};
  const common_json& choice = body.at("tool_choice");
  if (choice.is_object()) return choose_named(choice, inputs);
  if (choice == "none") {
    inputs.tool_choice = COMMON_CHAT_TOOL_CHOICE_NONE;
  } else if (choice == "required") {
    if (inputs.tools.empty()) return wrong("tool_choice", "needs `tools`");
    inputs.tool_choice = COMMON_CHAT_TOOL_CHOICE_REQUIRED;
  } else if (choice != "auto") {
    return wrong("tool_choice", "must be none, auto, required or an object that names a tool");
  }
  return {};
}

Result<void> parse_schema(const common_json& schema, const std::string& path, Inputs& inputs) {
  if (!schema.is_object()) return wrong(path, "must be an object");
  auto checked = check_schema(schema, Enforcement::complete);
  if (!checked) return std::move(checked).error().with_param(path);
  inputs.json_schema = schema.empty() ? R"({"type":"object"})" : schema.dump_safe();
  return {};
}

Result<void> parse_response_format(const common_json& body, Inputs& inputs) {
  if (!given(body, "response_format")) return {};
  const common_json& format = body.at("response_format");
  if (!format.is_object()) return wrong("response_format", "must be an object");
  SLIPWAY_TRY(const std::string type, text(format, "type", "response_format"));
  if (type == "text") return {};
  if (type == "json_object") {
    if (given(format, "schema")) return parse_schema(format.at("schema"), "response_format.schema", inputs);
    inputs.json_schema = R"({"type":"object"})";
    return {};
  }
  if (type != "json_schema") return wrong("response_format.type", "must be text, json_object or json_schema");
  if (!given(format, "json_schema") || !format.at("json_schema").is_object())
    return wrong("response_format.json_schema", "must be an object");
  if (!given(format.at("json_schema"), "schema"))
    return wrong("response_format.json_schema.schema", "is missing");
  return parse_schema(format.at("json_schema").at("schema"), "response_format.json_schema.schema", inputs);
}

Result<void> parse_template_arguments(const common_json& body, Inputs& inputs) {
  if (given(body, "chat_template_kwargs")) {
    const common_json& arguments = body.at("chat_template_kwargs");
    if (!arguments.is_object()) return wrong("chat_template_kwargs", "must be an object");
    for (const auto& [key, value] : arguments.items()) {
      if (key == "messages" || key == "tools" || key == "bos_token" || key == "eos_token")
        return wrong("chat_template_kwargs." + key, "cannot be overridden");
      inputs.chat_template_kwargs[key] = value.dump_safe();
    }
    if (given(arguments, "enable_thinking")) {
      if (!arguments.at("enable_thinking").is_boolean())
        return wrong("chat_template_kwargs.enable_thinking", "must be true or false");
      inputs.enable_thinking = arguments.at("enable_thinking").get<bool>();
    }
  }
  if (!given(body, "reasoning_effort")) return {};
  static const std::set<std::string> efforts = {"none", "minimal", "low", "medium", "high", "xhigh", "max"};
  const common_json& effort = body.at("reasoning_effort");
  if (!effort.is_string() || !efforts.contains(effort.get<std::string>()))
    return wrong("reasoning_effort", "must be one of none, minimal, low, medium, high, xhigh, max");
  if (effort == "none")
    inputs.enable_thinking = false;
  else
    inputs.chat_template_kwargs["reasoning_effort"] = effort.dump();
  return {};
}

Result<void> parse_grammar(const common_json& body, Inputs& inputs) {
  SLIPWAY_TRY(inputs.grammar, text(body, "grammar", "body"));
  if (inputs.grammar.empty()) return {};
  if (inputs.grammar.size() > kMaxGrammarBytes) return wrong("grammar", "is larger than 256 KiB");
  if (inputs.grammar.starts_with("%llguidance")) return cannot("grammar", "must be GBNF");
  if (!inputs.tools.empty() || !inputs.json_schema.empty())
    return cannot("grammar", "cannot be combined with tools or response_format");
  return {};
}

}  // namespace

Result<Inputs> parse_chat_request(std::string_view text_of_body, bool parallel_tool_calls) {
  if (!depth_within(text_of_body, kMaxBodyDepth))
    return Error(ErrorCode::bad_json,
                 "the body nests deeper than " + std::to_string(kMaxBodyDepth) + " levels");
  try {
    const common_json body = common_json::parse(std::string(text_of_body));
    if (!body.is_object()) return Error(ErrorCode::bad_request, "the body must be a JSON object");
    Inputs inputs;
    inputs.use_jinja = true;
    inputs.reasoning_format = COMMON_REASONING_FORMAT_AUTO;
    inputs.parallel_tool_calls = parallel_tool_calls;
    SLIPWAY_RETURN_IF_ERROR(parse_messages(body, inputs));
    SLIPWAY_RETURN_IF_ERROR(parse_tools(body, inputs));
    SLIPWAY_RETURN_IF_ERROR(parse_tool_choice(body, inputs));
    SLIPWAY_RETURN_IF_ERROR(parse_response_format(body, inputs));
    SLIPWAY_RETURN_IF_ERROR(parse_template_arguments(body, inputs));
    SLIPWAY_RETURN_IF_ERROR(parse_grammar(body, inputs));
    if (!inputs.tools.empty() && inputs.tool_choice != COMMON_CHAT_TOOL_CHOICE_NONE &&
        !inputs.json_schema.empty())
      return cannot("response_format",
                    "cannot be enforced together with tools; set tool_choice to none or drop one");
    return inputs;
  } catch (const std::exception& e) {
    return Error(ErrorCode::bad_json, std::string("the body is not valid: ") + e.what());
  }
}

}  // namespace slipway::engine
