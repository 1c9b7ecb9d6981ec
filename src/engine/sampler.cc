#include "engine/sampler.h"

#include <common.h>
#include <llama.h>
#include <sampling.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "base/ids.h"

namespace slipway::engine {
namespace {

constexpr float kNever = -std::numeric_limits<float>::infinity();
// llama.cpp's window for repeat, presence and frequency penalties.
constexpr int kPenaltyWindow = 64;

std::uint32_t seed_of(const Sampling& sampling) {
  if (sampling.seed) return *sampling.seed;
  std::uint32_t seed = 0;
  base::random_bytes({reinterpret_cast<std::uint8_t*>(&seed), sizeof(seed)});
  return seed;
}

bool has_penalties(const Sampling& s) {
  return s.repeat_penalty != 1.0f || s.presence_penalty != 0.0f || s.frequency_penalty != 0.0f;
}

std::vector<std::pair<Token, float>> biases(const Vocabulary& vocabulary, const Sampling& sampling) {
  std::vector<std::pair<Token, float>> bias;
  for (const auto& [token, value] : sampling.logit_bias)
    if (token >= 0 && token < vocabulary.size()) bias.emplace_back(token, value);
  if (sampling.ignore_eos)
    for (Token t = 0; t < vocabulary.size(); ++t)
      if (vocabulary.is_end(t)) bias.emplace_back(t, kNever);
  std::int32_t n = 0;
  const llama_token* suppressed =
      llama_vocab_get_suppress_tokens(llama_model_get_vocab(vocabulary.model()), &n);
  for (std::int32_t i = 0; i < n; ++i) bias.emplace_back(suppressed[i], kNever);
  return bias;
}

std::set<llama_token> preserved(const Vocabulary& vocabulary, const Sampling& sampling) {
  std::set<llama_token> tokens;
  for (const std::string& text : sampling.preserved_tokens)
    if (const std::vector<Token> t = vocabulary.tokenize(text, false, true); t.size() == 1)
      tokens.insert(t[0]);
  return tokens;
}

common_grammar_trigger trigger(const Vocabulary& vocabulary, const GrammarTrigger& t,
                               const std::set<llama_token>& preserved_tokens) {
  switch (t.type) {
    case GrammarTrigger::Type::token:
      return {COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN, t.value, t.token};
    case GrammarTrigger::Type::pattern:
      return {COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN, t.value, LLAMA_TOKEN_NULL};
    case GrammarTrigger::Type::pattern_full:
      return {COMMON_GRAMMAR_TRIGGER_TYPE_PATTERN_FULL, t.value, LLAMA_TOKEN_NULL};
    case GrammarTrigger::Type::word:
      break;
  }
  // A word that is one control token never shows up as text, so the token itself is the trigger.
  const std::vector<Token> tokens = vocabulary.tokenize(t.value, false, true);
  if (tokens.size() == 1 && preserved_tokens.contains(tokens[0]))
    return {COMMON_GRAMMAR_TRIGGER_TYPE_TOKEN, t.value, tokens[0]};
  return {COMMON_GRAMMAR_TRIGGER_TYPE_WORD, t.value, LLAMA_TOKEN_NULL};
}

common_params_sampling common_parameters(const Vocabulary& vocabulary, const Sampling& s,
                                         std::uint32_t seed) {
  common_params_sampling p;
  p.seed = seed;
  p.no_perf = true;
  p.top_k = s.top_k;
  p.top_p = s.top_p;
  p.min_p = s.min_p;
  p.temp = s.temperature;
  p.penalty_last_n = kPenaltyWindow;
  p.penalty_repeat = s.repeat_penalty;
  p.penalty_present = s.presence_penalty;
  p.penalty_freq = s.frequency_penalty;
  if (s.grammar.empty()) return p;
  // llama-common feeds the prefill only to grammars that it made itself from a format.
  const bool prefill = !s.grammar_prefill.empty() && !s.grammar_lazy;
  p.grammar =
      common_grammar(prefill ? COMMON_GRAMMAR_TYPE_OUTPUT_FORMAT : COMMON_GRAMMAR_TYPE_USER, s.grammar);
  p.grammar_lazy = s.grammar_lazy;
  if (prefill) p.generation_prompt = s.grammar_prefill;
  p.preserved_tokens = preserved(vocabulary, s);
  for (const GrammarTrigger& t : s.triggers)
    p.grammar_triggers.push_back(trigger(vocabulary, t, p.preserved_tokens));
  return p;
}

// Adds the biases to the row, and takes them back when it goes out of scope: log probabilities are the
// model's own.
class Biased {
 public:
  Biased(std::span<float> logits, std::span<const std::pair<Token, float>> bias)
      : logits_(logits), bias_(bias) {
    for (const auto& [token, value] : bias) {
      float& logit = logits_[static_cast<std::size_t>(token)];
      before_.push_back(logit);
      logit += value;
    }
  }
  ~Biased() {
    for (std::size_t i = bias_.size(); i-- > 0;)
      logits_[static_cast<std::size_t>(bias_[i].first)] = before_[i];
  }
  Biased(const Biased&) = delete;
  Biased& operator=(const Biased&) = delete;

