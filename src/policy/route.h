// Which replica answers a request.
//
// A RoutePolicy is a value: a pure function from what is known (the model's replicas, how many requests are
// on their way to each, which were tried already, the prompt's hash) to a choice with its reason.
// least_loaded looks at load only; prefix and cost routing are further functions of this type and further
// facts in the query. Threads: none. Allocation: none. Cost: one pass over the model's replicas.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>

#include "domain/replica.h"

namespace slipway::policy {

struct RouteQuery {
  const domain::Model* model = nullptr;
  std::span<const std::uint32_t> in_flight;  // parallel to model->replicas
  std::span<const std::uint32_t> tried;      // slots that failed this request; never chosen again
  std::uint64_t prompt_hash = 0;             // of the canonical prompt; 0 when there is none
  std::uint64_t prompt_bytes = 0;
};

enum class RouteReason {
  least_loaded,  // the smallest share of its parallelism is busy; equal shares go to the smaller id
  only_one,      // nobody else is ready and untried
  none_ready,    // the model has no ready replica
  all_tried,     // every ready replica failed this request
};
std::string_view name(RouteReason reason);

struct Route {
  std::optional<std::size_t> replica;  // index into model->replicas
  RouteReason reason = RouteReason::none_ready;
  std::uint32_t in_flight = 0;  // of the chosen one, before this request
  std::uint32_t ready = 0;      // replicas that could have been chosen
};

using RoutePolicy = Route (*)(const RouteQuery&);

Route least_loaded(const RouteQuery& query);

// "chat-7xk2p: least loaded of 3 ready replicas (2 requests on their way)"
std::string explain(const Route& route, const domain::Model& model);

// Retries may add at most a fifth to the load, however many replicas fail: every request earns a fifth of a
// retry, and a quiet gateway keeps a small stock. A value, one a thread.
class RetryBudget {
 public:
  static constexpr double kShare = 0.2;
  static constexpr double kStock = 16;
  void earn() { credit_ = credit_ + kShare > kStock ? kStock : credit_ + kShare; }
  bool spend() {
    if (credit_ < 1) return false;
    credit_ -= 1;
    return true;
  }

 private:
  double credit_ = kStock;
};

}  // namespace slipway::policy
