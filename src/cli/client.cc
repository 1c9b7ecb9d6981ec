#include "cli/client.h"

#include <fmt/format.h>

#include <filesystem>
#include <optional>

#include "cli/interrupt.h"
#include "cli/settings.h"
#include "cli/sse_reader.h"
#include "io/files.h"
#include "io/http.h"
#include "store/environment.h"

namespace slipway::cli {
namespace {

using base::Error;
using base::ErrorCode;

constexpr auto kCallTimeout = std::chrono::seconds(30);
constexpr auto kProbeTimeout = std::chrono::seconds(5);
constexpr std::size_t kMaxLine = 1u << 20;
constexpr io::Header kJsonBody{"content-type", "application/json"};

Json parse_json(const std::string& text) {
  return Json::parse(text, nullptr, false);
}

io::HttpRequest request(std::string_view method, const std::string& path, const std::string& body) {
  io::HttpRequest r;
  r.method = method;
  r.target = path;
  r.host = "slipway";
  if (!body.empty()) r.headers.push_back(kJsonBody);
  r.body = body;
  return r;
}

std::string body_text(const Json& body) {
  return body.is_null() ? "" : body.dump(-1, ' ', false, Json::error_handler_t::replace);
}

ProgressEvent progress_of(const Json& data) {
  return {.phase = text_of(data, "phase"),
          .subject = text_of(data, "subject"),
          .done = static_cast<std::uint64_t>(number_of(data, "done")),
          .total = static_cast<std::uint64_t>(number_of(data, "total")),
          .unit = text_of(data, "unit"),
          .message = text_of(data, "message")};
}

// Other environments of this user whose sockets are there, for the next step of "not running".
std::string other_environment(const std::filesystem::path& socket) {
  std::error_code ignored;
  for (const auto& entry : std::filesystem::directory_iterator(socket.parent_path(), ignored)) {
    if (entry.path().extension() == ".sock" && entry.path() != socket) return entry.path().stem().string();
  }
  return "";
}

}  // namespace

base::Result<ControlClient> ControlClient::of(const Globals& globals) {
  const std::string name = environment_name(globals);
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(const store::EnvironmentPaths where, store::environment_paths(paths, name));
  return ControlClient(name, domain::Endpoint{.path = where.control_socket.string(), .host = "", .port = 0});
}

Error ControlClient::explain(Error error) const {
  const bool never_sent =
      error.code() == ErrorCode::io_failed && error.message().find("cannot connect") != std::string::npos;
  if (!never_sent) return error;
  std::error_code ignored;
  const bool there = std::filesystem::exists(endpoint_.path, ignored);
  auto absent =
      Error(ErrorCode::not_running,
            fmt::format("Slipway is not running in environment \"{}\": {} {}", environment_, endpoint_.path,
                        there ? "is there, but nobody listens (its daemon was killed)" : "does not exist"));
  const std::string other = there ? "" : other_environment(endpoint_.path);
  if (other.empty()) return absent;
  return std::move(absent).with_next(
      fmt::format("Start it with `slipway up`, or speak to the one that is there: --environment {}.", other));
}

base::Result<Json> ControlClient::call(std::string_view method, const std::string& path, const Json& body) {
  const std::string text = body_text(body);
  auto answer = io::http_call(endpoint_, request(method, path, text), base::Deadline::after(kCallTimeout), {},
                              &Interrupt::flag());
  if (!answer) return explain(std::move(answer).error());
  Json value = parse_json(answer->body);
  if (answer->status >= 400 || value.is_discarded()) return error_from_json(value, answer->status);
  return value;
}

base::Result<Json> ControlClient::follow(std::string_view method, const std::string& path, const Json& body,
                                         Progress& progress) {
  std::optional<base::Result<Json>> outcome;
  std::string plain;  // an answer that is no stream: an error before the operation began
  SseReader reader([&](std::string_view event, std::string_view data) {
    Json value = parse_json(std::string(data));
    if (event == "progress") progress.update(progress_of(value));
    if (event == "note") progress.note(text_of(value, "message"));
    if (event == "error") outcome = error_from_json(value, 500);
    if (event == "result") outcome = std::move(value);
    return !outcome.has_value();
  });
  std::optional<Error> broken;
  const std::string text = body_text(body);
  const auto on_data = [&](std::string_view piece) {
    if (plain.size() < kMaxLine) plain += piece;
    auto more = reader.feed(piece);
    if (more) return *more;
    broken = std::move(more).error();
    return false;
  };
  auto answer =
      io::http_call(endpoint_, request(method, path, text), base::Deadline(), on_data, &Interrupt::flag());
  progress.finish();
  if (outcome) return *std::move(outcome);
  if (broken) return *std::move(broken);
  if (!answer) return explain(std::move(answer).error());
  if (answer->status >= 400) return error_from_json(parse_json(plain), answer->status);
  return Error(ErrorCode::io_failed, "the daemon ended the connection before the operation's result")
      .with_next("`slipway status` says whether it still runs; send the command again.");
}

base::Result<void> ControlClient::lines(const std::string& path,
                                        const std::function<bool(std::string_view)>& on_line) {
  std::string pending, whole;
  const auto on_data = [&](std::string_view piece) {
    if (whole.size() < kMaxLine) whole += piece;
    pending += piece;
    std::size_t start = 0;
    for (std::size_t end; (end = pending.find('\n', start)) != std::string::npos; start = end + 1) {
      if (!on_line(std::string_view(pending).substr(start, end - start))) return false;
    }
    pending.erase(0, start);
    return pending.size() < kMaxLine;
  };
  auto answer =
      io::http_call(endpoint_, request("GET", path, ""), base::Deadline(), on_data, &Interrupt::flag());
  if (!answer) return explain(std::move(answer).error());
  if (answer->status >= 400) return error_from_json(parse_json(whole), answer->status);
  return {};
}

bool ControlClient::running() {
  auto answer = io::http_call(endpoint_, request("GET", "/control/v1/status", ""),
                              base::Deadline::after(kProbeTimeout));
  return answer.has_value();
}

Error error_from_json(const Json& answer, int status) {
  const Json& body = answer.is_object() && answer.contains("error") ? answer["error"] : answer;
  const base::ErrorInfo* row = base::find_error(text_of(body, "code"));
  if (row == nullptr) row = base::find_error(text_of(body, "symbol"));
  const std::string message = text_of(body, "message");
  if (row == nullptr) {
    return Error(ErrorCode::upstream_garbage,
                 fmt::format("the server answered HTTP {} with {}", status,
                             message.empty() ? "a body that is not Slipway's" : "\"" + message + "\""));
  }
  Error error = Error(row->code, message.empty() ? std::string(row->text) : message)
                    .with_detail(text_of(body, "detail"))
                    .with_next(text_of(body, "next"));  // empty: the table's
  const double wait = number_of(body, "retry_after");
  if (wait > 0)
    return std::move(error).with_retry_after(std::chrono::milliseconds(static_cast<long>(wait * 1000)));
  return error;
}

std::string percent_encoded(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) || c == '-' || c == '.' || c == '_' || c == '~')
      out += c;
    else
      out += fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace slipway::cli
