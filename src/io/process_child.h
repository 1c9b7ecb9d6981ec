// What a forked child does until exec: only async-signal-safe calls on memory that was prepared before the
// fork (other threads may have held any lock at that moment). Internal to io/.
#pragma once

#include <vector>

#include "io/process.h"

namespace slipway::io {

class ChildPlan {
 public:
  struct Failure {
    int reason;
    char step[28];
  };
  // `report`: where a Failure is written when exec does not happen; closes with exec.
  ChildPlan(const ProcessSpec& spec, int report);
  // In the child.
  [[noreturn]] void become();

 private:
  [[noreturn]] void fail(const char* step) const;
  void reset_signals() const;
  void arrange_descriptors();

  const ProcessSpec& spec_;
  int report_;
  pid_t parent_;
  std::vector<char*> argv_;
  std::vector<char*> envp_;
  std::vector<std::pair<int, int>> moves_;  // {a copy above every target, target}
};

}  // namespace slipway::io
