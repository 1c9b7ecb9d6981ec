// Any bytes in any cut: the relayed events, the counts and the usage are those of the uncut bytes.
#include <cstdlib>

#include "codec/sse.h"

namespace {

struct Run {
  std::string out;
  bool failed = false;
  std::uint64_t events = 0, tokens = 0;
  bool done = false, error = false;
};

Run run(std::string_view bytes, std::size_t step, bool keep_usage) {
  slipway::codec::SseRelay sse(keep_usage, 1 << 20);
  Run r;
  while (!bytes.empty() && !r.failed) {
    const std::string_view piece = bytes.substr(0, step);
    bytes.remove_prefix(piece.size());
    const auto out = sse.feed(piece);
    if (out)
      r.out += *out;
    else
      r.failed = true;
  }
  r.events = sse.data_events(), r.done = sse.done(), r.error = sse.error();
  if (const auto usage = sse.usage()) r.tokens = usage->prompt_tokens;
  return r;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  if (size < 2) return 0;
  const bool keep_usage = data[0] & 1;
  const std::size_t step = 1 + (data[0] >> 1);
  const std::string_view bytes(reinterpret_cast<const char*>(data) + 1, size - 1);
  const Run whole = run(bytes, bytes.size(), keep_usage);
  const Run cut = run(bytes, step, keep_usage);
  if (whole.failed != cut.failed) std::abort();
  if (whole.failed) return 0;
  if (whole.out != cut.out || whole.events != cut.events || whole.tokens != cut.tokens ||
      whole.done != cut.done || whole.error != cut.error)
    std::abort();
  if (keep_usage && !bytes.starts_with(whole.out)) std::abort();
  return 0;
}
