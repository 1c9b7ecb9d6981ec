// Terraform's own conversions between the scalars of a variables file: "true" is a truth value, "4" a number,
// 1.34 a text; and a value as the JSON that Terraform reads. Pure; nothing when a value is of another type.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "codec/tfvars.h"

namespace slipway::codec {

std::optional<std::string> as_text(const TfValue& value);
std::optional<bool> as_boolean(const TfValue& value);
std::optional<std::int64_t> as_integer(const TfValue& value);
std::optional<double> as_number(const TfValue& value);
// A list of texts; one text stands for the list of its parts between commas ("" for none).
std::optional<std::vector<std::string>> as_texts(const TfValue& value);

// As JSON text, objects in their file's order. Scalars keep the type they were written with.
std::string to_json(const TfValue& value);

}  // namespace slipway::codec
