// Which processors, or which GPU, each replica computes on.
//
// Engine threads spin between graph nodes; two spinning threads on one core each halve the other, and the
// slowest thread sets the pace of a step. So replicas get disjoint sets of whole cores (all hyperthreads of a
// core go to one replica, one thread a core), cut along memory nodes where the numbers allow. A running
// replica keeps its set. When no core is left, a new replica shares the set of the least burdened replica
// with fewer threads and without spinning, and says so.
//
// A replica on a GPU is bound to no processor: kGpuThreads threads look embeddings up and launch kernels.
// Several replicas on one GPU share its free memory evenly.
//
// Pure, deterministic: ties break by processor number and by the order of the GPUs.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

namespace slipway::policy {

inline constexpr int kSpareCoreFrom =
    8;                                  // from this many cores on, one is left to the gateway and the system
inline constexpr int kMaxThreads = 64;  // more threads than this synchronise longer than they compute
inline constexpr int kGpuThreads = 4;

struct Processor {
  int id = 0;    // the operating system's number
  int core = 0;  // hyperthreads of one core share this
  int node = 0;  // memory node
  auto operator<=>(const Processor&) const = default;
};

struct Placement {
  std::vector<int> processors;  // ascending; what the replica's threads are bound to
  int threads = 1;
  bool shared = false;  // other replicas compute on some of these processors: do not spin
  std::string reason;
};

// Places `count` new replicas beside the `running` ones. `processors`: those this process may use, in any
// order; at least one.
std::vector<Placement> place(std::span<const Processor> processors, std::span<const Placement> running,
                             int count);

struct GpuSeat {
  std::size_t gpu = 0;      // index into `free_bytes`
  std::uint64_t bytes = 0;  // that this replica may take there
};
// Each of `count` new replicas goes where one more leaves the most for each. `free_bytes`: of each GPU, at
// least one.
std::vector<GpuSeat> seat_on_gpus(std::span<const std::uint64_t> free_bytes, int count);

}  // namespace slipway::policy
