// The HTTP face of one replica: OpenAI's completions, chat and embeddings, tokenizing, health, metrics,
// strikes.
//
// A request's way: body -> prepare on a preparing thread (JSON, template, tokens, grammar) -> engine.submit
// -> head -> events as the mailbox brings tokens -> usage, [DONE]. The head of a stream leaves after
// admission and before prefill; whole answers leave in one piece, so a failure still has its status. After
// the head a failure is an error event, and no [DONE].
//
// Threads: handle() and everything else on the HTTP loop; its two preparing threads are inside.
// Ownership: loop (its preparing threads post to it), engine, format and registry outlive the service; the
// engine must have stopped calling sinks (drained or destroyed) before the service goes. Bounds: bodies
// (HttpServerOptions), kMaxSubmissions, and the engine's queue.
#pragma once

#include <array>
#include <atomic>
#include <string>
#include <unordered_set>

#include "base/result.h"
#include "codec/worker_arguments.h"
#include "engine/chat.h"
#include "engine/engine.h"
#include "io/http.h"
#include "io/loop.h"
#include "worker/answer.h"
#include "worker/mailbox.h"
#include "worker/worker_metrics.h"

namespace slipway::worker {

class Service {
 public:
  Service(io::Loop& loop, engine::Engine& engine, const engine::ChatFormat& format,
          telemetry::Registry& registry, const codec::Strikes& strikes);
  ~Service();

  io::Task<> handle(io::Exchange& exchange);
  // From now on new requests are refused with `draining`.
  void refuse_new() { draining_ = true; }
  // Answers that are being written.
  int open_answers() const { return open_; }

 private:
  // What the headers say about a request.
  struct Context {
    std::string request_id;
    std::string cache_salt;
    base::Deadline deadline;
    base::MonotonicTime received;
    std::uint64_t fingerprint = 0;
    bool alone = false;
  };
  struct Started {
    std::shared_ptr<Answer> answer;
    std::vector<std::unique_ptr<engine::Ticket>> tickets;
  };
  using Route = io::Task<> (Service::*)(io::Exchange&, Context);

  Context context_of(const io::Exchange& exchange);
  io::Task<> fail(io::Exchange& exchange, const Context& context, base::Error error);

  io::Task<> chat(io::Exchange& exchange, Context context);
  io::Task<> completion(io::Exchange& exchange, Context context);
  io::Task<> generate(io::Exchange& exchange, Context context, Operation operation);
  base::Result<void> admit(Context& context, std::string_view body) const;
  // On a preparing thread.
  base::Result<Started> start(Operation operation, const std::string& body, const Context& context);
  base::Result<Started> submit(Prepared prepared, const Context& context);
  io::Task<> stream(io::Exchange& exchange, Answer& answer, const Context& context);
  io::Task<> whole(io::Exchange& exchange, Answer& answer, const Context& context);
  // Until there is something to write or the answer is over.
  io::Task<> wait(Answer& answer, const Context& context);

  io::Task<> embeddings(io::Exchange& exchange, Context context);
  io::Task<> tokenize(io::Exchange& exchange, Context context);
  io::Task<> detokenize(io::Exchange& exchange, Context context);
  io::Task<> models(io::Exchange& exchange, Context context);
  io::Task<> health(io::Exchange& exchange, Context context);
  io::Task<> metrics(io::Exchange& exchange, Context context);
  io::Task<> strikes(io::Exchange& exchange, Context context);
  // Work on a preparing thread whose result is the answer's body.
  template <class F>
  io::Task<> respond_with(io::Exchange& exchange, Context context, F work);

  io::Loop& preparing_loop();

  engine::Engine& engine_;
  const engine::ChatFormat& format_;
  WorkerMetrics metrics_;
  Mailbox mailbox_;
  std::array<std::unique_ptr<io::Loop>, 2> preparing_;
  std::size_t next_preparing_ = 0;
  const std::string system_fingerprint_;
  std::unordered_set<std::uint64_t> alone_, refused_;
  std::size_t context_tokens_;
  std::int64_t loaded_at_;
  bool draining_ = false;
  int open_ = 0;
};

}  // namespace slipway::worker