 private:
  std::span<float> logits_;
  std::span<const std::pair<Token, float>> bias_;
  std::vector<float> before_;
};

double mass(std::span<const Candidate> candidates, float top) {
  double sum = 0;
  for (const Candidate& c : candidates) sum += std::exp(c.logit - top);
  return sum;
}

// How many of the candidates (best first) stay: the fewest that hold top_p of `total`, and none less likely
// than min_p times the best.
std::size_t kept(std::span<const Candidate> candidates, double total, float top_p, float min_p) {
  std::size_t n = candidates.size();
  const float top = candidates[0].logit;
  if (top_p < 1.0f) {
    double sum = 0;
    for (std::size_t i = 0; i < n; ++i) {
      sum += std::exp(candidates[i].logit - top);
      if (sum >= top_p * total) n = i + 1;
    }
  }
  if (min_p > 0.0f)
    while (n > 1 && candidates[n - 1].logit < top + std::log(min_p)) --n;
  return n;
}

// Candidates for requests without top-k, best first: as few as min_p or top_p leave, found without sorting
// the vocabulary.
std::vector<Candidate> likely(std::span<const float> logits, double total, float top_p, float min_p) {
  const float top = logits[static_cast<std::size_t>(best_token(logits))];
  if (min_p > 0.0f) return largest_from(logits, top + std::log(min_p));
  for (const float width : {8.0f, 16.0f, 32.0f}) {
    std::vector<Candidate> candidates = largest_from(logits, top - width);
    if (mass(candidates, top) >= top_p * total) return candidates;
  }
  return largest(logits, 0);
}

Token draw(std::span<const Candidate> candidates, float top, float temperature, double unit) {
  std::vector<float> weights;
  weights.reserve(candidates.size());
  double total = 0;
  for (const Candidate& c : candidates) {
    weights.push_back(std::exp((c.logit - top) / temperature));
    total += weights.back();
  }
  double left = unit * total;
  for (std::size_t i = 0; i < candidates.size(); ++i) {
    left -= weights[i];
    if (left < 0) return candidates[i].token;
  }
  return candidates.back().token;
}

// llama-common leaks its half-made sampler when it throws over a grammar, so the grammar is compiled by
// itself first.
bool compiles(const Vocabulary& vocabulary, const std::string& grammar) {
  llama_sampler* sampler =
      llama_sampler_init_grammar(llama_model_get_vocab(vocabulary.model()), grammar.c_str(), "root");
  if (sampler == nullptr) return false;
  llama_sampler_free(sampler);
  return true;
}

base::Error unusable(const char* what) {
  return base::Error(base::ErrorCode::internal, what)
      .with_next(
          "Send the request again; if it stays, the model file may be damaged: `slipway logs` shows more.");
}

}  // namespace

void Sampler::FreeCommon::operator()(common_sampler* sampler) const {
  common_sampler_free(sampler);
}

Sampler::Sampler(const Vocabulary& vocabulary, const Sampling& sampling)
    : temperature_(sampling.temperature),
      top_p_(sampling.top_p),
      min_p_(sampling.min_p),
      top_k_(sampling.top_k),
      top_logprobs_(sampling.top_logprobs),
      bias_(biases(vocabulary, sampling)),
      rng_(seed_of(sampling)) {}

Sampler::~Sampler() = default;

base::Result<std::unique_ptr<Sampler>> Sampler::make(const Vocabulary& vocabulary, const Sampling& sampling,
                                                     std::span<const Token> prompt) {
  std::unique_ptr<Sampler> sampler(new Sampler(vocabulary, sampling));
  if (sampling.grammar.empty() && !has_penalties(sampling)) return sampler;
  try {
    if (!sampling.grammar.empty() && !compiles(vocabulary, sampling.grammar))
      return base::Error(base::ErrorCode::bad_schema, "the grammar does not compile");
    common_params_sampling parameters =
        common_parameters(vocabulary, sampling, static_cast<std::uint32_t>(sampler->rng_.next()));
    sampler->common_.reset(common_sampler_init(vocabulary.model(), parameters));
    if (sampling.repeat_penalty != 1.0f) {
      const std::size_t window = std::min<std::size_t>(prompt.size(), kPenaltyWindow);
      for (Token t : prompt.last(window)) common_sampler_accept(sampler->common_.get(), t, false);
    }
  } catch (const std::exception& e) {
    return base::Error(base::ErrorCode::bad_schema, std::string("the grammar does not compile: ") + e.what());
  }
  return sampler;
}

base::Result<Sampled> Sampler::sample(llama_context* context, int row) {
  float* data = llama_get_logits_ith(context, row);
  if (data == nullptr) return unusable("the engine has no logits for this request's last token");
  const int n = llama_vocab_n_tokens(llama_model_get_vocab(llama_get_model(context)));
  const std::span<float> logits(data, static_cast<std::size_t>(n));
  if (!all_usable(logits)) return unusable("the model's output for this request is not a number");
  Sampled out;
  {
    const Biased biased(logits, bias_);
    SLIPWAY_TRY(out.token, common_ ? sample_common(context, row) : sample_plain(logits));
  }
  if (top_logprobs_ < 0) return out;
  const double total = log_sum_exp(logits);
  const auto logprob = [&](float logit) { return static_cast<float>(double{logit} - total); };
  out.logprob = logprob(logits[static_cast<std::size_t>(out.token)]);
  if (top_logprobs_ > 0)
    for (const Candidate& c : largest(logits, top_logprobs_)) out.top.push_back({c.token, logprob(c.logit)});
  return out;
}

base::Result<Token> Sampler::sample_plain(std::span<const float> logits) {
  const Token best = best_token(logits);
  const float top = logits[static_cast<std::size_t>(best)];
  if (top == kNever) return unusable("logit_bias forbids every token");
  if (temperature_ <= 0.0f || top_k_ == 1) return best;
  std::vector<Candidate> candidates;
  double total = 0;
  if (top_k_ > 0) {
    candidates = largest(logits, top_k_);
    total = mass(candidates, top);
  } else if (top_p_ < 1.0f || min_p_ > 0.0f) {
    total = std::exp(log_sum_exp(logits) - top);
    candidates = likely(logits, total, top_p_, min_p_);
  } else {
    candidates = every(logits);
    return draw(candidates, top, temperature_, rng_.unit());
  }
  const std::size_t n = kept(candidates, total, top_p_, min_p_);
  return draw(std::span(candidates).first(n), top, temperature_, rng_.unit());
}

base::Result<Token> Sampler::sample_common(llama_context* context, int row) {
  try {
    const Token token = common_sampler_sample(common_.get(), context, row);
    common_sampler_accept(common_.get(), token, true);
    return token;
  } catch (const std::exception& e) {
    return unusable("the grammar leaves no token to continue with").with_context(e.what());
  }
}

}  // namespace slipway::engine
