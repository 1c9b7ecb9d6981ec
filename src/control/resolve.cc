#include "control/resolve.h"

#include <fmt/format.h>

#include <algorithm>
#include <array>

namespace slipway::control {
namespace {

using base::Error, base::ErrorCode, base::Result;

bool is_source(std::string_view model) {
  return std::ranges::any_of(std::array<std::string_view, 5>{"hf:", "https://", "http://", "file:", "pypi:"},
                             [model](std::string_view scheme) { return model.starts_with(scheme); });
}

domain::ModelFile file_of_source(const std::string& source) {
  domain::ModelFile file;
  file.name = source.substr(source.find_last_of("/:") + 1);
  file.source = source;
  return file;
}

Result<void> choose(Resolved& r, policy::Hardware hardware, std::span<const domain::Gpu> gpus) {
  if (r.spec.accelerator == domain::Accelerator::gpu && !gpus.empty()) {
    hardware.features.emplace(policy::kOnGpu);
    hardware.free_bytes = std::ranges::max(gpus, {}, &domain::Gpu::free_bytes).free_bytes;
  }
  SLIPWAY_TRY(const policy::FileChoice choice,
              policy::choose_file(*r.entry, hardware, r.parameters.quantization));
  r.file = r.entry->files[choice.index];
  r.notes.push_back(fmt::format("{}: {}", r.file.name, choice.reason));
  if (r.file.sha256.empty())
    r.notes.push_back(fmt::format(
        "the digest of {} is not known beforehand; it is recorded at the first download", r.file.name));
  return {};
}

Result<domain::ModelSpec> spec_of(const Asked& asked, const codec::Catalog& catalog) {
  if (!asked.values.empty()) return codec::parse_values({asked.source, asked.values});
  SLIPWAY_TRY(const domain::CatalogEntry* entry, catalog.get(asked.name));
  return codec::spec_of(*entry);
}

void add_alias(Resolved& r, const std::string& alias) {
  if (!alias.empty() && alias != r.spec.service_name &&
      std::ranges::find(r.aliases, alias) == r.aliases.end())
    r.aliases.push_back(alias);
}

policy::FitWish wish_of(const codec::LocalParameters& p) {
  policy::FitWish wish;
  wish.context_tokens = p.context_tokens;
  wish.parallel = p.parallel;
  wish.batch_tokens = p.batch_tokens;
  wish.kv_type = p.kv_type;
  wish.shares_prefixes = p.prefix_caching.value_or(false);
  return wish;
}

policy::ModelShape shape_of(const Resolved& r, const codec::GgufInfo& info) {
  policy::ModelShape shape;
  shape.name = r.spec.service_name;
  shape.task = codec::task_of(info);
  shape.weight_bytes = info.tensor_bytes;
  shape.kv_bytes_per_token = codec::kv_bytes_per_token(info, domain::KvType::f16);
  shape.trained_context = static_cast<int>(info.context_length);
  shape.embedding_length = info.embedding_length;
  shape.vocabulary = info.vocabulary;
  return shape;
}

// Where each replica computes and what it may take there.
struct Seat {
  policy::Placement placement;
  policy::Room room;
};
std::vector<Seat> seats(const Resolved& r, const Ground& ground) {
  std::vector<Seat> out;
  if (r.spec.accelerator == domain::Accelerator::gpu && !ground.gpus.empty()) {
    std::vector<std::uint64_t> free;
    for (const domain::Gpu& gpu : ground.gpus) free.push_back(gpu.free_bytes);
    const int threads = std::clamp(static_cast<int>(ground.processors.size()), 1, policy::kGpuThreads);
    for (const policy::GpuSeat& seat : policy::seat_on_gpus(free, r.spec.replicas)) {
      const domain::Gpu& gpu = ground.gpus[seat.gpu];
      out.push_back({{{}, threads, false, fmt::format("on {} ({})", gpu.name, gpu.description)},
                     {seat.bytes, threads, gpu.name}});
    }
    return out;
  }
  for (policy::Placement& p : policy::place(ground.processors, ground.running, r.spec.replicas)) {
    const policy::Room room{ground.free_bytes / static_cast<std::uint64_t>(r.spec.replicas), p.threads};
    out.push_back({std::move(p), room});
  }
  return out;
}

}  // namespace

Result<Resolved> resolve(const Asked& asked, const codec::Catalog& catalog, const policy::Hardware& hardware,
                         std::span<const domain::Gpu> gpus) {
  const codec::Source source{asked.source, asked.values};
  Resolved r;
  SLIPWAY_TRY(r.spec, spec_of(asked, catalog));
  if (r.spec.service_name.empty()) r.spec.service_name = codec::service_name_of(r.spec.model);
  if (asked.replicas) r.spec.replicas = *asked.replicas;
  if (r.spec.replicas < 1 || r.spec.replicas > static_cast<int>(domain::kMaxReplicas))
    return Error(ErrorCode::bad_value,
                 fmt::format("{} replicas of {}: between 1 and {} are possible", r.spec.replicas,
                             r.spec.service_name, domain::kMaxReplicas));
  if (asked.values.empty() && !gpus.empty()) r.spec.accelerator = domain::Accelerator::gpu;
  SLIPWAY_TRY(r.notes, codec::check_local(r.spec, static_cast<int>(gpus.size())));
  SLIPWAY_TRY(r.parameters, codec::local_parameters(r.spec, source));
  r.notes.insert(r.notes.end(), r.parameters.warnings.begin(), r.parameters.warnings.end());

  if (is_source(r.spec.model)) {
    r.file = file_of_source(r.spec.model);
  } else {
    SLIPWAY_TRY(const domain::CatalogEntry* entry, catalog.get(r.spec.model));
    r.entry = *entry;
    SLIPWAY_RETURN_IF_ERROR(choose(r, hardware, gpus));
    add_alias(r, entry->model);
    add_alias(r, entry->name);
    for (const std::string& alias : entry->aliases) add_alias(r, alias);
  }
  add_alias(r, r.spec.model);
  for (const std::string& alias : r.parameters.aliases) add_alias(r, alias);
  return r;
}

Result<void> check_before_download(const Resolved& r, const Ground& ground) {
  if (!r.entry || r.file.bytes == 0) return {};
  for (const Seat& seat : seats(r, ground))
    SLIPWAY_RETURN_IF_ERROR(
        policy::fit(policy::shape_of(*r.entry, r.file), seat.room, wish_of(r.parameters)));
  return {};
}

Result<std::vector<ReplicaPlan>> plan_replicas(const Resolved& r, const std::string& path,
                                               const std::string& sha256, const codec::GgufInfo& info,
                                               const Ground& ground) {
  const policy::ModelShape shape = shape_of(r, info);
  std::vector<ReplicaPlan> plans;
  for (const auto& [placement, room] : seats(r, ground)) {
    SLIPWAY_TRY(const policy::Fit fit, policy::fit(shape, room, wish_of(r.parameters)));
    ReplicaPlan plan;
    plan.placement = placement;
    plan.need_bytes = room.gpu.empty() ? fit.need.total() : policy::kProcessBytes;
    plan.gpu_bytes = room.gpu.empty() ? 0 : fit.need.total();
    plan.load.device = room.gpu.empty() ? "cpu" : room.gpu;
    plan.load.path = path;
    plan.load.sha256 = sha256;
    plan.load.model_id = r.spec.service_name;
    plan.load.task = r.entry ? r.entry->task : shape.task;
    policy::apply(fit, plan.load);
    plan.load.threads = placement.threads;
    plan.load.processors = placement.processors;
    if (!placement.reason.empty()) plan.load.reasons.push_back(placement.reason);
    plans.push_back(std::move(plan));
  }
  return plans;
}

}  // namespace slipway::control
