#include "codec/tfvars_convert.h"

#include <fmt/format.h>

#include <charconv>
#include <nlohmann/json.hpp>

namespace slipway::codec {
namespace {

template <class Number>
std::optional<Number> whole(std::string_view text) {
  Number out{};
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

nlohmann::ordered_json json_of(const TfValue& value) {
  struct Maker {
    nlohmann::ordered_json operator()(std::monostate) const { return nullptr; }
    nlohmann::ordered_json operator()(bool v) const { return v; }
    nlohmann::ordered_json operator()(std::int64_t v) const { return v; }
    nlohmann::ordered_json operator()(double v) const { return v; }
    nlohmann::ordered_json operator()(const std::string& v) const { return v; }
    nlohmann::ordered_json operator()(const TfList& list) const {
      auto out = nlohmann::ordered_json::array();
      for (const TfValue& item : list) out.push_back(json_of(item));
      return out;
    }
    nlohmann::ordered_json operator()(const TfObject& object) const {
      auto out = nlohmann::ordered_json::object();
      for (const TfEntry& entry : object) out[entry.name] = json_of(entry.value);
      return out;
    }
  };
  return std::visit(Maker{}, value.value);
}

}  // namespace

std::optional<std::string> as_text(const TfValue& v) {
  if (const auto* s = std::get_if<std::string>(&v.value)) return *s;
  if (const auto* i = std::get_if<std::int64_t>(&v.value)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&v.value)) return fmt::format("{}", *d);
  if (const auto* b = std::get_if<bool>(&v.value)) return *b ? "true" : "false";
  return {};
}

std::optional<bool> as_boolean(const TfValue& v) {
  if (const auto* b = std::get_if<bool>(&v.value)) return *b;
  const auto* s = std::get_if<std::string>(&v.value);
  if (s && (*s == "true" || *s == "false")) return *s == "true";
  return {};
}

std::optional<std::int64_t> as_integer(const TfValue& v) {
  if (const auto* i = std::get_if<std::int64_t>(&v.value)) return *i;
  const auto* s = std::get_if<std::string>(&v.value);
  return s ? whole<std::int64_t>(*s) : std::nullopt;
}

std::optional<double> as_number(const TfValue& v) {
  if (const auto* d = std::get_if<double>(&v.value)) return *d;
  if (const auto* i = std::get_if<std::int64_t>(&v.value)) return static_cast<double>(*i);
  const auto* s = std::get_if<std::string>(&v.value);
  return s ? whole<double>(*s) : std::nullopt;
}

std::optional<std::vector<std::string>> as_texts(const TfValue& v) {
  std::vector<std::string> out;
  if (const auto* list = std::get_if<TfList>(&v.value)) {
    for (const TfValue& item : *list) {
      auto text = as_text(item);
      if (!text) return {};
      out.push_back(*std::move(text));
    }
    return out;
  }
  const auto text = as_text(v);
  if (!text) return {};
  for (std::string_view rest = *text; !rest.empty();) {
    const std::size_t comma = rest.find(',');
    out.emplace_back(rest.substr(0, comma));
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
  }
  return out;
}

std::string to_json(const TfValue& value) {
  return json_of(value).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace);
}

}  // namespace slipway::codec
