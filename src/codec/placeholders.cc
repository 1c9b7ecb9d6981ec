#include "codec/placeholders.h"

#include <fmt/format.h>

#include <algorithm>

namespace slipway::codec {
namespace {

bool is_name(std::string_view s) {
  return !s.empty() && std::ranges::all_of(s, [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_';
  });
}

}  // namespace

base::Result<std::string> fill_placeholders(const Source& source, const Facts& facts, bool keep_unknown) {
  const std::string_view text = source.text;
  std::string out;
  out.reserve(text.size());
  std::size_t from = 0;
  while (true) {
    const std::size_t at = text.find("${", from);
    if (at == std::string_view::npos) break;
    const std::size_t end = text.find('}', at);
    const std::string_view name = end == std::string_view::npos ? "" : text.substr(at + 2, end - at - 2);
    const bool escaped = at > from && text[at - 1] == '$';
    out += text.substr(from, at - from - (escaped ? 1 : 0));
    const auto found = facts.find(name);
    if (!is_name(name) || escaped || (found == facts.end() && keep_unknown)) {
      out += "${";  // a shell's, Helm's or Grafana's own
      from = at + 2;
      continue;
    }
    if (found == facts.end())
      return error_at(base::ErrorCode::bad_value, source, place_of(text, at),
                      fmt::format("nothing is known of the placeholder '{}'", name), name.size() + 3);
    out += found->second;
    from = end + 1;
  }
  out += text.substr(from);
  return out;
}

}  // namespace slipway::codec
