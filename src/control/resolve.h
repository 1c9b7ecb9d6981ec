// From what a person asked for to what will run: values -> model -> file -> how it is loaded.
//
// Pure apart from its inputs: the catalogue, the hardware and the file's header are arguments, so that
// `--dry-run` and tests decide exactly as a deploy does. Every decision leaves a sentence in `notes` or in
// LoadPlan::reasons.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/catalog.h"
#include "codec/gguf.h"
#include "codec/values.h"
#include "domain/gpu.h"
#include "domain/model.h"
#include "domain/replica.h"
#include "policy/choose.h"
#include "policy/fit.h"
#include "policy/place.h"

namespace slipway::control {

// What somebody asked for, as it is stored. Exactly one of `values` (the text of a values file) and `name`
// (of the catalogue) is set.
struct Asked {
  std::string values;
  std::string source;  // the file's path, or "catalogue"; for people
  std::string name;
  std::optional<int> replicas;
  bool operator==(const Asked&) const = default;
};

struct Resolved {
  domain::ModelSpec spec;
  codec::LocalParameters parameters;
  std::optional<domain::CatalogEntry> entry;  // unset when the values name a file by its source
  domain::ModelFile file;
  std::vector<std::string> aliases;
  std::vector<std::string> notes;
};
// `gpus`: those the worker can compute on. A model deployed by its name uses one where there is one.
base::Result<Resolved> resolve(const Asked& asked, const codec::Catalog& catalog,
                               const policy::Hardware& hardware, std::span<const domain::Gpu> gpus = {});

// The machine as the decisions see it.
struct Ground {
  policy::Hardware hardware;
  std::vector<policy::Processor> processors;
  std::vector<policy::Placement> running;  // of replicas that stay
  std::uint64_t free_bytes = 0;            // less what starting replicas will still take
  std::vector<domain::Gpu> gpus;           // free_bytes less what our replicas there take
};

struct ReplicaPlan {
  domain::LoadPlan load;
  policy::Placement placement;
  std::uint64_t need_bytes = 0;  // of the machine's memory
  std::uint64_t gpu_bytes = 0;   // of the memory of load.device
};

// From the catalogue, before the file is here: refuses what cannot fit without a download. No result for
// unknown sizes.
base::Result<void> check_before_download(const Resolved& resolved, const Ground& ground);

// `path`, `sha256`: the file here; `info`: its header. One plan a replica.
base::Result<std::vector<ReplicaPlan>> plan_replicas(const Resolved& resolved, const std::string& path,
                                                     const std::string& sha256, const codec::GgufInfo& info,
                                                     const Ground& ground);

}  // namespace slipway::control
