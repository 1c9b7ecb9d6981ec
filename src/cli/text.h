// Text measured as a terminal shows it, and the spelling help.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace slipway::cli {

// Columns that UTF-8 text takes: combining marks 0, East Asian wide and emoji 2, control bytes 0, escape
// sequences 0.
std::size_t display_width(std::string_view text);
// Cut to at most `columns`, with a mark at the end when something was cut ("..." or one ellipsis character).
std::string truncate(std::string_view text, std::size_t columns, bool unicode);
// Spaces added up to `columns`, on the right or on the left.
std::string pad_right(std::string_view text, std::size_t columns);
std::string pad_left(std::string_view text, std::size_t columns);
// Words broken at `columns`; every line after the first starts with `indent` spaces.
std::string wrap(std::string_view text, std::size_t columns, std::size_t indent);
// "no request", "1 request", "2 requests".
std::string counted(double n, std::string_view noun);
// Control characters (C0 but "\n" and "\t", DEL, C1) become "?", so that a model's or a file's text cannot
// drive the terminal.
std::string without_controls(std::string_view text);

// The candidate that a person most likely meant (codec/suggest.h); nullopt when none is near.
std::optional<std::string> nearest(std::string_view word, std::span<const std::string> candidates);

}  // namespace slipway::cli
