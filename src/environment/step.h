// One step of an environment's life, and how it is carried out: journal, effect, journal.
#pragma once

#include <functional>
#include <string>

#include "base/result.h"
#include "environment/journal.h"
#include "io/patience.h"

namespace slipway::environment {

// What a command tells while it works.
class Watcher {
 public:
  virtual ~Watcher() = default;
  virtual void step(const std::string& title) = 0;  // begins
  virtual void kept(const std::string& title) = 0;  // was done before and still holds
  virtual void note(const std::string& text) = 0;
  virtual void warn(const std::string& text) = 0;
};

struct Step {
  std::string id;     // stable: "terraform/apply", "addon/karpenter/install"
  std::string title;  // "install karpenter 1.14.1"
  // Whether its effect still holds, given the evidence of when it was done. Empty: it is done again.
  std::function<base::Result<bool>(const Json& evidence)> holds = {};
  std::function<base::Result<Json>()> run;  // idempotent; returns the evidence
};

// The evidence, of now or of before.
base::Result<Json> perform(Journal& journal, Watcher& watcher, const io::Patience& patience,
                           const Step& step);

}  // namespace slipway::environment
