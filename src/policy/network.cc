#include "policy/network.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>

namespace slipway::policy {
namespace {

std::optional<unsigned> number(std::string_view text, unsigned most) {
  unsigned out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  const bool leading_zero = text.size() > 1 && text.front() == '0';
  if (text.empty() || leading_zero || error != std::errc() || end != text.data() + text.size() || out > most)
    return {};
  return out;
}

std::uint32_t mask(int prefix) {
  return prefix == 0 ? 0 : ~std::uint32_t{0} << (32 - prefix);
}

}  // namespace

std::optional<Cidr> parse_cidr(std::string_view text) {
  const std::size_t slash = text.find('/');
  if (slash == std::string_view::npos) return {};
  const auto prefix = number(text.substr(slash + 1), 32);
  if (!prefix) return {};
  Cidr out{.prefix = static_cast<int>(*prefix)};
  std::string_view rest = text.substr(0, slash);
  for (int part = 0; part < 4; ++part) {
    const std::size_t dot = part == 3 ? rest.size() : rest.find('.');
    if (dot == std::string_view::npos) return {};
    const auto byte = number(rest.substr(0, dot), 255);
    if (!byte) return {};
    out.address = out.address << 8 | *byte;
    rest = part == 3 ? std::string_view() : rest.substr(dot + 1);
  }
  if ((out.address & ~mask(out.prefix)) != 0) return {};
  return out;
}

bool overlap(const Cidr& a, const Cidr& b) {
  const std::uint32_t wider = mask(std::min(a.prefix, b.prefix));
  return (a.address & wider) == (b.address & wider);
}

std::string to_string(const Cidr& c) {
  return fmt::format("{}.{}.{}.{}/{}", c.address >> 24, c.address >> 16 & 255, c.address >> 8 & 255,
                     c.address & 255, c.prefix);
}

}  // namespace slipway::policy
