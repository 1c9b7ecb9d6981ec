// The verbs of target "eks": what `up`, `down` and `status` do when the environment is in the cloud.
//
// The work is environment/; here are options, questions and how receipts look. Threads: main.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/blueprint_settings.h"
#include "cli/interrupt.h"
#include "cli/progress.h"
#include "cli/verb.h"
#include "cloud/terraform.h"
#include "environment/plan.h"
#include "environment/session.h"
#include "io/patience.h"

namespace slipway::cli {

std::string today();  // "2026-11-24", UTC
// The region's own price list after `slipway prices refresh`, else the built-in one.
base::Result<domain::PriceList> prices_for(const std::string& region);

struct CloudUpOptions {
  BlueprintSources sources;
  bool allow_my_ip = false;  // adds this machine's address to allowed_inbound_cidrs
  bool reachable = false;    // the private endpoint will be reached another way
  bool check_pools = false;  // start a pod on every node pool at the end
};
base::Result<int> cloud_up(Invocation& invocation, const LoadedBlueprint& loaded,
                           const CloudUpOptions& options);

struct CloudDownOptions {
  std::string name;
  std::string file;
  std::string confirm;
  bool dry_run = false;
};
base::Result<int> cloud_down(Invocation& invocation, const CloudDownOptions& options);

base::Result<int> cloud_status(Invocation& invocation, const std::string& name);

// For `plan --live`: what Terraform would change; fills in the limits of `plan`'s quotas.
base::Result<cloud::Change> cloud_difference(Invocation& invocation, const domain::Blueprint& blueprint,
                                             environment::Plan& plan);
std::string change_text(const cloud::Change& change);

// Whether this machine knows an environment of that name in the cloud.
bool is_cloud_environment(const std::string& name);

// What the commands say while they work: a line a step, and what is being waited for.
class CloudWatcher final : public environment::Watcher {
 public:
  CloudWatcher(Console& console, bool quiet) : console_(console), quiet_(quiet), progress_(console, quiet) {}
  void step(const std::string& title) override;
  void kept(const std::string& title) override;
  void done(const std::string& text);  // a part of the step; a line as step() has it
  void note(const std::string& text) override;
  void warn(const std::string& text) override;
  void waiting(std::string_view what, base::Duration elapsed);
  void finish() { progress_.finish(); }

 private:
  Console& console_;
  const bool quiet_;
  Progress progress_;
  std::string title_;
  base::MonotonicTime start_ = base::monotonic_now();
};

// What a command in the cloud or on a cluster works under: Ctrl-C, progress, and waits that know of both.
struct Work {
  explicit Work(Invocation& invocation, bool quiet) : watcher(invocation.console, quiet) {}
  explicit Work(Invocation& invocation) : Work(invocation, invocation.globals.quiet) {}
  Work(const Work&) = delete;
  Work& operator=(const Work&) = delete;

  Interrupt interrupt;
  CloudWatcher watcher;
  const io::Patience patience = patience_for(watcher);

 private:
  static io::Patience patience_for(CloudWatcher& watcher);
};

}  // namespace slipway::cli
