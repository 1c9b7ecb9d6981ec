// One map of a YAML file with typed access to its keys: what readers of our own catalogue files share.
//
// Failure: unknown_key with "did you mean", missing_key, wrong_type, bad_value, each with line, column,
// caret. A null counts as left out. Views: node and source must outlive it.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"
#include "codec/yaml_tree.h"

namespace slipway::codec {

class YamlFields {
 public:
  YamlFields(const YamlNode& map, const Source& source) : map_(map), source_(source) {}

  // The node is a map and has no other keys.
  base::Result<void> only(std::span<const std::string_view> known) const;

  base::Result<std::string> text(std::string_view key, bool required) const;
  base::Result<std::uint64_t> number(std::string_view key, std::uint64_t most) const;   // 0 when left out
  base::Result<double> decimal(std::string_view key, double least, double most) const;  // required
  base::Result<bool> truth(std::string_view key) const;                                 // false when left out
  base::Result<std::vector<std::string>> texts(std::string_view key) const;             // empty when left out
  // The items of a list of maps; empty when left out.
  base::Result<std::span<const YamlNode>> list(std::string_view key) const;

  const YamlNode* node(std::string_view key) const { return map_.find(key); }
  const YamlNode& map() const { return map_; }
  base::Error bad(const YamlNode& n, std::string message) const;
  base::Error wrong(const YamlNode& n, std::string_view key, std::string_view wanted) const;

 private:
  const YamlNode& map_;
  const Source& source_;
};

}  // namespace slipway::codec
