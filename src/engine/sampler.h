// From one row of logits to one token.
//
// Two ways, chosen once a request: plain requests (temperature, top-k, top-p, min-p, logit bias) sample
// straight from the row, with block maxima in place of a sorted table of the vocabulary; penalties and
// grammars go through llama-common's sampler. Both apply their steps in llama.cpp's order: bias, top-k,
// top-p, min-p, temperature.
//
// Threads: make() on any thread (compiling a grammar is slow), sample() on the loop thread. Same seed, same
// logits: same tokens. Failure: bad_schema from make() when the grammar or a trigger does not compile;
// `internal` from sample() when a logit is not a number or the grammar leaves nothing to sample.
#pragma once

#include <memory>
#include <span>
#include <vector>

#include "base/result.h"
#include "base/rng.h"
#include "engine/engine.h"
#include "engine/vocabulary.h"

struct common_sampler;
struct llama_context;

namespace slipway::engine {

struct Sampled {
  Token token = 0;
  float logprob = 0;              // valid when log probabilities were asked for
  std::vector<TokenLogprob> top;  // the most likely tokens, best first
};

class Sampler {
 public:
  static base::Result<std::unique_ptr<Sampler>> make(const Vocabulary& vocabulary, const Sampling& sampling,
                                                     std::span<const Token> prompt);
  ~Sampler();
  // Row `row` of the context's last decode.
  base::Result<Sampled> sample(llama_context* context, int row);

 private:
  Sampler(const Vocabulary& vocabulary, const Sampling& sampling);
  base::Result<Token> sample_plain(std::span<const float> logits);
  base::Result<Token> sample_common(llama_context* context, int row);

  struct FreeCommon {
    void operator()(common_sampler* sampler) const;
  };

  float temperature_, top_p_, min_p_;
  int top_k_;
  int top_logprobs_;
  std::vector<std::pair<Token, float>> bias_;
  base::Rng rng_;
  std::unique_ptr<common_sampler, FreeCommon> common_;  // set when the plain way is not enough
};

// The pieces of the plain way, apart so that they can be tested against a full sort.

struct Candidate {
  Token token = 0;
  float logit = 0;
};
// False when a logit is NaN or +infinity.
bool all_usable(std::span<const float> logits);
Token best_token(std::span<const float> logits);  // the lowest id among equals
// The k largest, best first; the lower id first among equals. k <= 0: all.
std::vector<Candidate> largest(std::span<const float> logits, int k);
// Those not below `floor`, best first.
std::vector<Candidate> largest_from(std::span<const float> logits, float floor);
// All but the impossible (-infinity), by id.
std::vector<Candidate> every(std::span<const float> logits);
// log(sum(exp(logit)))
double log_sum_exp(std::span<const float> logits);

}  // namespace slipway::engine
