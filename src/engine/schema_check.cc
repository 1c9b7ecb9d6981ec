// Intuition: walk the schema the way common/json-schema.cpp of llama.cpp does, decide for every subschema
// which kind the converter will see, and compare the keywords that constrain a value with the ones that this
// kind turns into grammar.
#include "engine/schema_check.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "json-schema-to-grammar.h"
#include "json.h"

namespace slipway::engine {
namespace {

using base::Error, base::ErrorCode, base::Result;

// Which JSON type a keyword speaks about; `any` is for those that hold whatever the type.
enum class Domain { any, string, number, array, object };

struct Keyword {
  std::string_view name;
  Domain domain;
};

constexpr auto kConstraining = std::to_array<Keyword>({
    {"type", Domain::any},
    {"enum", Domain::any},
    {"const", Domain::any},
    {"allOf", Domain::any},
    {"anyOf", Domain::any},
    {"oneOf", Domain::any},
    {"not", Domain::any},
    {"if", Domain::any},
    {"then", Domain::any},
    {"else", Domain::any},
    {"$ref", Domain::any},
    {"$dynamicRef", Domain::any},
    {"$recursiveRef", Domain::any},
    {"minLength", Domain::string},
    {"maxLength", Domain::string},
    {"pattern", Domain::string},
    {"format", Domain::string},
    {"multipleOf", Domain::number},
    {"minimum", Domain::number},
    {"maximum", Domain::number},
    {"exclusiveMinimum", Domain::number},
    {"exclusiveMaximum", Domain::number},
    {"items", Domain::array},
    {"prefixItems", Domain::array},
    {"additionalItems", Domain::array},
    {"unevaluatedItems", Domain::array},
    {"minItems", Domain::array},
    {"maxItems", Domain::array},
    {"uniqueItems", Domain::array},
    {"contains", Domain::array},
    {"minContains", Domain::array},
    {"maxContains", Domain::array},
    {"properties", Domain::object},
    {"required", Domain::object},
    {"additionalProperties", Domain::object},
    {"patternProperties", Domain::object},
    {"propertyNames", Domain::object},
    {"unevaluatedProperties", Domain::object},
    {"minProperties", Domain::object},
    {"maxProperties", Domain::object},
    {"dependentRequired", Domain::object},
    {"dependentSchemas", Domain::object},
    {"dependencies", Domain::object},
});

// What the converter makes of a subschema, and the keywords it then enforces.
struct Kind {
  Domain domain;
  std::vector<std::string_view> enforced;
};

Error refuse(const std::string& path, const std::string& why) {
  return Error(ErrorCode::bad_schema, "the JSON schema at " + path + " cannot be enforced: " + why);
}

bool has(const common_json& node, const char* key) {
  return node.contains(key);
}

// {"additionalProperties": false} alone and "properties" make an object, as in the converter.
bool looks_like_object(const common_json& node) {
  return has(node, "properties") ||
         (has(node, "additionalProperties") && node.at("additionalProperties") != true);
}

Domain domain_of_type(const std::string& type) {
  if (type == "string") return Domain::string;
  if (type == "number" || type == "integer") return Domain::number;
  if (type == "array") return Domain::array;
  if (type == "object") return Domain::object;
  return Domain::any;
}

Kind kind_of_typed(const common_json& node, const std::string& type) {
  if (has(node, "const")) return {Domain::any, {"type", "const"}};
  if (has(node, "enum")) return {Domain::any, {"type", "enum"}};
  if (type == "object") {
    if (!looks_like_object(node) && has(node, "allOf")) return {Domain::object, {"type", "allOf"}};
    return {Domain::object, {"type", "properties", "required", "additionalProperties"}};
  }
  if (type == "array") {
    const bool tuple = has(node, "items") ? node.at("items").is_array() : has(node, "prefixItems");
    if (tuple) return {Domain::array, {"type", has(node, "items") ? "items" : "prefixItems"}};
    return {Domain::array, {"type", "items", "minItems", "maxItems"}};
  }
  if (type == "string") {
    if (has(node, "allOf")) return {Domain::string, {"type", "allOf"}};
    if (has(node, "pattern")) return {Domain::string, {"type", "pattern"}};
    if (has(node, "format")) return {Domain::string, {"type", "format"}};
    return {Domain::string, {"type", "minLength", "maxLength"}};
  }
  if (type == "integer")
    return {Domain::number, {"type", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}};
  return {domain_of_type(type), {"type"}};
}

// A subschema without a type: the structural keywords decide, in the converter's order.
Kind kind_of_untyped(const common_json& node) {
  if (has(node, "const")) return {Domain::any, {"const"}};
  if (has(node, "enum")) return {Domain::any, {"enum"}};
  if (looks_like_object(node)) return kind_of_typed(node, "object");
  if (has(node, "allOf")) return {Domain::any, {"allOf"}};
  if (has(node, "items") || has(node, "prefixItems")) return kind_of_typed(node, "array");
  if (has(node, "pattern") || has(node, "minLength") || has(node, "maxLength") || has(node, "format"))
    return kind_of_typed(node, "string");
  return {Domain::any, {}};
}

Kind kind_of(const common_json& node) {
  if (has(node, "$ref")) return {Domain::any, {"$ref"}};
  if (has(node, "oneOf")) return {Domain::any, {"oneOf"}};
  if (has(node, "anyOf")) return {Domain::any, {"anyOf"}};
  if (has(node, "type") && node.at("type").is_string())
    return kind_of_typed(node, node.at("type").get<std::string>());
  return kind_of_untyped(node);
}

bool type_matches(const common_json& value, const std::string& type) {
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_number_integer();
  if (type == "number") return value.is_number();
  if (type == "boolean") return value.is_boolean();
  if (type == "null") return value.is_null();
  if (type == "array") return value.is_array();
  return type == "object" && value.is_object();
}

bool lists(const common_json& names, const std::string& name) {
  for (const common_json& entry : names)
    if (entry == name) return true;
  return false;
}

// The converter answers "any string" when it cannot translate a pattern, which shows in the grammar's first
// rule.
bool pattern_is_translated(const std::string& pattern) {
  const common_json schema = {{"type", "string"}, {"pattern", pattern}};
  return json_schema_to_grammar(schema, true).find("root ::= string\n") == std::string::npos;
}

class Checker {
 public:
  Checker(const common_json& root, Enforcement enforcement)
      : root_(root), complete_(enforcement == Enforcement::complete) {}

