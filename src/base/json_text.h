// Text as the inside of a JSON string, for the hot paths that write JSON piece by piece (log lines, answer
// events). Invalid UTF-8 becomes U+FFFD a byte, so that what is written is always valid JSON. Pure.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace slipway::base {

// Length of the well-formed UTF-8 character at the front of `text` (Unicode 15, table 3-7); 0 when there is
// none.
std::size_t character_length(std::string_view text);

// Appends `text` escaped, without quotes. Runs of plain ASCII are copied at once.
void append_json_text(std::string& out, std::string_view text);
// The same with quotes.
void append_json_string(std::string& out, std::string_view text);

}  // namespace slipway::base
