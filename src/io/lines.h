// Reads a pipe line by line on a loop, for a child's control pipe and its output.
//
// Ownership: the reader owns the descriptor; destroying it stops the calls. Threads: the loop's. Bounds: a
// line longer than `max_line` is handed out in pieces of that size; one read takes at most 16 KiB, so a flood
// cannot hold the loop.
#pragma once

#include <functional>
#include <memory>
#include <string_view>

#include "io/loop.h"
#include "io/process.h"

namespace slipway::io {

class LineReader {
 public:
  // `on_line` gets each line without its "\n" (and without a "\r" before it); `on_end` runs once, after the
  // last line, at end of file. Neither may destroy the reader.
  LineReader(Loop& loop, Fd fd, std::size_t max_line, std::function<void(std::string_view)> on_line,
             std::function<void()> on_end = {});
  ~LineReader();
  LineReader(LineReader&&) noexcept;
  LineReader& operator=(LineReader&&) noexcept;

 private:
  struct Impl;
  std::shared_ptr<Impl> impl_;
};

}  // namespace slipway::io