  Result<void> node(const common_json& schema, const std::string& path, int depth) {
    if (++nodes_ > kMaxSchemaNodes)
      return refuse(path, "it has more than " + std::to_string(kMaxSchemaNodes) + " subschemas");
    if (depth > kMaxSchemaDepth)
      return refuse(path, "it nests deeper than " + std::to_string(kMaxSchemaDepth));
    if (!schema.is_object()) return refuse(path, "a subschema must be an object");
    SLIPWAY_RETURN_IF_ERROR(limits(schema, path));
    if (has(schema, "$ref")) SLIPWAY_RETURN_IF_ERROR(reference(schema.at("$ref"), path));
    if (has(schema, "type") && schema.at("type").is_array() && !has(schema, "$ref") &&
        !has(schema, "anyOf") && !has(schema, "oneOf"))
      return type_list(schema, path, depth);
    if (complete_) {
      SLIPWAY_RETURN_IF_ERROR(keywords(schema, kind_of(schema), path));
      SLIPWAY_RETURN_IF_ERROR(values(schema, path));
    }
    return children(schema, path, depth);
  }

 private:
  Result<void> limits(const common_json& schema, const std::string& path) const {
    for (const char* key : {"minLength", "maxLength", "minItems", "maxItems"}) {
      if (!has(schema, key)) continue;
      const common_json& v = schema.at(key);
      if (!v.is_number_integer() || v.get<double>() < 0 || v.get<double>() > kMaxSchemaRepeat)
        return refuse(path,
                      std::string(key) + " must be a whole number up to " + std::to_string(kMaxSchemaRepeat));
    }
    for (const char* key : {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}) {
      if (!has(schema, key)) continue;
      const common_json& v = schema.at(key);
      if (!v.is_number() || std::abs(v.get<double>()) > kMaxSchemaBound)
        return refuse(path, std::string(key) + " must be a number within +-1e15");
    }
    if (has(schema, "properties") && schema.at("properties").size() > kMaxSchemaProperties)
      return refuse(path, "an object has more than " + std::to_string(kMaxSchemaProperties) + " properties");
    return ordered(schema, path);
  }

