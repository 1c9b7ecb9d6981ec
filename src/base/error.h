// What went wrong, as a value: a code from the one table (errors.def), what failed with its evidence, and the
// next step.
//
// Ownership: plain value, cheap to move. Threads: none. Failure: none; building an Error allocates.
// Canonical kinds are for programs that decide (retry, give up, ask the user); codes are for people and for
// tests.
#pragma once

#include <chrono>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace slipway::base {

enum class ErrorKind {
  invalid_argument,     // the caller's input is wrong whatever the state; do not retry
  failed_precondition,  // the input is fine, the system is not in the state for it; do not retry before that
                        // changes
  not_found,            // the named thing does not exist
  already_exists,       // the thing to be made is there
  permission_denied,    // known caller, not allowed
  unauthenticated,      // unknown caller
  resource_exhausted,   // a limit, a quota, memory or disk; retry after it frees
  unavailable,  // a passing failure; retry with back-off (prefer this to `internal` when a retry can help)
  deadline_exceeded,  // the caller's time ran out
  cancelled,          // the caller went away
  data_loss,          // bytes are not what they must be
  internal,           // our defect
};

enum class ErrorCode : int {
#define SLIPWAY_ERROR(symbol, number, kind, http, exit_code, text, next) symbol = number,
#include "base/errors.def"
#undef SLIPWAY_ERROR
};

// One row of the table.
struct ErrorInfo {
  ErrorCode code;
  std::string_view symbol;
  ErrorKind kind;
  int http_status;
  int exit_code;
  std::string_view text;
  std::string_view next_step;
};

std::span<const ErrorInfo> all_errors();
const ErrorInfo& info(ErrorCode code);
// "E1004" -> the row; nullptr when there is none. Accepts "E1004", "1004" and the symbol.
const ErrorInfo* find_error(std::string_view name);
std::string code_name(ErrorCode code);  // "E1004"
std::string_view kind_name(ErrorKind kind);

class [[nodiscard]] Error {
 public:
  // `message`: one sentence, what failed and the evidence, without the code and without a next step.
  Error(ErrorCode code, std::string message) : code_(code), message_(std::move(message)) {}

  // Replaces the table's next step by a concrete one ("Run: slipway up").
  Error&& with_next(std::string next) && {
    next_ = std::move(next);
    return std::move(*this);
  }
  // Multi-line evidence shown under the message: a source line with its caret, the last log lines.
  Error&& with_detail(std::string detail) && {
    detail_ = std::move(detail);
    return std::move(*this);
  }
  Error&& with_retry_after(std::chrono::milliseconds t) && {
    retry_after_ = t;
    return std::move(*this);
  }
  // The request field at fault (OpenAI's `param`).
  Error&& with_param(std::string param) && {
    param_ = std::move(param);
    return std::move(*this);
  }
  // Puts "while doing X: " in front of the message.
  Error&& with_context(std::string_view doing) && {
    message_.insert(0, std::string(doing) + ": ");
    return std::move(*this);
  }

  ErrorCode code() const { return code_; }
  ErrorKind kind() const { return info(code_).kind; }
  const std::string& message() const { return message_; }
  const std::string& detail() const { return detail_; }
  const std::string& param() const { return param_; }
  std::string_view next_step() const {
    return next_.empty() ? info(code_).next_step : std::string_view(next_);
  }
  std::optional<std::chrono::milliseconds> retry_after() const { return retry_after_; }
  // Another try of the same thing may succeed.
  bool retryable() const {
    return kind() == ErrorKind::unavailable || kind() == ErrorKind::resource_exhausted;
  }
  // "E5003 port 8000 is taken by nginx (pid 12)\n<detail>\n  next: ..." for terminals and logs.
  std::string to_string() const;

 private:
  ErrorCode code_;
  std::string message_;
  std::string next_;
  std::string detail_;
  std::string param_;
  std::optional<std::chrono::milliseconds> retry_after_;
};

}  // namespace slipway::base
