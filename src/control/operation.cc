#include "control/operation.h"

#include <algorithm>

namespace slipway::control {
namespace {

std::string dump(const nlohmann::json& json) {
  return json.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
}

}  // namespace

nlohmann::json error_json(const base::Error& error) {
  return {{"code", base::code_name(error.code())},
          {"symbol", base::info(error.code()).symbol},
          {"message", error.message()},
          {"detail", error.detail()},
          {"next", error.next_step()}};
}

void Operation::progress(const Progress& p, base::MonotonicTime now) {
  std::string key = p.phase + " " + p.subject;
  const auto last = progressed_.find(key);
  const bool complete = p.total > 0 && p.done >= p.total;
  if (last != progressed_.end() && now - last->second < kProgressPeriod && !complete) return;
  progressed_[key] = now;
  std::erase_if(events_, [&key](const Event& e) { return e.key == key; });
  push("progress",
       dump({{"phase", p.phase},
             {"subject", p.subject},
             {"done", p.done},
             {"total", p.total},
             {"unit", p.unit},
             {"message", p.message}}),
       std::move(key));
}

void Operation::note(std::string_view message) {
  push("note", dump({{"message", message}}));
}

void Operation::finish(nlohmann::json result) {
  result_ = std::move(result);
  over_ = true;
  push("result", dump(result_));
}

void Operation::fail(base::Error error) {
  error_ = std::move(error);
  over_ = true;
  push("error", dump({{"error", error_json(*error_)}}));
}

void Operation::push(std::string name, std::string data, std::string key) {
  events_.push_back({++last_, std::move(name), std::move(data), std::move(key)});
  trim();
  changed_.notify();
}

void Operation::trim() {
  const auto drop_oldest = [this](bool progress, std::size_t limit) {
    const auto is_kind = [progress](const Event& e) { return progress == !e.key.empty(); };
    if (static_cast<std::size_t>(std::ranges::count_if(events_, is_kind)) <= limit) return;
    const auto oldest = std::ranges::find_if(events_, is_kind);
    progressed_.erase(oldest->key);
    events_.erase(oldest);
  };
  drop_oldest(false, kMaxNotes);
  drop_oldest(true, kMaxProgress);
}

io::Task<std::optional<Operation::Event>> Operation::next(std::shared_ptr<Operation> self,
                                                          std::uint64_t& seen) {
  for (;;) {
    const auto found =
        std::ranges::find_if(self->events_, [&seen](const Event& e) { return e.number > seen; });
    if (found != self->events_.end()) {
      seen = found->number;
      co_return *found;
    }
    if (self->over_) co_return std::nullopt;
    co_await self->changed_.wait();
  }
}

io::Task<> Operation::wait_until_over(std::shared_ptr<Operation> self) {
  while (!self->over_) co_await self->changed_.wait();
}

}  // namespace slipway::control