  // An empty range would be a grammar that nothing satisfies, or worse.
  static Result<void> ordered(const common_json& schema, const std::string& path) {
    const auto number = [&](const char* key, double otherwise) {
      return has(schema, key) ? schema.at(key).get<double>() : otherwise;
    };
    const double low = std::max(number("minimum", -2e15), std::floor(number("exclusiveMinimum", -2e15)) + 1);
    const double high = std::min(number("maximum", 2e15), std::ceil(number("exclusiveMaximum", 2e15)) - 1);
    if (std::ceil(low) > std::floor(high) && (!has(schema, "type") || schema.at("type") != "number"))
      return refuse(path, "no integer lies between its bounds");
    if (number("minLength", 0) > number("maxLength", kMaxSchemaRepeat) ||
        number("minItems", 0) > number("maxItems", kMaxSchemaRepeat))
      return refuse(path, "its minimum length is larger than its maximum");
    return {};
  }

  // References stay in the document and do not lead in a ring of bare references.
  Result<void> reference(const common_json& ref, const std::string& path) const {
    const common_json* at = &ref;
    for (int hops = 0; hops < 16; ++hops) {
      if (!at->is_string() || !at->get<std::string>().starts_with("#/"))
        return refuse(path, "$ref must point into the same document (\"#/...\")");
      const common_json* target = resolve(at->get<std::string>().substr(2));
      if (target == nullptr) return refuse(path, "$ref " + at->get<std::string>() + " points at nothing");
      if (!target->is_object() || !target->contains("$ref")) return {};
      at = &target->at("$ref");
    }
    return refuse(path, "its $ref leads in a circle");
  }

  const common_json* resolve(std::string_view pointer) const {
    const common_json* at = &root_;
    while (!pointer.empty()) {
      const std::string key(pointer.substr(0, pointer.find('/')));
      pointer.remove_prefix(std::min(pointer.size(), key.size() + 1));
      if (at->is_object() && at->contains(key)) {
        at = &at->at(key);
      } else if (at->is_array() && !key.empty() && key.size() < 6 &&
                 std::ranges::all_of(key, [](unsigned char c) { return std::isdigit(c) != 0; }) &&
                 std::stoul(key) < at->size()) {
        at = &at->at(std::stoul(key));
      } else {
        return nullptr;
      }
    }
    return at;
  }

  // ["a", "b"]: the converter makes one alternative a type.
  Result<void> type_list(const common_json& schema, const std::string& path, int depth) {
    std::set<std::string> seen;
    for (const common_json& type : schema.at("type")) {
      if (!type.is_string() || !seen.insert(type.get<std::string>()).second)
        return refuse(path, "\"type\" must be a list of different type names");
      common_json alternative = schema;
      alternative["type"] = type;
      SLIPWAY_RETURN_IF_ERROR(node(alternative, path, depth + 1));
    }
    return {};
  }

