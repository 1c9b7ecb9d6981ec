// What is said about each request when it is over: metric series and one log line. One Observer a thread; its
// handles are looked up once (a look-up takes the registry's lock, which no request pays twice).
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>

#include "base/error.h"
#include "base/time.h"
#include "codec/sse.h"
#include "gateway/paths.h"
#include "telemetry/metrics.h"

namespace slipway::gateway {

enum class Outcome { ok, refused, failed, cancelled };

// Everything known of one request at its end.
struct RequestFacts {
  Path path = Path::other;
  std::string_view model;  // the deployed model's id; empty when none was found
  std::string_view replica;
  std::string_view request_id;
  std::string_view trace_id;
  std::string_view key_id;
  int status = 0;  // 0: the client left before an answer
  Outcome outcome = Outcome::ok;
  std::optional<base::ErrorCode> code;
  int attempts = 0;
  bool stream = false;
  std::optional<codec::Usage> usage;
  std::uint64_t events = 0;
  std::uint64_t bytes_in = 0, bytes_out = 0;
  base::Duration duration{};
  std::optional<base::Duration> first_token;
  std::optional<base::Duration> per_token;
};

// The series of one model, found once a thread.
struct ModelSeries {
  telemetry::Histogram* duration[kPathCount] = {};
  telemetry::Histogram* first_token = nullptr;
  telemetry::Histogram* per_token = nullptr;
  telemetry::Histogram* inter_token = nullptr;
  telemetry::Histogram* input = nullptr;
  telemetry::Histogram* output = nullptr;
  telemetry::Counter* tokens_in = nullptr;
  telemetry::Counter* tokens_out = nullptr;
  telemetry::Counter* prefix_queried = nullptr;
  telemetry::Counter* prefix_hit = nullptr;
  telemetry::Counter* ok = nullptr;
  telemetry::Counter* events = nullptr;
};

class Observer {
 public:
  Observer(telemetry::Registry& registry, std::function<void(std::string_view)> log_sink);
  ~Observer() { flush(); }

  void finished(const RequestFacts& facts);
  ModelSeries& series(std::string_view model);
  void retried(std::string_view model);
  void upstream_failed(std::string_view model, base::ErrorCode code);
  void limited(std::string_view limit);
  void flush();  // log lines to the sink

  telemetry::Histogram& overhead;
  telemetry::Histogram& route_seconds;
  telemetry::Counter& comments;
  telemetry::Gauge& streams;
  telemetry::Gauge& connections;
  telemetry::Counter& refused_connections;
  telemetry::Counter& bad_requests;

 private:
  static constexpr std::size_t kFlushBytes = 16 * 1024;  // small: a flush delays what waits behind it
  void count(const RequestFacts& facts);
  void write_line(const RequestFacts& facts);

  telemetry::Registry& registry_;
  std::function<void(std::string_view)> log_sink_;
  std::string lines_;
  std::unordered_map<std::string, std::unique_ptr<ModelSeries>> models_;  // deployed ids only, so bounded
  std::unordered_map<std::uint32_t, telemetry::Counter*> http_;           // path * 1000 + status
};

std::string_view name(Outcome outcome);

}  // namespace slipway::gateway
