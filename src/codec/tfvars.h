// HCL attribute files (*.tfvars): `name = value` lines, as Terraform reads them, without expressions.
//
// Values: "strings" with escapes, heredocs (<<X, <<-X), numbers, true, false, null, [lists] and {objects}
// with `=` or `:` between key and value. Comments: #, //, /* */. What needs evaluation (references,
// functions, operators, "${templates}", blocks) is refused with its name, because a variables file has
// nothing to evaluate it against.
//
// Ownership: plain values. Failure: syntax (E1003) with line, column, caret; a variable set twice is a syntax
// error. Bounds: the constants below. Grammar: HCL native syntax specification (hashicorp/hcl,
// hclsyntax/spec.md).
#pragma once

#include <cstdint>
#include <string>
#include <variant>
#include <vector>

#include "base/result.h"
#include "codec/diagnostic.h"

namespace slipway::codec {

inline constexpr std::size_t kTfMaxBytes = 1u << 20;
inline constexpr int kTfMaxDepth = 32;
inline constexpr std::size_t kTfMaxValues = 20'000;

struct TfValue;
struct TfEntry;
using TfList = std::vector<TfValue>;
using TfObject = std::vector<TfEntry>;  // in the file's order, names unique

struct TfValue {
  std::variant<std::monostate, bool, std::int64_t, double, std::string, TfList, TfObject>
      value;         // monostate = null
  Place place;       // of the value
  Place name_place;  // of the attribute's or the entry's name; none for list elements
};

struct TfEntry {
  std::string name;
  TfValue value;
};

// "text", "a number", "true or false", "a list", "an object", "null"
std::string_view type_words(const TfValue& value);

base::Result<TfObject> parse_tfvars(const Source& source);

}  // namespace slipway::codec
