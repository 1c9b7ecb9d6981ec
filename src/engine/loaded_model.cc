#include "engine/loaded_model.h"

#include <build-info.h>
#include <fmt/format.h>
#include <ggml-backend.h>
#include <ggml-cpu.h>
#include <llama.h>

#include <algorithm>
#include <filesystem>
#include <mutex>
#include <thread>

#include "engine/devices.h"
#include "engine/kv_cache.h"
#include "engine/llama_log.h"

namespace slipway::engine {
namespace {

// ggml's waiting threads spin this long (0-100) before they sleep. Spinning threads take the second core from
// the HTTP threads, sleeping ones start each graph node later.
constexpr std::uint32_t kPoll = 50;
// Finished sequences kept for reuse, beyond the parallel ones (unified only; a stream's memory is its own).
constexpr int kCachedSequences = 64;
// llama.cpp rounds the cells of a sequence up to this.
constexpr int kCellStep = 256;

struct Progress {
  const LoadHooks& hooks;
  std::uint64_t bytes;
};

bool report_progress(float done, void* data) {
  const Progress& p = *static_cast<const Progress*>(data);
  if (p.hooks.progress)
    p.hooks.progress({"weights",
                      static_cast<std::uint64_t>(static_cast<double>(done) * static_cast<double>(p.bytes)),
                      p.bytes, "bytes"});
  return true;
}

base::Error load_failed(const domain::LoadPlan& plan, std::string_view what) {
  return base::Error(base::ErrorCode::load_failed, fmt::format("{} of {} failed", what, plan.path))
      .with_detail(last_llama_errors());
}

base::Result<void> load_weights(const domain::LoadPlan& plan, const LoadHooks& hooks, LoadedModel& out) {
  std::error_code error;
  const std::uintmax_t bytes = std::filesystem::file_size(plan.path, error);
  if (error)
    return base::Error(base::ErrorCode::load_failed,
                       fmt::format("{} cannot be read: {}", plan.path, error.message()));
  Progress progress{hooks, bytes};
  SLIPWAY_TRY(const ggml_backend_dev_t device, find_device(plan.device));
  // All layers go to this device; with an empty list they stay with the processor.
  ggml_backend_dev_t devices[] = {device, nullptr};
  llama_model_params params = llama_model_default_params();
  params.devices = devices;
  params.progress_callback = report_progress;
  params.progress_callback_user_data = &progress;
  out.model.reset(llama_model_load_from_file(plan.path.c_str(), params));
  if (!out.model) return load_failed(plan, "loading the weights");
  out.device = device == nullptr ? "CPU"
                                 : fmt::format("{} ({})", ggml_backend_dev_name(device),
                                               ggml_backend_dev_description(device));
  out.sliding_window = llama_model_n_swa(out.model.get()) > 0;
  out.whole_states_only = llama_model_is_recurrent(out.model.get()) || llama_model_is_hybrid(out.model.get());
  return {};
}

void make_pool(const domain::LoadPlan& plan, LoadedModel& out) {
  const int cores = static_cast<int>(std::max(1u, std::thread::hardware_concurrency()));
  out.threads = std::clamp(plan.threads > 0 ? plan.threads : cores, 1, GGML_MAX_N_THREADS);
  ggml_threadpool_params params;
  ggml_threadpool_params_init(&params, out.threads);
  params.poll = kPoll;
  for (int processor : plan.processors)
    if (processor >= 0 && processor < GGML_MAX_N_THREADS) params.cpumask[processor] = true;
  params.strict_cpu = static_cast<int>(plan.processors.size()) >= out.threads;
  out.pool.reset(ggml_threadpool_new(&params));
}

std::int64_t round_up(std::int64_t n, std::int64_t step) {
  return (n + step - 1) / step * step;
}

void size_cache(const domain::LoadPlan& plan, LoadedModel& out) {
  const int parallel = std::clamp(plan.parallel, 1, kMaxSequences);
  const int trained = llama_model_n_ctx_train(out.model.get());
  const int context = plan.context_tokens > 0 ? plan.context_tokens : trained;
  const std::int64_t cells = std::max(plan.kv_tokens, context);
  out.batch_tokens = std::max(plan.batch_tokens > 0 ? plan.batch_tokens : kDefaultBatchTokens, parallel + 1);
  if (plan.layout == domain::KvLayout::unified) {
    out.sequences = std::min(kMaxSequences, parallel + (out.whole_states_only ? parallel : kCachedSequences));
    out.cells = round_up(cells, kCellStep);
  } else {
    out.sequences = parallel;
    out.cells = round_up(std::max<std::int64_t>(cells / parallel, 1), kCellStep);
  }
  out.context_tokens = static_cast<int>(std::min<std::int64_t>(context, out.cells));
}

llama_context_params context_params(const domain::LoadPlan& plan, const LoadedModel& out) {
  const bool unified = plan.layout == domain::KvLayout::unified;
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(unified ? out.cells : out.cells * out.sequences);
  params.n_batch = static_cast<std::uint32_t>(out.batch_tokens);
  params.n_ubatch = params.n_batch;
  params.n_seq_max = static_cast<std::uint32_t>(out.sequences);
  params.n_outputs_max = static_cast<std::uint32_t>(std::max(out.sequences, 1));
  params.n_threads = out.threads;
  params.n_threads_batch = out.threads;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
  params.type_k = params.type_v = plan.kv_type == domain::KvType::q8_0 ? GGML_TYPE_Q8_0 : GGML_TYPE_F16;
  params.kv_unified = unified;
  // The whole cache also for layers with a sliding window: a prefix can be cut and shared anywhere.
  params.swa_full = true;
  params.no_perf = true;
  params.abort_callback = [](void* beat) {
    (*static_cast<std::function<void()>*>(beat))();
    return false;
  };
  params.abort_callback_data = out.beat.get();
  return params;
}

// A plan for the processor need not hear a GPU backend say at its start that it may not reach one.
void start_backends(const domain::LoadPlan& plan) {
  if (plan.device == "cpu") ggml_log_set([](ggml_log_level, const char*, void*) {}, nullptr);
  llama_backend_init();
  ggml_backend_reg_count();
}

// One token through the whole model: pages the weights in, and finds out whether the context computes at all.
base::Result<void> warm_up(const domain::LoadPlan& plan, const LoadedModel& loaded) {
  const llama_vocab* vocab = llama_model_get_vocab(loaded.model.get());
  llama_token token = llama_vocab_bos(vocab);
  if (token < 0) token = 0;
  if (llama_decode(loaded.context.get(), llama_batch_get_one(&token, 1)) != 0)
    return load_failed(plan, "warming up");
  llama_memory_clear(llama_get_memory(loaded.context.get()), true);
  return {};
}

}  // namespace

void FreeModel::operator()(llama_model* model) const {
  llama_model_free(model);
}
void FreeContext::operator()(llama_context* context) const {
  llama_free(context);
}
void FreePool::operator()(ggml_threadpool* pool) const {
  ggml_threadpool_free(pool);
}

base::Result<LoadedModel> load_model(const domain::LoadPlan& plan, const LoadHooks& hooks) {
  static std::once_flag once;
  std::call_once(once, start_backends, plan);
  capture_llama_log(hooks.log);
  LoadedModel out;
  SLIPWAY_RETURN_IF_ERROR(load_weights(plan, hooks, out));
  make_pool(plan, out);
  if (!out.pool) return load_failed(plan, "starting the compute threads");
  size_cache(plan, out);
  out.beat = std::make_unique<std::function<void()>>(hooks.beat ? hooks.beat : [] {});
  if (plan.task == domain::ModelTask::embedding) return out;
  if (hooks.progress) hooks.progress({"context", 0, 1, ""});
  out.context.reset(llama_init_from_model(out.model.get(), context_params(plan, out)));
  if (!out.context)
    return base::Error(base::ErrorCode::does_not_fit,
                       fmt::format("a context of {} KV cells for {} could not be made", out.cells, plan.path))
        .with_detail(last_llama_errors());
  llama_attach_threadpool(out.context.get(), out.pool.get(), out.pool.get());
  if (hooks.progress) hooks.progress({"warmup", 0, 1, ""});
  SLIPWAY_RETURN_IF_ERROR(warm_up(plan, out));
  if (hooks.progress) hooks.progress({"warmup", 1, 1, ""});
  return out;
}

base::Result<ContextPtr> make_embedding_context(const LoadedModel& loaded, int tokens, bool pooled) {
  llama_context_params params = llama_context_default_params();
  params.n_ctx = static_cast<std::uint32_t>(loaded.context_tokens);
  params.n_batch = params.n_ubatch = static_cast<std::uint32_t>(tokens);
  params.n_seq_max = 1;
  params.n_threads = params.n_threads_batch = loaded.threads;
  params.flash_attn_type = LLAMA_FLASH_ATTN_TYPE_ENABLED;
  params.embeddings = true;
  params.pooling_type = pooled ? LLAMA_POOLING_TYPE_UNSPECIFIED : LLAMA_POOLING_TYPE_NONE;
  params.no_perf = true;
  params.abort_callback = [](void* beat) {
    (*static_cast<std::function<void()>*>(beat))();
    return false;
  };
  params.abort_callback_data = loaded.beat.get();
  ContextPtr context(llama_init_from_model(loaded.model.get(), params));
  if (!context)
    return base::Error(base::ErrorCode::does_not_fit, "the context for embeddings could not be made")
        .with_detail(last_llama_errors());
  llama_attach_threadpool(context.get(), loaded.pool.get(), loaded.pool.get());
  return context;
}

std::string fingerprint(const domain::LoadPlan& plan, const LoadedModel& loaded) {
  return fmt::format("llama.cpp {} {} gguf {} kv {} fa on swa {} layout {}", llama_commit(),
                     llama_build_target(), plan.sha256.empty() ? "unknown" : plan.sha256,
                     plan.kv_type == domain::KvType::q8_0 ? "q8_0" : "f16",
                     loaded.sliding_window ? "full" : "none",
                     plan.layout == domain::KvLayout::unified ? "unified" : "streams");
}

}  // namespace slipway::engine
