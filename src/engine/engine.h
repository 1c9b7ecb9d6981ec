// The engine: one loaded model, one loop thread, many requests decoded together.
//
// The loop composes a step (policy/batch: decode tokens first, then prompt chunks within a budget), decodes
// it with llama.cpp, samples every finished row in one pass, and hands token ids to each request's Sink.
// Tokenising, templates, JSON, stop strings and text pieces are the callers' work, on their threads.
//
// KV: cells are owned by the KvCache interface (kv_cache.h) in one of two layouts. Finished and running
// sequences stay in a prefix index; a new request shares the longest known prefix, and requests that arrive
// together prefill a common prefix once. When cells run out the youngest running request is pre-empted: its
// tokens are kept, its cells freed, and it continues later; it never fails for that. Isolation: prefixes are
// shared only within one `cache_salt`.
//
// Threads: every public method is thread-safe. Sinks are called on the loop thread and must not block or
// throw. Errors: load_failed with llama.cpp's last words from load(); context_overflow, queue_full, draining,
// bad_request (an empty prompt, a token outside the vocabulary), bad_schema, unsupported (an embedding model)
// from submit(). A request that fails alone (non-finite logits, a grammar that ran into a wall) ends with
// `internal`; the others of its step go on.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/model.h"
#include "domain/worker_protocol.h"

namespace slipway::engine {

using Token = std::int32_t;

// A lazy grammar starts when a trigger appears in the output (tool calls).
struct GrammarTrigger {
  enum class Type { token, word, pattern, pattern_full } type = Type::word;
  std::string value;
  Token token = -1;
};

struct Sampling {
  float temperature = 0.8f;
  float top_p = 0.95f;
  int top_k = 40;
  float min_p = 0.05f;
  float repeat_penalty = 1.0f;
  float presence_penalty = 0.0f;
  float frequency_penalty = 0.0f;
  std::optional<std::uint32_t> seed;  // unset: random
  std::vector<std::pair<Token, float>> logit_bias;
  std::string grammar;  // GBNF; checked by check_grammar before submit
  // Text at the prompt's end that the grammar covers too (the template's generation prompt): before the first
  // sample the engine feeds its tokens to the grammar, as llama.cpp's own server does. Never with
  // grammar_lazy.
  std::string grammar_prefill;
  bool grammar_lazy = false;
  std::vector<GrammarTrigger> triggers;
  std::vector<std::string> preserved_tokens;
  int top_logprobs = -1;  // -1 none; 0 the chosen token's only; n alternatives
  bool ignore_eos = false;
};

struct TokenLogprob {
  Token token = 0;
  float logprob = 0;
};

struct TokenEvent {
  Token token = 0;
  float logprob = 0;                  // valid when top_logprobs >= 0
  std::span<const TokenLogprob> top;  // valid during the call
};

enum class FinishReason { stop, length, cancelled, error };

struct Usage {
  int prompt_tokens = 0;
  int cached_tokens = 0;  // of the prompt, taken from the prefix index
  int completion_tokens = 0;
  double queue_seconds = 0;  // submit -> first step that holds it
  double prefill_seconds = 0;
  double decode_seconds = 0;
  int preemptions = 0;
};

// One request's receiver. Calls come in order: on_token* then exactly one on_finish.
class Sink {
 public:
  virtual ~Sink() = default;
  virtual void on_token(const TokenEvent& event) = 0;
  // `error` is set when reason is error.
  virtual void on_finish(FinishReason reason, const Usage& usage, const base::Error* error) = 0;
};

struct Request {
  std::string id;
  std::uint64_t fingerprint = 0;  // for the crash page
  std::vector<Token> prompt;
  Sampling sampling;
  int max_tokens = 0;  // 0 = to the end of the context
  std::string cache_salt;
  bool cache_prompt = true;
  bool run_alone = false;  // one strike: shares no step with other requests
};

// Cancelling by destroying it: the sequence is freed within one step. The Sink gets on_finish(cancelled) if
// it had none.
class Ticket {
 public:
  virtual ~Ticket() = default;
  virtual void cancel() = 0;
};

struct Stats {
  std::uint64_t steps = 0;
  std::uint64_t prompt_tokens = 0;  // prefilled
  std::uint64_t cached_tokens = 0;
  std::uint64_t output_tokens = 0;
  std::uint64_t preemptions = 0;
  std::uint32_t running = 0;
  std::uint32_t waiting = 0;
  std::uint64_t kv_used = 0;
  std::uint64_t kv_total = 0;
};

enum class LogLevel { debug, info, warning, error };

// One llama_decode and the sampling after it.
struct StepFacts {
  int tokens = 0;
  int sequences = 0;
  double seconds = 0;
};

struct LoadHooks {
  std::function<void(const domain::WorkerProgress&)> progress;  // on the loading thread
  std::function<void()> beat;  // from llama's abort callback, once a graph node; must be cheap
  domain::CrashPage* crash_page =
      nullptr;  // fingerprints of the running step are written here; count 0 between steps
  // On the loop thread; must be cheap. A step; the time between two tokens of one answer.
  std::function<void(const StepFacts&)> step;
  std::function<void(double seconds)> token_gap;
  // llama.cpp's own words, one line a call, any thread; must not block. Process-wide, because llama.cpp's log
  // is: the last load() wins. Empty: warnings and errors go to stderr.
  std::function<void(LogLevel level, std::string_view line)> log;
};

class Vocabulary;

class Engine {
 public:
  // Loads weights, makes the context, warms up with one step. `max_queue`: requests that wait beyond the
  // parallel ones.
  static base::Result<std::unique_ptr<Engine>> load(const domain::LoadPlan& plan, const LoadHooks& hooks,
                                                    int max_queue = 512);
  virtual ~Engine() = default;

  virtual const Vocabulary& vocabulary() const = 0;
  virtual domain::ReplicaFacts facts() const = 0;
  virtual const domain::LoadPlan& plan() const = 0;

  // Refuses at once (context_overflow with the counts, queue_full with retry_after, draining) or admits.
  // Compiles the grammar on the caller's thread.
  virtual base::Result<std::unique_ptr<Ticket>> submit(Request request, std::shared_ptr<Sink> sink) = 0;
  // Mean-pooled or model-defined, L2-normalised embedding of each input. Blocking; runs between decode steps.
  virtual base::Result<std::vector<std::vector<float>>> embed(
      const std::vector<std::vector<Token>>& inputs) = 0;
  // Compiles the grammar against this vocabulary without running it: bad_schema with the reason. submit()
  // does the same, so this is for callers that must know before.
  virtual base::Result<void> check_grammar(const Sampling& sampling) const = 0;

  virtual Stats stats() const = 0;
  // Refuses new requests; returns when the running ones ended or the deadline passed (then they are
  // cancelled).
  virtual void drain(base::Deadline deadline) = 0;
};

}  // namespace slipway::engine
