#include "engine/step_decoder.h"

#include <llama.h>

#include <algorithm>

#include "base/check.h"

namespace slipway::engine {

std::vector<std::vector<Rows>> split_step(std::vector<Rows> rows, domain::KvLayout layout) {
  std::vector<std::vector<Rows>> groups;
  if (rows.empty()) return groups;
  if (layout == domain::KvLayout::streams) {
    std::ranges::sort(rows, {}, &Rows::seq);
    groups.push_back(std::move(rows));
    return groups;
  }
  std::vector<Rows> decoding, prompts;
  std::size_t tokens = 0;
  for (Rows& r : rows) {
    tokens += r.tokens.size();
    (r.tokens.size() == 1 ? decoding : prompts).push_back(r);
  }
  if (decoding.empty() || prompts.empty() || tokens < kAttentionTile) {
    groups.push_back(std::move(rows));
    return groups;
  }
  groups.push_back(std::move(decoding));
  groups.push_back(std::move(prompts));
  return groups;
}

StepDecoder::StepDecoder(llama_context* context, int batch_tokens, domain::CrashPage* page)
    : context_(context),
      batch_(std::make_unique<llama_batch>(llama_batch_init(batch_tokens, 0, 1))),
      capacity_(batch_tokens),
      page_(page) {}

StepDecoder::~StepDecoder() {
  llama_batch_free(*batch_);
}

StepDecoder::Outcome StepDecoder::decode(std::vector<Rows>& rows) {
  llama_batch& b = *batch_;
  b.n_tokens = 0;
  for (Rows& r : rows) {
    for (std::size_t i = 0; i < r.tokens.size(); ++i) {
      SLIPWAY_CHECK(b.n_tokens < capacity_);
      const int n = b.n_tokens++;
      b.token[n] = r.tokens[i];
      b.pos[n] = r.position + static_cast<int>(i);
      b.n_seq_id[n] = 1;
      b.seq_id[n][0] = r.seq;
      b.logits[n] = 0;
    }
    if (!r.wants_logits) continue;
    r.logits_row = b.n_tokens - 1;
    b.logits[r.logits_row] = 1;
  }
  write_page(rows);
  const int result = llama_decode(context_, b);
  if (result == 0) return Outcome::ok;
  return result == 1 ? Outcome::no_room : Outcome::failed;
}

void StepDecoder::write_page(const std::vector<Rows>& rows) {
  if (page_ == nullptr) return;
  const std::size_t n = std::min(rows.size(), domain::CrashPage::kSlots);
  for (std::size_t i = 0; i < n; ++i)
    page_->fingerprints[i].store(rows[i].fingerprint, std::memory_order_relaxed);
  page_->count.store(static_cast<std::uint32_t>(n), std::memory_order_release);
}

void StepDecoder::settled() {
  if (page_ != nullptr) page_->count.store(0, std::memory_order_release);
}

}  // namespace slipway::engine
