#include "worker/answer_text.h"

#include <algorithm>

namespace slipway::worker {
namespace {

// Bytes at the end that begin a UTF-8 character whose rest has not come yet: 0 to 3.
std::size_t unfinished_character(std::string_view text) {
  for (std::size_t back = 1; back <= std::min<std::size_t>(3, text.size()); ++back) {
    const auto byte = static_cast<unsigned char>(text[text.size() - back]);
    if ((byte & 0xC0) == 0x80) continue;  // a continuation byte
    const std::size_t wanted = byte >= 0xF0 && byte <= 0xF4 ? 4 : byte >= 0xE0 ? 3 : byte >= 0xC2 ? 2 : 1;
    return byte <= 0xF4 && wanted > back ? back : 0;
  }
  return 0;
}

}  // namespace

std::size_t AnswerText::held_back() const {
  std::size_t held = unfinished_character(held_);
  for (const std::string& stop : stops_) {
    for (std::size_t length = std::min(stop.size() - 1, held_.size()); length > held; --length) {
      if (!held_.ends_with(std::string_view(stop).substr(0, length))) continue;
      held = length;
      break;
    }
  }
  return held;
}

bool AnswerText::add(std::string_view piece, std::string& out) {
  if (held_.empty() && stops_.empty() && unfinished_character(piece) == 0) {
    out += piece;
    return false;
  }
  held_ += piece;
  std::size_t first = std::string::npos;
  for (const std::string& stop : stops_) first = std::min(first, held_.find(stop));
  if (first != std::string::npos) {
    out.append(held_, 0, first);
    held_.clear();
    return true;
  }
  const std::size_t ready = held_.size() - held_back();
  out.append(held_, 0, ready);
  held_.erase(0, ready);
  return false;
}

void AnswerText::finish(std::string& out) {
  out += held_;
  held_.clear();
}

}  // namespace slipway::worker
