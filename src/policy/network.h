// IPv4 ranges of an environment: whether they are ranges, whether they overlap, whether the subnets fit.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace slipway::policy {

struct Cidr {
  std::uint32_t address = 0;  // host order; bits beyond the prefix are zero
  int prefix = 0;
  std::uint64_t size() const { return 1ull << (32 - prefix); }
  bool operator==(const Cidr&) const = default;
};

// Nothing when the text is no "a.b.c.d/n" or has bits beyond its prefix.
std::optional<Cidr> parse_cidr(std::string_view text);
bool overlap(const Cidr& a, const Cidr& b);
std::string to_string(const Cidr& cidr);

}  // namespace slipway::policy
