#include "engine/tool_fallback.h"

#include "json-schema-to-grammar.h"
#include "json.h"

namespace slipway::engine {

const char* const kToolTemplate =
    R"({%- if tools %}{{- '<|im_start|>system\n' }}{%- if messages[0].role == 'system' %}{{- messages[0].content + '\n\n' }}{%- endif %})"
    R"({{- '<tools>' }}{%- for tool in tools %}{{- '\n' }}{{- tool | tojson }}{%- endfor %}{{- '\n</tools><|im_end|>\n' }})"
    R"({%- elif messages[0].role == 'system' %}{{- '<|im_start|>system\n' + messages[0].content + '<|im_end|>\n' }}{%- endif %})"
    R"({%- for message in messages %})"
    R"({%- if message.role == 'user' or (message.role == 'system' and not loop.first) %})"
    R"({{- '<|im_start|>' + message.role + '\n' + message.content + '<|im_end|>\n' }})"
    R"({%- elif message.role == 'assistant' %}{{- '<|im_start|>assistant' }})"
    R"({%- if message.content %}{{- '\n' + message.content }}{%- endif %})"
    R"({%- for call in message.tool_calls %}{%- if call.function is defined %}{%- set call = call.function %}{%- endif %})"
    R"({{- '\n<tool_call>\n{"name": "' + call.name + '", "arguments": ' }}{{- call.arguments | tojson }}{{- '}\n</tool_call>' }})"
    R"({%- endfor %}{{- '<|im_end|>\n' }})"
    R"({%- elif message.role == 'tool' %}{{- '<|im_start|>user\n<tool_response>\n' + message.content + '\n</tool_response><|im_end|>\n' }})"
    R"({%- endif %}{%- endfor %}{%- if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{%- endif %})";

namespace {

std::string describe(const std::vector<common_chat_tool>& tools) {
  std::string out =
      "You can call functions. To call one, answer with a JSON object with its name and arguments between "
      "<tool_call> and "
      "</tool_call>, for example:\n<tool_call>\n{\"name\": \"function_name\", \"arguments\": {\"key\": "
      "\"value\"}}\n</tool_call>\nThe functions, as JSON:\n<tools>";
  for (const common_chat_tool& tool : tools) {
    const common_json line = {{"name", tool.name},
                              {"description", tool.description},
                              {"parameters", common_json::parse(tool.parameters)}};
    out += "\n" + line.dump_safe();
  }
  return out + "\n</tools>";
}

common_chat_msg plain(const common_chat_msg& message) {
  common_chat_msg out;
  out.role = message.role == "developer" ? "system" : message.role;
  out.content = message.render_content("\n");
  for (const common_chat_tool_call& call : message.tool_calls) {
    if (!out.content.empty()) out.content += "\n";
    out.content += "<tool_call>\n{\"name\": " + common_json::make(call.name).dump_safe() +
                   ", \"arguments\": " + call.arguments + "}\n</tool_call>";
  }
  if (message.role == "tool") {
    out.role = "user";
    out.content = "<tool_response>\n" + out.content + "\n</tool_response>";
  }
  return out;
}

}  // namespace

std::vector<common_chat_msg> tell_tools(const std::vector<common_chat_msg>& messages,
                                        const std::vector<common_chat_tool>& tools) {
  std::vector<common_chat_msg> out;
  out.reserve(messages.size() + 1);
  for (const common_chat_msg& message : messages) {
    common_chat_msg next = plain(message);
    // Results of parallel calls arrive as several messages; templates want the roles to alternate.
    const bool joins = message.role == "tool" && !out.empty() && out.back().role == "user";
    if (joins)
      out.back().content += "\n" + next.content;
    else
      out.push_back(std::move(next));
  }
  if (tools.empty()) return out;
  if (out.empty() || out.front().role != "system")
    out.insert(out.begin(), common_chat_msg())->role = "system";
  std::string& system = out.front().content;
  system += (system.empty() ? "" : "\n\n") + describe(tools);
  return out;
}

std::string required_call_grammar(const std::vector<common_chat_tool>& tools, bool parallel) {
  std::vector<common_chat_schema_document> schemas;  // the builder keeps references into them
  schemas.reserve(tools.size());
  return build_grammar([&](const common_grammar_builder& builder) {
    std::string calls;
    for (const common_chat_tool& tool : tools) {
      const common_json function = {{"parameters", common_json::parse(tool.parameters)}};
      schemas.push_back(common_chat_schema_from_json(common_chat_tool_parameters(function)));
      const std::string name = "tool-" + std::to_string(schemas.size());
      const std::string head = "{\"name\": " + common_json::make(tool.name).dump() + ", \"arguments\": ";
      const std::string arguments = builder.add_schema(name + "-arguments", *schemas.back().root);
      if (!calls.empty()) calls += " | ";
      calls += builder.add_rule(name, gbnf_format_literal(head) + " " + arguments + " \"}\"");
    }
    const std::string call =
        builder.add_rule("call", "\"<tool_call>\\n\" (" + calls + ") \"\\n</tool_call>\"");
    const std::string more = " (\"\\n\" " + call + "){0," + std::to_string(kMaxParallelCalls - 1) + "}";
    builder.add_rule("root", parallel ? call + more : call);
  });
}

}  // namespace slipway::engine
