// YAML of untrusted hands as a plain tree with places: the base of the values and catalogue readers.
//
// yaml-cpp scans and parses; its events build our own tree, so that every bound is checked while the text is
// read: nodes (an alias counts as often as the nodes that it stands for), depth, bytes. Refused with a
// reason: duplicate keys, several documents, keys that are not scalars, merge keys, tags other than the core
// schema's, aliases inside their own anchor.
//
// Ownership: plain values. Failure: syntax (E1003) with line, column, caret. No exception leaves this file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"

namespace slipway::codec {

struct YamlLimits {
  std::size_t bytes = 1u << 20;
  std::size_t nodes = 50'000;
  int depth = 40;
};

struct YamlNode {
  enum class Kind { null, scalar, list, map };
  struct Entry;

  Kind kind = Kind::null;
  std::string text;     // of a scalar, as written, unquoted
  bool quoted = false;  // a quoted scalar is a string whatever it looks like
  std::vector<YamlNode> items;
  std::vector<Entry> entries;  // in the text's order, keys unique
  Place place;

  const YamlNode* find(std::string_view key) const;
  bool is_null() const { return kind == Kind::null; }
};
struct YamlNode::Entry {
  std::string key;
  Place key_place;
  YamlNode value;
};

// An empty text is a null node.
base::Result<YamlNode> parse_yaml(const Source& source, const YamlLimits& limits);

// Scalars by YAML 1.2's core schema; nothing when the scalar is not of that type. `quoted_too`: "8" counts
// as 8.
std::optional<bool> yaml_bool(const YamlNode& node);
std::optional<std::int64_t> yaml_integer(const YamlNode& node, bool quoted_too = false);
std::optional<double> yaml_number(const YamlNode& node, bool quoted_too = false);

// "true or false", "a whole number", "a number", "text", "a list", "a map", "nothing"
std::string_view yaml_words(const YamlNode& node);

}  // namespace slipway::codec
