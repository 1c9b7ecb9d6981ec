#include "cli/start_view.h"

#include <fmt/format.h>

#include "base/time.h"

namespace slipway::cli {
namespace {

using kube::Phase, kube::StartPhase;

// The API's times are whole seconds; a fraction is the kubelet's or ours.
std::string duration(double seconds) {
  if (seconds == 0) return "under 1 s";
  if (seconds < 60 && seconds == static_cast<double>(static_cast<int>(seconds)))
    return fmt::format("{:.0f} s", seconds);
  return base::human_duration(
      std::chrono::duration_cast<base::Duration>(std::chrono::duration<double>(seconds)));
}

std::string words(const StartPhase& p) {
  switch (p.phase) {
    case Phase::node_launched:
      return "node launched ";
    case Phase::scheduled:
      return "scheduled ";
    case Phase::set_up:
      return "volumes and network ready ";
    case Phase::image_pulled:
      return "image pulled ";
    case Phase::prepared:
      return "prepared ";
    case Phase::loaded:
      return "weights loaded and warmed up ";
    case Phase::ready:
      return "ready after ";
  }
  return {};
}

}  // namespace

std::string phase_line(const StartPhase& phase, std::size_t replicas) {
  const bool pulled_nothing = phase.phase == Phase::image_pulled && !phase.detail.empty();
  std::string line = pulled_nothing ? "image " + phase.detail : words(phase) + duration(phase.seconds);
  std::string more = pulled_nothing ? "" : phase.detail;
  if (phase.bytes > 0) more = base::human_bytes(phase.bytes);
  if (!more.empty()) line += fmt::format(" ({})", more);
  if (replicas > 1)
    line += phase.seconds == 0 ? fmt::format(", {} of {} replicas", phase.replicas, replicas)
                               : fmt::format(", the slowest of {} replicas", replicas);
  return line;
}

Json phases_json(std::span<const StartPhase> phases) {
  Json out = Json::array();
  for (const StartPhase& p : phases)
    out.push_back({{"phase", to_string(p.phase)},
                   {"start", base::to_rfc3339(base::WallTime(std::chrono::seconds(p.start)))},
                   {"seconds", p.seconds},
                   {"replicas", p.replicas},
                   {"bytes", p.bytes > 0 ? Json(p.bytes) : Json()},
                   {"detail", p.detail.empty() ? Json() : Json(p.detail)}});
  return out;
}

std::string first_answer_line(const FirstAnswer& answer) {
  return answer.gives == codec::Gives::health
             ? fmt::format("its health was asked: well, after {}", duration(answer.seconds))
             : fmt::format("first {} after {}", to_string(answer.gives), duration(answer.seconds));
}

}  // namespace slipway::cli
