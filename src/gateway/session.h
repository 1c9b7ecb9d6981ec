// One request from its head to its log line.
//
// A Session lives in its handler's coroutine. Its Lane's sweep calls sweep() from outside while the coroutine
// waits: that is how deadlines, clients that left and silent streams are noticed without a timer a request.
//
// The rules of the relay: a request goes to another replica only while nothing of an answer has reached the
// client (comments do not count), within the deadline, the retry budget and max_attempts. After that a stream
// ends with an error event and without [DONE], a whole answer becomes an error. When the client leaves, the
// replica's connection is closed at once.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "codec/sse.h"
#include "codec/triton_generate.h"
#include "gateway/lane.h"

namespace slipway::gateway {

class Session {
 public:
  Session(Lane& lane, io::Exchange& exchange);
  ~Session();
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  io::Task<> run();
  void sweep(base::MonotonicTime now);

 private:
  friend class Lane;
  // What a replica said instead of an answer, kept in case nobody else takes the request.
  struct Refusal {
    int status = 0;
    std::string body;
    std::string retry_after;
    std::optional<base::ErrorCode> code;
  };
  using Upstream = std::unique_ptr<io::HttpResponse>;

  // session.cc: before a replica is asked.
  void read_head();
  base::Result<const domain::Key*> check_caller();
  base::Result<void> read_timeout();
  base::Result<void> prepare(std::string_view body);
  base::Result<void> find_model(std::string_view wanted);
  base::Result<void> translate();
  io::Task<> relay_call();

  // relay.cc: the replica's side.
  base::Result<void> choose();
  io::HttpRequest request_for(std::string_view body);
  io::Task<base::Result<Upstream>> ask();
  io::Task<bool> take_refusal(Upstream& upstream, Refusal& refusal);
  base::Error upstream_error(const base::Error& error, bool answered);
  io::Task<> stream(Upstream upstream);
  io::Task<base::Result<void>> pump(io::HttpResponse& upstream, codec::SseRelay& sse);
  void piece_sent(const codec::SseRelay& sse, std::uint64_t events_before, std::size_t bytes);
  io::Task<> whole(Upstream upstream);
  bool start_stream();

  // answer.cc: what the client gets.
  io::Task<> answer(int status, std::string_view type, std::string_view body,
                    std::string_view retry_after = {});
  io::Task<> refuse(base::Error error);
  io::Task<> relay_refusal(const Refusal& refusal);
  io::Task<> answer_models(const domain::Key* key);
  io::Task<> answer_ready();
  void release();
  void conclude(Outcome outcome, std::optional<base::ErrorCode> code = {});
  bool client_left() const { return gone_ || exchange_.client_gone(); }

  Lane& lane_;
  io::Exchange& exchange_;
  Session* next_ = nullptr;  // of the lane's list
  Session* previous_ = nullptr;

  PathMatch match_;
  std::string id_, trace_, trace_parent_;
  std::shared_ptr<const domain::KeySet> keys_;  // keep what the pointers below point to
  std::shared_ptr<const domain::Snapshot> snapshot_;
  const domain::Key* key_ = nullptr;
  const domain::Model* model_ = nullptr;
  const domain::Replica* replica_ = nullptr;

  codec::OpenAiRequest request_;
  std::string body_;                         // as it goes to the replica
  std::optional<codec::TritonCall> triton_;  // where the replica speaks that
  Admission admission_;
  Counted counted_, on_replica_;
  std::vector<std::uint32_t> tried_;
  io::SendCancel send_;
  io::HttpResponse* upstream_ = nullptr;

  base::MonotonicTime started_;
  base::MonotonicTime deadline_;
  base::MonotonicTime last_write_;
  std::optional<base::MonotonicTime> first_token_, last_token_;
  RequestFacts facts_;
  ModelSeries* series_ = nullptr;  // of a stream
  bool watched_ = false;           // on_client_gone is set
  bool gone_ = false;
  bool late_ = false;       // the deadline ended the wait
  bool waiting_ = false;    // for the replica: the coroutine itself writes nothing
  bool streaming_ = false;  // the client's 200 is written or buffered
  bool head_sent_ = false;  // it has left
  bool concluded_ = false;
};

// The server's handler.
io::Task<> serve(Lane& lane, io::Exchange& exchange);

}  // namespace slipway::gateway
