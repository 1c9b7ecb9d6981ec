// A YAML writer for JSON values: block style, two spaces, no anchors or tags. Only what a JSON value can
// hold.
//
// A string stays plain when no YAML 1.1 or 1.2 reader can take it for another type or for syntax; otherwise
// it is written as a JSON string, which is valid YAML.
#include <algorithm>
#include <array>
#include <cctype>

#include "cli/output.h"

namespace slipway::cli {
namespace {

bool is_reserved_word(std::string word) {
  constexpr std::array kWords{"null", "true", "false", "yes", "no", "on", "off", "y", "n", "~"};
  std::ranges::transform(word, word.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return std::ranges::find(kWords, word) != kWords.end();
}

// Words that start with a letter or "/" and hold only these characters are plain text to every reader; a
// colon or a number sign is safe between non-spaces only, so the set leaves "#" out and ": " is caught by its
// space.
bool is_plain(const std::string& text) {
  if (text.empty() || is_reserved_word(text)) return false;
  const auto first = static_cast<unsigned char>(text.front());
  if (!std::isalpha(first) && first != '/') return false;
  if (text.back() == ' ' || text.back() == ':') return false;
  if (text.find(": ") != std::string::npos) return false;
  return std::ranges::all_of(text, [](unsigned char c) {
    return std::isalnum(c) || c == ' ' || c == '_' || c == '-' || c == '.' || c == '/' || c == ':' ||
           c == '+';
  });
}

std::string scalar(const Json& value) {
  if (value.is_string() && is_plain(value.get_ref<const std::string&>())) return value.get<std::string>();
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

bool is_block(const Json& value) {
  return (value.is_object() || value.is_array()) && !value.empty();
}

void write_block(std::string& out, const Json& value, std::size_t indent);

// `out` stands right after "key:" or "-".
void write_child(std::string& out, const Json& value, std::size_t indent, bool in_list) {
  if (!is_block(value)) {
    out += " " + scalar(value) + "\n";
  } else if (in_list && value.is_object()) {
    std::string block;
    write_block(block, value, indent);
    out += " " + block.substr(indent);  // the first key stands on the dash's line
  } else {
    out += "\n";
    write_block(out, value, indent);
  }
}

void write_block(std::string& out, const Json& value, std::size_t indent) {
  if (!is_block(value)) {
    out += std::string(indent, ' ') + scalar(value) + "\n";
    return;
  }
  for (const auto& [key, child] : value.items()) {
    out += std::string(indent, ' ');
    out += value.is_object() ? scalar(Json(key)) + ":" : "-";
    write_child(out, child, indent + 2, value.is_array());
  }
}

}  // namespace

std::string to_yaml(const Json& value) {
  std::string out;
  write_block(out, value, 0);
  return out;
}

}  // namespace slipway::cli
