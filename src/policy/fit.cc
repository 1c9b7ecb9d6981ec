#include "policy/fit.h"

#include <fmt/format.h>

#include <algorithm>

#include "base/time.h"

namespace slipway::policy {
namespace {

using base::Error, base::ErrorCode, base::human_bytes;
using domain::KvLayout;

constexpr int kAssumedContext = 4'096;
constexpr std::uint32_t kAssumedVocabulary = 128'000;
constexpr int kMicroBatch = 512;  // rows that llama.cpp computes at once (n_ubatch)
constexpr std::uint64_t kActivations =
    16;  // rows of embedding width alive at once in the widest layer, an upper guess
constexpr std::uint64_t kQ8Bytes = 34, kQ8Elements = 32;

int round_down(std::int64_t tokens) {
  return static_cast<int>(std::min<std::int64_t>(tokens, 1 << 30) / kContextStep * kContextStep);
}

std::string count(std::int64_t n) {
  std::string s = std::to_string(n);
  for (auto i = static_cast<int>(s.size()) - 3; i > 0; i -= 3) s.insert(static_cast<std::size_t>(i), ",");
  return s;
}

int trained(const ModelShape& m) {
  return m.trained_context > 0 ? m.trained_context : kAssumedContext;
}

std::string on_gpu(const Room& room) {
  return room.gpu.empty() ? "" : " on " + room.gpu;
}

std::uint64_t budget(const Room& room) {
  return room.free_bytes - room.free_bytes / 100 * kFreeMarginPercent;
}

// One candidate answer, weighed against the memory.
class Plan {
 public:
  Plan(const ModelShape& model, const Room& room, const FitWish& wish)
      : model_(model), room_(room), wish_(wish) {}

  Need need(int parallel, std::int64_t kv_tokens) const {
    return {.weights = model_.weight_bytes,
            .kv = kv_bytes(model_.kv_bytes_per_token, wish_.kv_type, kv_tokens),
            .working = working_bytes(model_, parallel, !room_.gpu.empty())};
  }
  bool fits(const Need& need) const { return need.total() <= budget(room_); }

  // KV cells that memory has room for beside the weights.
  std::int64_t cells(int parallel) const {
    const Need base = need(parallel, 0);
    if (!fits(base)) return 0;
    const std::uint64_t each =
        std::max<std::uint64_t>(1, kv_bytes(model_.kv_bytes_per_token, wish_.kv_type, kContextStep));
    return static_cast<std::int64_t>(
               std::min<std::uint64_t>((budget(room_) - base.total()) / each, 1u << 22)) *
           kContextStep;
  }

