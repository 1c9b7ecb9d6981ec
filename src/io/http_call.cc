// A request for those who have no loop: runs one on the calling thread.
#include <fmt/format.h>

#include "io/http.h"

namespace slipway::io {
namespace {

struct Call {
  Loop loop{"http-call"};
  std::optional<HttpClient> client;
  Endpoint endpoint;
  HttpRequest request;
  base::Deadline deadline;
  const std::function<bool(std::string_view)>* on_data = nullptr;
  const std::atomic<bool>* cancelled = nullptr;

  SendCancel send_cancel;
  HttpResponse* response = nullptr;
  bool timed_out = false;
  bool interrupted = false;
  base::Result<BlockingResponse> result{BlockingResponse{}};
};

// The whole of a body, or as much as `on_data` wants.
Task<base::Result<void>> read_body(Call& call, HttpResponse& response, BlockingResponse& out) {
  constexpr std::size_t kMaxBody = 64u << 20;
  while (true) {
    const base::Result<std::string_view> piece = co_await response.read_some();
    if (!piece) co_return piece.error();
    if (piece->empty()) co_return base::Result<void>();
    if (*call.on_data) {
      if (!(*call.on_data)(*piece)) co_return base::Result<void>();
      continue;
    }
    if (out.body.size() + piece->size() > kMaxBody)
      co_return base::Error(base::ErrorCode::body_too_large,
                            fmt::format("the answer has more than {} bytes", kMaxBody));
    out.body.append(*piece);
  }
}

Task<base::Result<BlockingResponse>> perform(Call& call) {
  base::Result<std::unique_ptr<HttpResponse>> response =
      co_await call.client->send(call.endpoint, call.request, call.deadline);
  if (!response) co_return std::move(response).error();
  call.response = response->get();
  BlockingResponse out{(*response)->head().status, ""};
  const base::Result<void> read = co_await read_body(call, **response, out);
  call.response = nullptr;
  if (!read) co_return read.error();
  co_return out;
}

Task<> run(Call& call) {
  base::Result<BlockingResponse> result = co_await perform(call);
  if (!result && call.interrupted)
    result = base::Error(base::ErrorCode::interrupted, "the call was interrupted");
  else if (!result && call.timed_out)
    result = base::Error(base::ErrorCode::timeout,
                         fmt::format("no complete answer from {} in time", to_string(call.endpoint)));
  call.result = std::move(result);
  call.loop.stop();
}

void watch(Call& call) {
  call.interrupted = call.interrupted || (call.cancelled != nullptr && *call.cancelled);
  call.timed_out = call.deadline.passed(base::monotonic_now());
  if (!call.interrupted && !call.timed_out) return;
  call.send_cancel.cancel();
  if (call.response != nullptr) call.response->cancel();
}

}  // namespace

base::Result<BlockingResponse> http_call(const Endpoint& endpoint, const HttpRequest& request,
                                         base::Deadline deadline,
                                         const std::function<bool(std::string_view)>& on_data,
                                         const std::atomic<bool>* cancelled) {
  Call call;
  call.client.emplace(call.loop);
  call.endpoint = endpoint;
  call.request = request;
  call.request.cancel = &call.send_cancel;
  call.deadline = deadline;
  call.on_data = &on_data;
  call.cancelled = cancelled;
  call.loop.spawn(run(call));
  call.loop.every(std::chrono::milliseconds(50), [&call] { watch(call); });
  call.loop.run();
  return std::move(call.result);
}

}  // namespace slipway::io
