#include "base/error.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "base/check.h"

namespace slipway::base {
namespace {

constexpr auto kTable = std::to_array<ErrorInfo>({
#define SLIPWAY_ERROR(symbol, number, kind, http, exit_code, text, next) \
  {ErrorCode::symbol, #symbol, ErrorKind::kind, http, exit_code, text, next},
#include "base/errors.def"
#undef SLIPWAY_ERROR
});

static_assert(std::ranges::is_sorted(kTable, {}, &ErrorInfo::code), "errors.def is ordered by number");

}  // namespace

std::span<const ErrorInfo> all_errors() {
  return kTable;
}

const ErrorInfo& info(ErrorCode code) {
  const auto* row = std::ranges::lower_bound(kTable, code, {}, &ErrorInfo::code);
  SLIPWAY_CHECK(row != kTable.end() && row->code == code);
  return *row;
}

const ErrorInfo* find_error(std::string_view name) {
  const auto* by_symbol = std::ranges::find(kTable, name, &ErrorInfo::symbol);
  if (by_symbol != kTable.end()) return by_symbol;
  if (!name.empty() && (name.front() == 'E' || name.front() == 'e')) name.remove_prefix(1);
  int number = 0;
  const auto [end, error] = std::from_chars(name.data(), name.data() + name.size(), number);
  if (error != std::errc() || end != name.data() + name.size()) return nullptr;
  const auto* by_number = std::ranges::find(kTable, static_cast<ErrorCode>(number), &ErrorInfo::code);
  return by_number == kTable.end() ? nullptr : by_number;
}

std::string code_name(ErrorCode code) {
  return "E" + std::to_string(static_cast<int>(code));
}

std::string_view kind_name(ErrorKind kind) {
  switch (kind) {
    case ErrorKind::invalid_argument:
      return "invalid_argument";
    case ErrorKind::failed_precondition:
      return "failed_precondition";
    case ErrorKind::not_found:
      return "not_found";
    case ErrorKind::already_exists:
      return "already_exists";
    case ErrorKind::permission_denied:
      return "permission_denied";
    case ErrorKind::unauthenticated:
      return "unauthenticated";
    case ErrorKind::resource_exhausted:
      return "resource_exhausted";
    case ErrorKind::unavailable:
      return "unavailable";
    case ErrorKind::deadline_exceeded:
      return "deadline_exceeded";
    case ErrorKind::cancelled:
      return "cancelled";
    case ErrorKind::data_loss:
      return "data_loss";
    case ErrorKind::internal:
      return "internal";
  }
  return "internal";
}

std::string Error::to_string() const {
  std::string out = code_name(code_) + " " + message_;
  if (!detail_.empty()) out += "\n" + detail_;
  out += "\n  next: ";
  out += next_step();
  return out;
}

}  // namespace slipway::base
