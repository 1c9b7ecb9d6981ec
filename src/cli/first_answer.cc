#include "cli/first_answer.h"

#include <fmt/format.h>

#include "cli/interrupt.h"
#include "cli/output.h"
#include "io/http.h"

namespace slipway::cli {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr std::size_t kMaxWords = 64u << 10;
constexpr std::size_t kShownWords = 500;

// The server's own words, of OpenAI's error or of Triton's, else the body as it is.
std::string words_of(const std::string& body) {
  const Json json = Json::parse(body, nullptr, false);
  const std::string said = text_of(object_of(json, "error"), "message"), triton = text_of(json, "error");
  const std::string& words = !said.empty() ? said : !triton.empty() ? triton : body;
  return words.substr(0, kShownWords);
}

// What an answer that is none says, and whether another one may follow.
void explain(FirstAnswer& out, const codec::FirstRequest& request,
             const Result<io::BlockingResponse>& response, const std::string& said) {
  out.words = fmt::format("{} {}", request.method, request.target);
  if (response) {
    out.too_soon = response->status >= 500 && !codec::refuses_the_call(response->status);
    out.words +=
        fmt::format(" answered {}{}", response->status, said.empty() ? " and nothing more" : ": " + said);
  } else {
    out.too_soon = response.error().code() != ErrorCode::timeout;
    out.words += ": " + response.error().message();
  }
}

struct Asked {
  FirstAnswer answer;
  bool refused = false;  // the call, not the moment
};

Result<Asked> ask(const domain::Endpoint& endpoint, const codec::FirstRequest& request,
                  base::Deadline deadline) {
  const std::string host = io::to_string(endpoint);
  io::HttpRequest call;
  call.method = request.method;
  call.target = request.target;
  call.host = host;
  if (!request.body.empty()) call.headers = {{"content-type", "application/json"}};
  call.body = request.body;

  FirstAnswer out{.gives = request.gives};
  std::string plain, failure;
  codec::FirstAnswerReader reader(request);
  const base::MonotonicTime begin = base::monotonic_now();
  const auto on_data = [&](std::string_view piece) {
    if (plain.size() < kMaxWords) plain += piece;
    const auto now = reader.feed(piece);
    if (!now) failure = now.error().to_string();
    out.came = now && *now;
    out.seconds = base::seconds(base::monotonic_now() - begin);
    return now && !out.came;
  };
  const auto response = io::http_call(endpoint, call, deadline, on_data, &Interrupt::flag());
  if (!response && response.error().code() == ErrorCode::interrupted) return response.error();
  const int status = response ? response->status : 0;
  out.came = status == 200 && (out.came || request.gives == codec::Gives::health);
  if (!out.came) explain(out, request, response, failure.empty() ? words_of(plain) : failure);
  return Asked{.answer = std::move(out), .refused = codec::refuses_the_call(status)};
}

}  // namespace

Result<FirstAnswer> ask_first(const domain::Endpoint& endpoint,
                              const std::vector<codec::FirstRequest>& requests, base::Deadline deadline) {
  FirstAnswer out;
  std::string words;
  for (const codec::FirstRequest& request : requests) {
    SLIPWAY_TRY(Asked asked, ask(endpoint, request, deadline));
    out = std::move(asked.answer);
    if (out.came) return out;
    words += (words.empty() ? "" : "\n") + out.words;
    if (!asked.refused) break;
  }
  out.words = std::move(words);
  return out;
}

}  // namespace slipway::cli
