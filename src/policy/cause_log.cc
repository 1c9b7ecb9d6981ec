// Engines have no exit codes of their own: what went wrong stands in their last lines. A sign is a set of
// words that stand together in one line; the newest line that has one counts, because what follows an error
// is its consequence and what precedes it is usually a warning.
#include <fmt/format.h>

#include <algorithm>
#include <array>
#include <cctype>
#include <ranges>

#include "base/time.h"
#include "policy/cause_parts.h"

namespace slipway::policy {
namespace {

constexpr std::size_t kLongest = 400;  // of a line of evidence
constexpr const char* kHub = "the hub refuses the model: its licence is not accepted, or there is no token";
constexpr const char* kDevice = "the accelerator's memory does not hold the model and its KV cache";
constexpr const char* kMachine = "the engine got no more memory";

struct Sign {
  Trouble trouble;
  std::array<std::string_view, 2> words;  // all of them
  const char* what;
};
constexpr auto kSigns = std::to_array<Sign>({
    {Trouble::gated_model, {"gated repo", ""}, kHub},
    {Trouble::gated_model, {"gatedrepoerror", ""}, kHub},
    {Trouble::gated_model, {"licence must be accepted", ""}, kHub},
    {Trouble::gated_model, {"access to model", "restricted"}, kHub},
    {Trouble::gated_model, {"401", "huggingface.co"}, kHub},
    {Trouble::gated_model, {"403", "huggingface.co"}, kHub},
    {Trouble::gated_model, {"401 client error", "/resolve/"}, kHub},
    {Trouble::gated_model, {"403 client error", "/resolve/"}, kHub},
    {Trouble::gated_model, {"invalid user token", ""}, "the hub does not know the token"},
    {Trouble::out_of_memory, {"cuda out of memory", ""}, kDevice},
    {Trouble::out_of_memory, {"hip out of memory", ""}, kDevice},
    {Trouble::out_of_memory, {"cuda error", "out of memory"}, kDevice},
    {Trouble::out_of_memory, {"cudamalloc failed", ""}, kDevice},
    {Trouble::out_of_memory, {"outofmemoryerror", ""}, kDevice},
    {Trouble::out_of_memory, {"no available memory for the cache blocks", ""}, kDevice},
    {Trouble::out_of_memory, {"free memory on device", "less than desired"}, kDevice},
    {Trouble::out_of_memory,
     {"larger than the maximum number of tokens", "kv cache"},
     "the KV cache that is left does not hold one request of full length"},
    {Trouble::out_of_memory, {"kv cache is needed", "larger than the available"}, kDevice},
    {Trouble::out_of_memory, {"std::bad_alloc", ""}, kMachine},
    {Trouble::out_of_memory, {"cannot allocate memory", ""}, kMachine},
    {Trouble::out_of_memory, {"memoryerror", ""}, kMachine},
});

std::string lower(std::string_view text) {
  std::string out(text);
  std::ranges::transform(out, out.begin(),
                         [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  return out;
}

std::string age(double seconds) {
  const auto whole = std::chrono::seconds(static_cast<std::int64_t>(std::max(0.0, seconds)));
  return base::human_duration(whole);
}

}  // namespace

std::optional<LogSign> sign_in(const std::vector<std::string>& lines) {
  for (const std::string& line : lines | std::views::reverse) {
    const std::string text = lower(line);
    const auto found = std::ranges::find_if(kSigns, [&](const Sign& sign) {
      return std::ranges::all_of(sign.words, [&](auto word) { return text.find(word) != std::string::npos; });
    });
    if (found != kSigns.end()) return LogSign{found->trouble, found->what, shortened(line)};
  }
  return std::nullopt;
}

bool has(std::string_view text, std::string_view part) {
  return lower(text).find(lower(part)) != std::string::npos;
}

std::string between(std::string_view text, std::string_view before, std::string_view after) {
  const std::size_t begin = text.find(before);
  if (begin == std::string_view::npos) return {};
  const std::string_view rest = text.substr(begin + before.size());
  return std::string(rest.substr(0, rest.find(after)));
}

// The middle goes: such words begin with who speaks and end with the reason.
std::string shortened(std::string_view text) {
  const auto inside = [&](std::size_t at) {  // of a character of several bytes
    return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
  };
  std::string out(text);
  if (text.size() > kLongest) {
    std::size_t head = kLongest / 2, tail = text.size() - kLongest / 2;
    while (head > 0 && inside(head)) --head;
    while (inside(tail)) ++tail;
    out = std::string(text.substr(0, head)) + " ... " + std::string(text.substr(tail));
  }
  std::ranges::replace_if(out, [](char c) { return c == '\n' || c == '\t'; }, ' ');
  while (out.ends_with(' ')) out.pop_back();
  return out;
}

std::string said(const domain::EventFact& event) {
  return fmt::format("event {}, {} ago: {}", event.reason, age(event.age_s), shortened(event.message));
}

std::string said(const domain::ConditionFact& condition) {
  std::string out = fmt::format("condition {}={}", condition.type, condition.status);
  if (!condition.reason.empty()) out += fmt::format(" ({})", condition.reason);
  if (!condition.message.empty()) out += ": " + shortened(condition.message);
  return out;
}

void add_log(const std::vector<std::string>& lines, std::size_t n, std::vector<std::string>& evidence) {
  const std::size_t skip = lines.size() > n ? lines.size() - n : 0;
  for (const std::string& line : lines | std::views::drop(skip))
    if (const std::string text = shortened(line); !text.empty()) evidence.push_back("log: " + text);
}

}  // namespace slipway::policy
