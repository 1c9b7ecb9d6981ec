// Points at the place of a mistake in a text that a person wrote.
//
//   environment.tfvars:3:1
//     3 | gatway_port = 8000
//       | ^~~~~~~~~~~
//
// Pure. Lines longer than kMaxShownLine are cut around the caret; control characters are shown as spaces.
#pragma once

#include <string>
#include <string_view>

#include "base/error.h"

namespace slipway::codec {

inline constexpr std::size_t kMaxShownLine = 100;

// 1-based; line 0 = no place. A column counts bytes.
struct Place {
  int line = 0;
  int column = 0;
  bool operator==(const Place&) const = default;
};

// A text and the name it goes by in messages. Views: both must outlive it.
struct Source {
  std::string_view name;
  std::string_view text;
};

// "name:3:1", or just the name without a place.
std::string at(std::string_view name, Place place);
// The place, the line and a caret under `width` bytes of it; empty when the place is not in the text.
std::string point(const Source& source, Place place, std::size_t width = 1);
// The place of a byte offset; the end of the text for an offset beyond it.
Place place_of(std::string_view text, std::size_t offset);
// An Error whose message ends in " (name:line:column)" and whose detail shows the line.
base::Error error_at(base::ErrorCode code, const Source& source, Place place, std::string message,
                     std::size_t width = 1);

}  // namespace slipway::codec