  static Result<void> keywords(const common_json& schema, const Kind& kind, const std::string& path) {
    for (const auto& [key, value] : schema.items()) {
      const auto* row = std::ranges::find(kConstraining, key, &Keyword::name);
      if (row == kConstraining.end() || std::ranges::find(kind.enforced, key) != kind.enforced.end())
        continue;
      const bool applies =
          row->domain == Domain::any || kind.domain == Domain::any || row->domain == kind.domain;
      const bool harmless = (key == "multipleOf" && value == 1 && schema.value("type", "") == "integer") ||
                            (key == "uniqueItems" && value == false);
      if (applies && !harmless)
        return refuse(
            path,
            "\"" + key + "\" is not supported " +
                (kind.enforced.empty() ? "here" : "beside \"" + std::string(kind.enforced.back()) + "\""));
    }
    return {};
  }

  // Constraints whose values, not names, decide whether they hold.
  Result<void> values(const common_json& schema, const std::string& path) const {
    if (has(schema, "required")) SLIPWAY_RETURN_IF_ERROR(required(schema, path));
    if (has(schema, "type") && (has(schema, "enum") || has(schema, "const")))
      SLIPWAY_RETURN_IF_ERROR(enumeration(schema, path));
    if (has(schema, "pattern") && (!schema.at("pattern").is_string() ||
                                   !pattern_is_translated(schema.at("pattern").get<std::string>())))
      return refuse(
          path, "this \"pattern\" has no grammar (it must be anchored with ^ and $ and use no look-around)");
    if (has(schema, "format") && kind_of(schema).domain == Domain::string) {
      static const std::set<std::string> known = {"date",  "time",  "date-time", "uuid", "uuid1",
                                                  "uuid2", "uuid3", "uuid4",     "uuid5"};
      if (!schema.at("format").is_string() || !known.contains(schema.at("format").get<std::string>()))
        return refuse(path, "\"format\" may be date, time, date-time or uuid");
    }
    if ((has(schema, "minimum") && has(schema, "exclusiveMinimum")) ||
        (has(schema, "maximum") && has(schema, "exclusiveMaximum")))
      return refuse(path, "a bound and its exclusive form cannot be used together");
    if (has(schema, "oneOf") && !exclusive(schema.at("oneOf")))
      return refuse(path, "the alternatives of \"oneOf\" overlap or cannot be told apart; use \"anyOf\"");
    if (has(schema, "allOf")) return all_of(schema.at("allOf"), path);
    return {};
  }

  static Result<void> required(const common_json& schema, const std::string& path) {
    if (!schema.at("required").is_array()) return refuse(path, "\"required\" must be a list of names");
    for (const common_json& name : schema.at("required")) {
      if (!name.is_string()) return refuse(path, "\"required\" must be a list of names");
      const std::string key = name.get<std::string>();
      if (!has(schema, "properties") || !schema.at("properties").contains(key))
        return refuse(path, "the required property \"" + key + "\" is not among its properties");
    }
    return {};
  }

  static Result<void> enumeration(const common_json& schema, const std::string& path) {
    const std::string type = schema.at("type").is_string() ? schema.at("type").get<std::string>() : "";
    const common_json list =
        has(schema, "const") ? common_json::array({schema.at("const")}) : schema.at("enum");
    for (const common_json& value : list)
      if (!type_matches(value, type)) return refuse(path, "a listed value is not of type \"" + type + "\"");
    return {};
  }

  const common_json& followed(const common_json& schema) const {
    const common_json* at = &schema;
    for (int hops = 0; hops < 16 && at->is_object() && at->contains("$ref") && at->at("$ref").is_string();
         ++hops) {
      const common_json* target = resolve(at->at("$ref").get<std::string>().substr(2));
      if (target == nullptr) break;
      at = target;
    }
    return *at;
  }

  // No value satisfies two alternatives: their types differ, or one required property tells them apart.
  bool exclusive(const common_json& alternatives) const {
    if (!alternatives.is_array()) return false;
    std::set<std::string> types, tag_names, tags;
    for (const common_json& raw : alternatives) {
      const common_json& alternative = followed(raw);
      if (!alternative.is_object()) return false;
      const bool typed = has(alternative, "type") && alternative.at("type").is_string();
      types.insert(typed ? alternative.at("type").get<std::string>() : "");
      const auto [name, value] = tag_of(alternative);
      tag_names.insert(name);
      tags.insert(value);
    }
    const std::size_t count = alternatives.size();
    const bool numbers_overlap = types.contains("integer") && types.contains("number");
    const bool by_type = types.size() == count && !types.contains("") && !numbers_overlap;
    const bool by_tag = tag_names.size() == 1 && !tag_names.contains("") && tags.size() == count;
    return count == 1 || by_type || by_tag;
  }

