// What the front door reads of a replica's answer: is it an object at all, and what did it use.
// Threads: one an AnswerReader, which keeps its buffers. Failure: none; what is no object says so.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string_view>

namespace slipway::codec {

struct Usage {
  std::uint64_t prompt_tokens = 0;
  std::uint64_t completion_tokens = 0;
  std::uint64_t cached_tokens = 0;
};

struct AnswerFacts {
  bool object = false;         // valid JSON, and an object
  std::optional<Usage> usage;  // its `usage` object, if it has one
};

class AnswerReader {
 public:
  AnswerReader();
  ~AnswerReader();
  AnswerFacts read(std::string_view json);

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace slipway::codec
