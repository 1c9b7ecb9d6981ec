#include "kube/start_phases.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/rfc3339.h"

namespace slipway::kube {
namespace {

using codec::field, codec::list, codec::number, codec::text;
using Time = std::optional<std::int64_t>;

Time time_of(const Json& object, std::string_view key) {
  return base::from_rfc3339(text(object, key));
}

// When a condition became true; nothing while it is not.
Time since(const Json& object, std::string_view type) {
  for (const Json& c : list(field(object, "status"), "conditions"))
    if (text(c, "type") == type && text(c, "status") == "True") return time_of(c, "lastTransitionTime");
  return {};
}

StartPhase between(Phase phase, std::int64_t start, std::int64_t end) {
  return {
      .phase = phase, .start = start, .seconds = static_cast<double>(std::max<std::int64_t>(0, end - start))};
}

// The last word after `before`, up to a blank.
std::string_view word_after(std::string_view words, std::string_view before) {
  const std::size_t at = words.rfind(before);
  if (at == std::string_view::npos) return {};
  words.remove_prefix(at + before.size());
  return words.substr(0, words.find(' '));
}

// One replica, phase after phase.
class Timeline {
 public:
  explicit Timeline(const ReplicaStart& replica)
      : replica_(replica), status_(field(replica.pod, "status")), meta_(field(replica.pod, "metadata")) {}
  std::vector<StartPhase> phases();

 private:
  std::int64_t node(std::int64_t made, std::int64_t scheduled);
  void images(std::int64_t scheduled);
  void prepared();
  void server(std::int64_t made);
  // Started containers of one kind, in the order of their starts; nothing when one of them never was.
  std::optional<std::vector<Json>> runs(const char* statuses, const char* containers) const;

