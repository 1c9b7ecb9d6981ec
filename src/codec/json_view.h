// Reading JSON that somebody else wrote: a missing or mistyped field is empty, never an exception. Pure.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::codec {

using Json = nlohmann::ordered_json;

// Nothing when the text is no JSON.
inline std::optional<Json> parse_json(std::string_view text) {
  Json value = Json::parse(text, nullptr, false);
  if (value.is_discarded()) return std::nullopt;
  return value;
}

inline const Json& field(const Json& object, std::string_view key) {
  static const Json none;
  if (!object.is_object()) return none;
  const auto found = object.find(std::string(key));
  return found == object.end() ? none : *found;
}
inline std::string text(const Json& object, std::string_view key) {
  const Json& value = field(object, key);
  return value.is_string() ? value.get<std::string>() : value.is_number() ? value.dump() : std::string();
}
inline double number(const Json& object, std::string_view key, double fallback = 0) {
  const Json& value = field(object, key);
  return value.is_number() ? value.get<double>() : fallback;
}
inline bool truth(const Json& object, std::string_view key) {
  const Json& value = field(object, key);
  return value.is_boolean() && value.get<bool>();
}
// An empty array when it is none.
inline const Json& list(const Json& object, std::string_view key) {
  static const Json none = Json::array();
  const Json& value = field(object, key);
  return value.is_array() ? value : none;
}

}  // namespace slipway::codec
