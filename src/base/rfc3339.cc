#include "base/rfc3339.h"

#include <algorithm>
#include <chrono>

namespace slipway::base {
namespace {

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

// `text` has the form of `shape`, where d is a digit.
bool has_shape(std::string_view text, std::string_view shape) {
  return text.size() == shape.size() &&
         std::ranges::equal(text, shape, [](char c, char s) { return s == 'd' ? is_digit(c) : c == s; });
}

int number(std::string_view text, std::size_t at, std::size_t digits) {
  int out = 0;
  for (const char c : text.substr(at, digits)) out = out * 10 + (c - '0');
  return out;
}

// Seconds east of Greenwich of "Z", "+01:00", "-05:30".
std::optional<int> offset(std::string_view zone) {
  if (zone == "Z") return 0;
  if (!has_shape(zone, "+dd:dd") && !has_shape(zone, "-dd:dd")) return std::nullopt;
  const int seconds = (number(zone, 1, 2) * 60 + number(zone, 4, 2)) * 60;
  return zone.front() == '-' ? -seconds : seconds;
}

}  // namespace

std::optional<std::int64_t> from_rfc3339(std::string_view text) {
  constexpr std::string_view kShape = "dddd-dd-ddTdd:dd:dd";
  if (!has_shape(text.substr(0, kShape.size()), kShape)) return std::nullopt;
  const std::string_view whole = text.substr(0, kShape.size());
  text.remove_prefix(kShape.size());
  if (text.starts_with('.')) {
    text.remove_prefix(1);
    if (text.empty() || !is_digit(text.front())) return std::nullopt;
    while (!text.empty() && is_digit(text.front())) text.remove_prefix(1);
  }
  const auto east = offset(text);
  const std::chrono::year_month_day day{std::chrono::year(number(whole, 0, 4)),
                                        std::chrono::month(static_cast<unsigned>(number(whole, 5, 2))),
                                        std::chrono::day(static_cast<unsigned>(number(whole, 8, 2)))};
  const int hour = number(whole, 11, 2), minute = number(whole, 14, 2), second = number(whole, 17, 2);
  if (!east || !day.ok() || hour > 23 || minute > 59 || second > 60) return std::nullopt;
  const std::int64_t days = std::chrono::sys_days(day).time_since_epoch().count();
  return ((days * 24 + hour) * 60 + minute) * 60 + second - *east;
}

}  // namespace slipway::base
