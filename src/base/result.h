// Result<T>: a T or an Error. Nodiscard, so that no failure is dropped by accident.
//
//   Result<int> parse(std::string_view s);
//   SLIPWAY_TRY(const int n, parse(text));        // returns the error to the caller, else declares n
//   SLIPWAY_RETURN_IF_ERROR(write(n));            // for Result<void>
// In coroutines use SLIPWAY_CO_TRY and SLIPWAY_CO_RETURN_IF_ERROR; bind `co_await x` to a named local first.
#pragma once

#include <expected>
#include <utility>

#include "base/error.h"

namespace slipway::base {

template <class T>
class [[nodiscard]] Result : public std::expected<T, Error> {
 public:
  using std::expected<T, Error>::expected;
  Result(Error error) : std::expected<T, Error>(std::unexpected(std::move(error))) {}
};

template <>
class [[nodiscard]] Result<void> : public std::expected<void, Error> {
 public:
  using std::expected<void, Error>::expected;
  Result(Error error) : std::expected<void, Error>(std::unexpected(std::move(error))) {}
};

}  // namespace slipway::base

#define SLIPWAY_CONCAT_(a, b) a##b
#define SLIPWAY_CONCAT(a, b) SLIPWAY_CONCAT_(a, b)
#define SLIPWAY_TRY_(tmp, decl, expr, ret) \
  auto tmp = (expr);                       \
  if (!tmp) ret std::move(tmp).error();    \
  decl = *std::move(tmp)
#define SLIPWAY_TRY(decl, expr) SLIPWAY_TRY_(SLIPWAY_CONCAT(slipway_try_, __LINE__), decl, expr, return)
#define SLIPWAY_CO_TRY(decl, expr) SLIPWAY_TRY_(SLIPWAY_CONCAT(slipway_try_, __LINE__), decl, expr, co_return)
#define SLIPWAY_RETURN_IF_ERROR(expr) \
  if (auto slipway_status = (expr); !slipway_status) return std::move(slipway_status).error()
#define SLIPWAY_CO_RETURN_IF_ERROR(expr) \
  if (auto slipway_status = (expr); !slipway_status) co_return std::move(slipway_status).error()