  // The first required property that has one possible value, and that value; empty when there is none.
  static std::pair<std::string, std::string> tag_of(const common_json& schema) {
    if (!has(schema, "properties") || !has(schema, "required")) return {};
    for (const auto& [name, property] : schema.at("properties").items()) {
      if (!property.is_object() || !lists(schema.at("required"), name)) continue;
      if (has(property, "const")) return {name, property.at("const").dump()};
      if (has(property, "enum") && property.at("enum").size() == 1)
        return {name, property.at("enum").at(0).dump()};
    }
    return {};
  }

  // The converter merges the properties of objects and nothing else.
  Result<void> all_of(const common_json& parts, const std::string& path) const {
    std::set<std::string> names;
    for (const common_json& raw : parts) {
      const common_json& part = followed(raw);
      const bool only_enum = parts.size() == 1 && part.is_object() && has(part, "enum");
      if (only_enum) continue;
      if (!part.is_object() || !has(part, "properties") || has(part, "anyOf") || has(part, "oneOf") ||
          has(part, "allOf"))
        return refuse(path, "\"allOf\" may only join plain objects with \"properties\"");
      for (const auto& [name, property] : part.at("properties").items())
        if (!names.insert(name).second)
          return refuse(path, "two parts of \"allOf\" both define \"" + name + "\"");
    }
    return {};
  }

  Result<void> children(const common_json& schema, const std::string& path, int depth) {
    for (const char* key : {"properties", "$defs", "definitions"}) {
      if (!has(schema, key)) continue;
      if (!schema.at(key).is_object()) return refuse(path, std::string("\"") + key + "\" must be an object");
      for (const auto& [name, child] : schema.at(key).items())
        SLIPWAY_RETURN_IF_ERROR(node(child, path + "/" + key + "/" + name, depth + 1));
    }
    for (const char* key : {"anyOf", "oneOf", "allOf", "prefixItems", "items"}) {
      if (!has(schema, key) || !schema.at(key).is_array()) continue;
      std::size_t i = 0;
      for (const common_json& child : schema.at(key))
        SLIPWAY_RETURN_IF_ERROR(node(child, path + "/" + key + "/" + std::to_string(i++), depth + 1));
    }
    for (const char* key : {"items", "additionalProperties"})
      if (has(schema, key) && schema.at(key).is_object())
        SLIPWAY_RETURN_IF_ERROR(node(schema.at(key), path + "/" + key, depth + 1));
    return {};
  }

  const common_json& root_;
  const bool complete_;
  int nodes_ = 0;
};

}  // namespace

bool depth_within(std::string_view json_text, int limit) {
  int depth = 0;
  bool in_string = false;
  for (std::size_t i = 0; i < json_text.size(); ++i) {
    const char c = json_text[i];
    if (in_string) {
      if (c == '\\') ++i;
      if (c == '"') in_string = false;
    } else if (c == '"') {
      in_string = true;
    } else if (c == '{' || c == '[') {
      if (++depth > limit) return false;
    } else if (c == '}' || c == ']') {
      --depth;
    }
  }
  return true;
}

Result<void> check_schema(const common_json& schema, Enforcement enforcement) {
  const std::string text = schema.dump_safe();
  if (text.size() > kMaxSchemaBytes)
    return refuse("#", "it has " + std::to_string(text.size()) + " bytes, the limit is " +
                           std::to_string(kMaxSchemaBytes));
  return Checker(schema, enforcement).node(schema, "#", 0);
}

}  // namespace slipway::engine