  const ReplicaStart& replica_;
  const Json &status_, &meta_;
  std::vector<StartPhase> out_;
};

// The state or the last end of each, with when it started.
std::optional<std::vector<Json>> Timeline::runs(const char* statuses, const char* containers) const {
  std::vector<Json> out;
  for (const Json& c : list(status_, statuses)) {
    const Json& state = field(c, "state");
    const Json& now =
        field(state, "running").is_object() ? field(state, "running") : field(state, "terminated");
    if (!time_of(now, "startedAt")) return {};
    Json run = now;
    run["name"] = text(c, "name");
    run["restarts"] = number(c, "restartCount");
    out.push_back(std::move(run));
  }
  if (out.size() != list(field(replica_.pod, "spec"), containers).size()) return {};
  std::ranges::sort(out, {}, [](const Json& run) { return *time_of(run, "startedAt"); });
  return out;
}

// A node that is younger than the pod was launched for it, or at least while it waited. When the pod could go
// on.
std::int64_t Timeline::node(std::int64_t made, std::int64_t scheduled) {
  const Json& meta = field(replica_.node, "metadata");
  const Time born = time_of(meta, "creationTimestamp");
  if (!born || *born < made) return made;
  Time there = since(replica_.claim, "Initialized");
  if (!there) there = since(replica_.node, "Ready");
  if (!there) return made;
  StartPhase phase = between(Phase::node_launched, made, std::min(*there, scheduled));
  phase.detail = text(field(meta, "labels"), "node.kubernetes.io/instance-type");
  if (phase.detail.empty()) phase.detail = text(meta, "name");
  out_.push_back(std::move(phase));
  return std::min(*there, scheduled);
}

// 'Successfully pulled image "x" in 1.2s (1.5s including waiting). Image size: 123 bytes.', or that it was
// there. The kubelet turns to images when volumes and network are ready, and says so nowhere else in time.
void Timeline::images(std::int64_t scheduled) {
  StartPhase phase{.phase = Phase::image_pulled, .detail = "was on the node"};
  Time first;
  for (const Json& event : replica_.events) {
    const Json& about = field(event, "involvedObject");
    if (text(event, "reason") != "Pulled" || text(about, "kind") != "Pod" ||
        text(about, "uid") != text(meta_, "uid"))
      continue;
    const std::string words = text(event, "message");
    const double seconds = go_seconds(word_after(words, "\" in "));
    const Time end = time_of(event, "firstTimestamp");
    if (!end) continue;
    const std::int64_t start = *end - static_cast<std::int64_t>(std::max(0.0, seconds));
    first = std::min(first.value_or(start), start);
    if (seconds < 0) continue;
    phase.detail.clear();
    phase.seconds += seconds;
    std::uint64_t bytes = 0;
    const std::string_view size = word_after(words, "Image size: ");
    std::from_chars(size.data(), size.data() + size.size(), bytes);
    phase.bytes += bytes;
  }
  if (!first) return;
  phase.start = *first;
  out_.push_back(between(Phase::set_up, scheduled, *first));
  out_.push_back(std::move(phase));
}

void Timeline::prepared() {
  const auto ran = runs("initContainerStatuses", "initContainers");
  if (!ran || ran->empty() || !since(replica_.pod, "Initialized")) return;
  StartPhase phase{.phase = Phase::prepared, .start = *time_of(ran->front(), "startedAt")};
  std::vector<std::string> names;
  for (const Json& run : *ran) {
    const Time end = time_of(run, "finishedAt");
    if (!end) continue;  // such a one stays beside the others
    names.push_back(text(run, "name"));
    phase.seconds += between(Phase::prepared, *time_of(run, "startedAt"), *end).seconds;
  }
  phase.detail = fmt::format("{}", fmt::join(names, ", "));
  if (!names.empty()) out_.push_back(std::move(phase));
}

void Timeline::server(std::int64_t made) {
  const Time ready = since(replica_.pod, "Ready");
  const auto ran = runs("containerStatuses", "containers");
  if (!ready || !ran || ran->empty()) return;
  StartPhase loaded = between(Phase::loaded, *time_of(ran->back(), "startedAt"), *ready);
  const double restarts = number(ran->back(), "restarts");
  if (restarts > 0) loaded.detail = fmt::format("after {:.0f} restart{}", restarts, restarts == 1 ? "" : "s");
  out_.push_back(std::move(loaded));
  out_.push_back(between(Phase::ready, made, *ready));
}

std::vector<StartPhase> Timeline::phases() {
  const Time made = time_of(meta_, "creationTimestamp"), scheduled = since(replica_.pod, "PodScheduled");
  if (!made || !scheduled) return {};
  out_.push_back(between(Phase::scheduled, node(*made, *scheduled), *scheduled));
  const auto started = runs("containerStatuses", "containers");
  if (started && !started->empty()) images(*scheduled);
  prepared();
  server(*made);
  return std::move(out_);
}

}  // namespace

std::string_view to_string(Phase phase) {
  switch (phase) {
    case Phase::node_launched:
      return "node_launched";
    case Phase::scheduled:
      return "scheduled";
    case Phase::set_up:
      return "set_up";
    case Phase::image_pulled:
      return "image_pulled";
    case Phase::prepared:
      return "prepared";
    case Phase::loaded:
      return "loaded";
    case Phase::ready:
      return "ready";
  }
  return "";
}

double go_seconds(std::string_view text) {
  struct Unit {
    std::string_view name;
    double seconds;
  };
  // Two signs look like micro.
  constexpr Unit kUnits[] = {{"h", 3600},  {"m", 60},         {"s", 1},          {"ms", 1e-3},
                             {"us", 1e-6}, {"\u00b5s", 1e-6}, {"\u03bcs", 1e-6}, {"ns", 1e-9}};
  if (text.empty()) return -1;
  double total = 0;
  while (!text.empty()) {
    double value = 0;
    const auto [end, failed] =
        std::from_chars(text.data(), text.data() + text.size(), value, std::chars_format::fixed);
    if (failed != std::errc() || value < 0) return -1;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    const std::size_t size = std::min(text.find_first_of("0123456789"), text.size());
    const auto* const unit = std::ranges::find(kUnits, text.substr(0, size), &Unit::name);
    if (unit == std::end(kUnits)) return -1;
    total += value * unit->seconds;
    text.remove_prefix(size);
  }
  return total;
}

bool holds(const Json& object, std::string_view condition) {
  return std::ranges::any_of(list(field(object, "status"), "conditions"), [&](const Json& c) {
    return text(c, "type") == condition && text(c, "status") == "True";
  });
}

std::vector<StartPhase> phases_of(const ReplicaStart& replica) {
  return Timeline(replica).phases();
}

std::vector<StartPhase> slowest(std::span<const std::vector<StartPhase>> replicas) {
  std::vector<StartPhase> out;
  for (const auto& replica : replicas)
    for (const StartPhase& phase : replica) {
      const auto known = std::ranges::find(out, phase.phase, &StartPhase::phase);
      if (known == out.end()) {
        out.push_back(phase);
        continue;
      }
      const std::size_t through = known->replicas + phase.replicas;
      if (phase.seconds > known->seconds) *known = phase;
      known->replicas = through;
    }
  std::ranges::sort(out, {}, &StartPhase::phase);
  return out;
}

}  // namespace slipway::kube
