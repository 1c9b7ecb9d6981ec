#include "codec/yaml_fields.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/suggest.h"

namespace slipway::codec {

using base::Error, base::ErrorCode, base::Result;

Result<void> YamlFields::only(std::span<const std::string_view> known) const {
  if (map_.kind != YamlNode::Kind::map) return wrong(map_, "an entry", "a map");
  for (const YamlNode::Entry& entry : map_.entries)
    if (std::ranges::find(known, entry.key) == known.end())
      return error_at(
          ErrorCode::unknown_key, source_, entry.key_place,
          fmt::format("the key '{}' is not known{}", entry.key.substr(0, 80), did_you_mean(entry.key, known)),
          entry.key.size());
  return {};
}

Result<std::string> YamlFields::text(std::string_view key, bool required) const {
  const YamlNode* n = map_.find(key);
  if (!n || n->is_null()) {
    if (!required) return std::string();
    return error_at(ErrorCode::missing_key, source_, map_.place, fmt::format("the key '{}' is missing", key));
  }
  if (n->kind != YamlNode::Kind::scalar) return wrong(*n, key, "text");
  return n->text;
}

Result<std::uint64_t> YamlFields::number(std::string_view key, std::uint64_t most) const {
  const YamlNode* n = map_.find(key);
  if (!n || n->is_null()) return std::uint64_t{0};
  const auto value = yaml_integer(*n);
  if (!value) return wrong(*n, key, "a whole number");
  if (*value < 0 || static_cast<std::uint64_t>(*value) > most)
    return bad(*n, fmt::format("'{}' must be 0 to {}", key, most));
  return static_cast<std::uint64_t>(*value);
}

Result<double> YamlFields::decimal(std::string_view key, double least, double most) const {
  const YamlNode* n = map_.find(key);
  if (!n || n->is_null())
    return error_at(ErrorCode::missing_key, source_, map_.place, fmt::format("the key '{}' is missing", key));
  const auto value = yaml_number(*n);
  if (!value) return wrong(*n, key, "a number");
  if (!(*value >= least && *value <= most))
    return bad(*n, fmt::format("'{}' must be {} to {}", key, least, most));
  return *value;
}

Result<bool> YamlFields::truth(std::string_view key) const {
  const YamlNode* n = map_.find(key);
  if (!n || n->is_null()) return false;
  const auto value = yaml_bool(*n);
  if (!value) return wrong(*n, key, "true or false");
  return *value;
}

Result<std::vector<std::string>> YamlFields::texts(std::string_view key) const {
  std::vector<std::string> out;
  const YamlNode* n = map_.find(key);
  if (!n || n->is_null()) return out;
  if (n->kind != YamlNode::Kind::list) return wrong(*n, key, "a list");
  for (const YamlNode& item : n->items) {
    if (item.kind != YamlNode::Kind::scalar) return wrong(item, key, "text");
    out.push_back(item.text);
  }
  return out;
}

Result<std::span<const YamlNode>> YamlFields::list(std::string_view key) const {
  const YamlNode* n = map_.find(key);
  if (!n || n->is_null()) return std::span<const YamlNode>();
  if (n->kind != YamlNode::Kind::list) return wrong(*n, key, "a list");
  return std::span<const YamlNode>(n->items);
}

Error YamlFields::bad(const YamlNode& n, std::string message) const {
  return error_at(ErrorCode::bad_value, source_, n.place, std::move(message),
                  std::max<std::size_t>(n.text.size(), 1));
}

Error YamlFields::wrong(const YamlNode& n, std::string_view key, std::string_view wanted) const {
  return error_at(ErrorCode::wrong_type, source_, n.place,
                  fmt::format("'{}' must be {}, not {}", key, wanted, yaml_words(n)));
}

}  // namespace slipway::codec
