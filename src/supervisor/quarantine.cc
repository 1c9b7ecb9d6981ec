#include "supervisor/quarantine.h"

#include <algorithm>

namespace slipway::supervisor {

std::vector<std::uint64_t> read_crash_page(const domain::CrashPage& page) {
  if (page.magic.load(std::memory_order_acquire) != domain::CrashPage::kMagic) return {};
  const std::size_t count = std::min<std::size_t>(page.count.load(std::memory_order_acquire), page.kSlots);
  std::vector<std::uint64_t> found;
  for (std::size_t i = 0; i < count; ++i)
    if (const std::uint64_t f = page.fingerprints[i].load(std::memory_order_relaxed); f != 0)
      found.push_back(f);
  std::ranges::sort(found);
  found.erase(std::ranges::unique(found).begin(),
              found.end());  // one request, one strike, however many choices it asked for
  return found;
}

std::vector<std::uint64_t> Quarantine::strike(std::span<const std::uint64_t> fingerprints,
                                              base::MonotonicTime now) {
  book_.strike(fingerprints, now);
  publish(now);
  std::vector<std::uint64_t> out;
  for (const std::uint64_t f : fingerprints)
    if (book_.judge(f, now) == policy::Verdict::refuse) out.push_back(f);
  return out;
}

codec::Strikes Quarantine::strikes(base::MonotonicTime now) const {
  codec::Strikes out;
  for (const std::uint64_t f : book_.fingerprints()) {
    const policy::Verdict verdict = book_.judge(f, now);
    if (verdict == policy::Verdict::run_alone) out.alone.push_back(f);
    if (verdict == policy::Verdict::refuse) out.refuse.push_back(f);
  }
  return out;
}

void Quarantine::expire(base::MonotonicTime now) {
  if (refused_count_.load(std::memory_order_relaxed) != 0) publish(now);
}

void Quarantine::publish(base::MonotonicTime now) {
  const std::vector<std::uint64_t> refuse = strikes(now).refuse;
  std::lock_guard lock(mutex_);
  refused_ = {refuse.begin(), refuse.end()};
  refused_count_.store(refused_.size(), std::memory_order_relaxed);
}

bool Quarantine::refused(std::uint64_t fingerprint) const {
  if (refused_count_.load(std::memory_order_relaxed) == 0) return false;
  std::lock_guard lock(mutex_);
  return refused_.contains(fingerprint);
}

}  // namespace slipway::supervisor
