// The schema of a values file as one table: path, type, default, who reads it. Internal to codec/values.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/yaml_tree.h"

namespace slipway::codec {

enum class ValueType {
  text,  // any scalar, taken as it is written (versions like 2.47.0 and 3.11)
  boolean,
  integer,  // a whole number, also quoted
  open,     // a free map, list or scalar: not looked into
};

struct SchemaRow {
  std::string_view path;  // "inference.modelServer.deployment.replicas"
  ValueType type;
  std::string_view default_text;  // of the reference's chart; "" = unset
  bool local;                     // the local target reads it
  std::string_view meaning;
};
std::span<const SchemaRow> values_schema();

// Every key known and of its type; null is allowed everywhere and means unset.
base::Result<void> check_schema(const YamlNode& root, const Source& source);

// The node at a dotted path; nullptr when it is absent or null.
const YamlNode* node_at(const YamlNode& root, std::string_view path);

}  // namespace slipway::codec