 private:
  const ModelShape& model_;
  const Room& room_;
  const FitWish& wish_;
};

struct Layout {
  KvLayout layout = KvLayout::unified;
  std::string reason;
};

Layout choose_layout(const FitWish& wish, const Room& room, int parallel, int context, std::int64_t cells) {
  if (wish.layout) return {*wish.layout, "the KV layout was asked for"};
  if (wish.shares_prefixes)
    return {KvLayout::unified, "unified KV: requests share prefixes, which are stored and scanned once"};
  if (parallel == 1) return {KvLayout::unified, "unified KV: one sequence has nobody to disturb"};
  if (!room.gpu.empty())
    return {KvLayout::unified,
            "unified KV: on a GPU separate streams lose more when some idle than they win"};
  if (static_cast<std::int64_t>(parallel) * context >
      cells / 100 * static_cast<std::int64_t>(kStreamsPercent))
    return {
        KvLayout::unified,
        fmt::format("unified KV: {} separate streams of {} tokens would take more than {} % of the memory",
                    parallel, count(context), kStreamsPercent)};
  return {KvLayout::streams,
          fmt::format("separate KV streams: {} unrelated sequences would scan each other's cells", parallel)};
}

// Memory is shared with everything else, so cells that nobody asked for are those that requests usually fill.
std::int64_t usual_cells(KvLayout layout, int parallel, int context, std::int64_t cells) {
  const std::int64_t full = static_cast<std::int64_t>(parallel) * context;
  if (layout == KvLayout::streams) return full;
  return std::min(
      {full, std::max<std::int64_t>(context, static_cast<std::int64_t>(parallel) * kTypicalRequest), cells});
}

Error does_not_fit(const ModelShape& model, const Room& room, const Plan& plan, const Need& need,
                   std::int64_t tokens, int parallel) {
  const std::int64_t most = std::min<std::int64_t>(round_down(plan.cells(1)), trained(model));
  std::string message = fmt::format(
      "{} needs {} of weights, {} of KV cache ({} tokens) and {} of working memory, together {}; {} are "
      "free{}, of which {} may be used",
      model.name, human_bytes(need.weights), human_bytes(need.kv), count(tokens), human_bytes(need.working),
      human_bytes(need.total()), human_bytes(room.free_bytes), on_gpu(room), human_bytes(budget(room)));
  const std::string_view instead =
      room.gpu.empty() ? "" : " Or compute on the processor: `inference.accelerator: cpu`.";
  if (most < kMinContext)
    return Error(ErrorCode::does_not_fit, std::move(message))
        .with_next(
            "Choose a smaller model (`slipway models --available`), or free memory; no useful context fits "
            "beside the weights." +
            std::string(instead));
  const std::int64_t each =
      std::min<std::int64_t>(round_down(plan.cells(parallel) / std::max(1, parallel)), trained(model));
  std::string next = fmt::format("The largest that fits: maxModelLen {} with maxNumSeqs 1", count(most));
  if (parallel > 1 && each >= kMinContext)
    next += fmt::format(", or maxModelLen {} with maxNumSeqs {}", count(each), parallel);
  return Error(ErrorCode::does_not_fit, std::move(message)).with_next(fmt::format("{}.{}", next, instead));
}

base::Result<void> check_wish(const ModelShape& model, const FitWish& wish) {
  const bool known = model.trained_context > 0;
  if (wish.context_tokens &&
      (*wish.context_tokens < 1 || (known && *wish.context_tokens > model.trained_context)))
    return Error(ErrorCode::parameter_refused,
                 fmt::format("maxModelLen is {}, but {} was trained for {} tokens",
                             count(*wish.context_tokens), model.name, count(trained(model))))
        .with_next(fmt::format("Set maxModelLen to at most {}.", trained(model)));
  if (wish.parallel && (*wish.parallel < 1 || *wish.parallel > kMaxWishedParallel))
    return Error(ErrorCode::parameter_refused,
                 fmt::format("maxNumSeqs is {}; a replica runs 1 to {} sequences", count(*wish.parallel),
                             kMaxWishedParallel))
        .with_next("Set maxNumSeqs in that range, and use deployment.replicas for more.");
  return {};
}

// An encoder keeps no KV: its context is one input, and inputs do not wait for each other's answers.
Fit fit_encoder(const ModelShape& model, const Plan& plan, const FitWish& wish) {
  Fit out;
  out.context_tokens = wish.context_tokens.value_or(trained(model));
  out.parallel = wish.parallel.value_or(kMinParallel);
  out.kv_tokens = out.context_tokens;
  out.batch_tokens = wish.batch_tokens.value_or(0);
  out.need = plan.need(out.parallel, 0);
  out.reasons.push_back(
      fmt::format("inputs of up to {} tokens: what the model was trained for; an encoder keeps no KV",
                  count(out.context_tokens)));
  return out;
}

int choose_context(const ModelShape& model, const FitWish& wish, std::int64_t cells,
                   std::vector<std::string>& reasons) {
  if (wish.context_tokens) {
    reasons.push_back(fmt::format("context {}: maxModelLen", count(*wish.context_tokens)));
    return *wish.context_tokens;
  }
  const int wanted = std::min(trained(model), kDefaultContext);
  if (wanted <= cells) {
    reasons.push_back(fmt::format(
        "context {}: {}", count(wanted),
        wanted == trained(model) ? "what the model was trained for" : "the default; maxModelLen raises it"));
    return wanted;
  }
  const int most = std::max(round_down(cells), kMinContext);
  reasons.push_back(fmt::format("context {}: the largest that fits the free memory", count(most)));
  return std::min(most, wanted);
}

int choose_parallel(const FitWish& wish, const Room& room, std::vector<std::string>& reasons) {
  if (wish.parallel) {
    reasons.push_back(fmt::format("{} sequences at once: maxNumSeqs", *wish.parallel));
    return *wish.parallel;
  }
  if (!room.gpu.empty()) {
    reasons.push_back(fmt::format(
        "{} sequences at once: on a GPU one pass over the weights serves all of them", kMaxParallel));
    return kMaxParallel;
  }
  const int parallel = std::clamp(room.cores * kParallelPerCore, kMinParallel, kMaxParallel);
  reasons.push_back(fmt::format("{} sequences at once: {} for each of {} cores, between {} and {}", parallel,
                                kParallelPerCore, room.cores, kMinParallel, kMaxParallel));
  return parallel;
}

}  // namespace

std::uint64_t kv_bytes(std::uint64_t f16_bytes_per_token, domain::KvType type, std::int64_t tokens) {
  const std::uint64_t f16 =
      f16_bytes_per_token * static_cast<std::uint64_t>(std::max<std::int64_t>(0, tokens));
  return type == domain::KvType::f16 ? f16 : f16 / 2 / kQ8Elements * kQ8Bytes;
}

std::uint64_t working_bytes(const ModelShape& model, int parallel, bool on_gpu) {
  const std::uint64_t vocabulary = model.vocabulary ? model.vocabulary : kAssumedVocabulary;
  const std::uint64_t width = model.embedding_length ? model.embedding_length : 4'096;
  const std::uint64_t logits = model.kv_bytes_per_token == 0
                                   ? 0
                                   : (kMicroBatch + static_cast<std::uint64_t>(parallel)) * vocabulary * 4;
  return (on_gpu ? kGpuProcessBytes : kProcessBytes) + logits + kMicroBatch * width * kActivations * 4;
}

ModelShape shape_of(const domain::CatalogEntry& entry, const domain::ModelFile& file) {
  return {.name = entry.name,
          .task = entry.task,
          .weight_bytes = file.bytes,
          .kv_bytes_per_token = entry.kv_bytes_per_token,
          .trained_context = entry.context_tokens};
}

base::Result<Fit> fit(const ModelShape& model, const Room& room, const FitWish& wish) {
  SLIPWAY_RETURN_IF_ERROR(check_wish(model, wish));
  const Plan plan(model, room, wish);
  if (model.kv_bytes_per_token == 0) {
    Fit out = fit_encoder(model, plan, wish);
    if (!plan.fits(out.need)) return does_not_fit(model, room, plan, out.need, 0, 1);
    return out;
  }

  Fit out;
  out.kv_type = wish.kv_type;
  out.batch_tokens = wish.batch_tokens.value_or(0);
  out.parallel = choose_parallel(wish, room, out.reasons);
  const std::int64_t cells = plan.cells(out.parallel);
  out.context_tokens = choose_context(model, wish, cells, out.reasons);
  const Layout layout = choose_layout(wish, room, out.parallel, out.context_tokens, cells);
  out.layout = layout.layout;
  out.reasons.push_back(layout.reason);
  // Without a wish the cells are cut to what fits; one whole context must fit in any case.
  const std::int64_t tokens = std::max<std::int64_t>(
      out.context_tokens, usual_cells(out.layout, out.parallel, out.context_tokens, cells));
  out.need = plan.need(out.parallel, tokens);
  if (!plan.fits(out.need)) return does_not_fit(model, room, plan, out.need, tokens, out.parallel);
  out.kv_tokens = static_cast<int>(tokens);
  out.reasons.push_back(fmt::format("{} KV tokens in {}, with weights and working memory {} of {} free{}",
                                    count(tokens), human_bytes(out.need.kv), human_bytes(out.need.total()),
                                    human_bytes(room.free_bytes), on_gpu(room)));
  return out;
}

void apply(const Fit& fit, domain::LoadPlan& plan) {
  plan.context_tokens = fit.context_tokens;
  plan.kv_tokens = fit.kv_tokens;
  plan.parallel = fit.parallel;
  plan.layout = fit.layout;
  plan.kv_type = fit.kv_type;
  plan.batch_tokens = fit.batch_tokens;
  plan.reasons.insert(plan.reasons.end(), fit.reasons.begin(), fit.reasons.end());
}

}  // namespace slipway::policy
