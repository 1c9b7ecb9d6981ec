#include "codec/quantity.h"

#include <charconv>
#include <cmath>

namespace slipway::codec {
namespace {

struct Suffix {
  std::string_view text;
  double factor;
};
constexpr Suffix kSuffixes[] = {{"n", 1e-9},
                                {"u", 1e-6},
                                {"m", 1e-3},
                                {"", 1},
                                {"k", 1e3},
                                {"M", 1e6},
                                {"G", 1e9},
                                {"T", 1e12},
                                {"P", 1e15},
                                {"Ki", 1024.0},
                                {"Mi", 1048576.0},
                                {"Gi", 1073741824.0},
                                {"Ti", 1099511627776.0}};

std::optional<double> value(std::string_view text) {
  double number = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), number, std::chars_format::fixed);
  if (error != std::errc() || number < 0) return {};
  const std::string_view rest(end, text.data() + text.size());
  for (const Suffix& suffix : kSuffixes)
    if (suffix.text == rest) return number * suffix.factor;
  return {};
}

std::optional<std::int64_t> whole(double number) {
  if (!(number < 9.0e18)) return {};
  return static_cast<std::int64_t>(std::floor(number + 1e-9));
}

}  // namespace

std::optional<std::int64_t> quantity_milli(std::string_view text) {
  const auto v = value(text);
  return v ? whole(*v * 1e3) : std::nullopt;
}

std::optional<std::int64_t> quantity(std::string_view text) {
  const auto v = value(text);
  return v ? whole(*v) : std::nullopt;
}

}  // namespace slipway::codec
