#include "policy/place.h"

#include <fmt/format.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/check.h"

namespace slipway::policy {
namespace {

// A physical core with its hyperthreads.
struct Core {
  int node = 0;
  int core = 0;
  std::vector<int> processors;
};

// Ordered by memory node, then core, so that a run of neighbours stays on one node where it can.
std::vector<Core> cores_of(std::span<const Processor> processors) {
  std::map<std::pair<int, int>, Core> by_place;
  for (const Processor& p : processors) {
    Core& core = by_place[{p.node, p.core}];
    core.node = p.node;
    core.core = p.core;
    core.processors.push_back(p.id);
  }
  std::vector<Core> out;
  for (auto& [place, core] : by_place) {
    std::ranges::sort(core.processors);
    out.push_back(std::move(core));
  }
  return out;
}

std::vector<Core> free_cores(const std::vector<Core>& all, std::span<const Placement> running) {
  std::set<int> taken;
  for (const Placement& p : running) taken.insert(p.processors.begin(), p.processors.end());
  std::vector<Core> out;
  for (const Core& core : all)
    if (std::ranges::none_of(core.processors, [&](int id) { return taken.contains(id); }))
      out.push_back(core);
  return out;
}

Placement on_cores(std::span<const Core> cores) {
  Placement out;
  for (const Core& core : cores)
    out.processors.insert(out.processors.end(), core.processors.begin(), core.processors.end());
  std::ranges::sort(out.processors);
  out.threads = std::clamp(static_cast<int>(cores.size()), 1, kMaxThreads);
  const bool one_node =
      std::ranges::all_of(cores, [&](const Core& c) { return c.node == cores.front().node; });
  out.reason = fmt::format("{} of its own {}{}", cores.size(), cores.size() == 1 ? "core" : "cores",
                           one_node ? "" : ", over several memory nodes");
  return out;
}

// Cuts `cores` into `count` runs whose lengths differ by at most one.
std::vector<Placement> cut(std::span<const Core> cores, std::size_t count) {
  std::vector<Placement> out;
  for (std::size_t left = count; left > 0; --left) {
    const std::size_t length = (cores.size() + left - 1) / left;
    out.push_back(on_cores(cores.first(length)));
    cores = cores.subspan(length);
  }
  return out;
}

// One more replica on the set that serves the fewest replicas a core.
Placement share(const std::vector<Core>& all, std::span<const Placement> others) {
  std::map<std::vector<int>, int> users;
  for (const Placement& p : others) ++users[p.processors];
  if (users.empty()) return on_cores(all);
  const auto least = std::ranges::min_element(users, [](const auto& a, const auto& b) {
    return static_cast<std::size_t>(a.second) * b.first.size() <
           static_cast<std::size_t>(b.second) * a.first.size();
  });
  Placement out;
  out.processors = least->first;
  const auto cores = std::ranges::count_if(
      all, [&](const Core& c) { return std::ranges::binary_search(out.processors, c.processors.front()); });
  out.threads = std::clamp(static_cast<int>(cores) / (least->second + 1), 1, kMaxThreads);
  out.shared = true;
  out.reason = fmt::format(
      "no core is left: shares {} {} with {} other {}, computing with {} {} without spinning", cores,
      cores == 1 ? "core" : "cores", least->second, least->second == 1 ? "replica" : "replicas", out.threads,
      out.threads == 1 ? "thread" : "threads");
  return out;
}

}  // namespace

std::vector<Placement> place(std::span<const Processor> processors, std::span<const Placement> running,
                             int count) {
  SLIPWAY_CHECK(!processors.empty() && count >= 0);
  std::vector<Core> all = cores_of(processors);
  if (static_cast<int>(all.size()) >= kSpareCoreFrom) all.pop_back();
  const std::vector<Core> unused = free_cores(all, running);
  const std::size_t alone = std::min(static_cast<std::size_t>(count), unused.size());
  std::vector<Placement> placed = alone > 0 ? cut(unused, alone) : std::vector<Placement>{};
  std::vector<Placement> everyone(running.begin(), running.end());
  everyone.insert(everyone.end(), placed.begin(), placed.end());
  while (static_cast<int>(placed.size()) < count) {
    placed.push_back(share(all, everyone));
    everyone.push_back(placed.back());
  }
  return placed;
}

std::vector<GpuSeat> seat_on_gpus(std::span<const std::uint64_t> free_bytes, int count) {
  SLIPWAY_CHECK(!free_bytes.empty() && count >= 0);
  std::vector<std::uint64_t> seated(free_bytes.size(), 0);
  std::vector<GpuSeat> seats(static_cast<std::size_t>(count));
  for (GpuSeat& seat : seats) {
    for (std::size_t i = 1; i < free_bytes.size(); ++i)
      if (free_bytes[i] / (seated[i] + 1) > free_bytes[seat.gpu] / (seated[seat.gpu] + 1)) seat.gpu = i;
    ++seated[seat.gpu];
  }
  for (GpuSeat& seat : seats) seat.bytes = free_bytes[seat.gpu] / seated[seat.gpu];
  return seats;
}

}  // namespace slipway::policy
