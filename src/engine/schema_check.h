// Whether llama-common's schema-to-grammar converter enforces every constraint of a JSON schema.
//
// The converter takes a subset of JSON Schema and drops the rest without an error (multipleOf, not, bounds of
// a number, siblings of anyOf, patterns it cannot translate, ...). A dropped constraint would be an answer
// with status 200 that breaks the schema, so what it would drop is refused here, with the keyword and its
// path. The check also keeps the converter away from input that it cannot take: too deep, too large,
// reference loops, numbers that overflow.
//
// Pure; no ownership, no threads. Bounds: kMaxSchema* below. Failure: bad_schema.
#pragma once

#include <cstddef>
#include <string_view>

#include "base/result.h"

class common_json;

namespace slipway::engine {

inline constexpr std::size_t kMaxSchemaBytes = 128 * 1024;
inline constexpr int kMaxSchemaDepth = 48;    // of the JSON text
inline constexpr int kMaxSchemaNodes = 4096;  // subschemas
inline constexpr std::size_t kMaxSchemaProperties =
    128;                                         // an object; the converter's work grows with its square
inline constexpr int kMaxSchemaRepeat = 2000;    // minLength, maxLength, minItems, maxItems
inline constexpr double kMaxSchemaBound = 1e15;  // |minimum|, |maximum| of an integer

enum class Enforcement {
  complete,     // response_format, strict tools: everything or an error
  best_effort,  // tools without "strict": only what could harm the converter is refused
};

base::Result<void> check_schema(const common_json& schema, Enforcement enforcement);

// Nesting of brackets outside strings is at most `limit`. Also for text that is not valid JSON.
bool depth_within(std::string_view json_text, int limit);

}  // namespace slipway::engine
