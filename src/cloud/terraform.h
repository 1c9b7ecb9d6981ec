// Terraform on the folder platform/terraform of one environment.
//
// Plans are saved and shown before they are applied. Apply and destroy run as processes of their own session
// (background.h): kill -9 of Slipway does not stop them, and settle() of the next run waits for them, pushes
// a state that could not be written (errored.tfstate), and then everything goes on. A lock that a dead run
// of this machine left is removed; any other names its owner. Blocking; threads: main.
//
// Failure: terraform_failed with Terraform's words, AWS's codes where AWS refused (aws_error.h),
// foreign_lock, interrupted, timeout.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "cloud/background.h"
#include "codec/json_view.h"
#include "io/patience.h"
#include "io/tool.h"

namespace slipway::cloud {

using codec::Json;

io::ToolNeed terraform_need();

struct ResourceChange {
  std::string address;  // "aws_eks_cluster.this"
  std::string type;
  std::string action;  // "create", "update", "delete", "replace", "import"
  Json planned;        // its attributes afterwards, as far as known
};

struct Change {
  std::vector<ResourceChange> resources;  // without those that stay
  bool outputs = false;                   // only outputs differ
  int count(std::string_view action) const;
  bool none() const { return resources.empty() && !outputs; }
};

class Terraform {
 public:
  // `folder` holds the *.tf files, `state` gets log and pid. `patience` must outlive this.
  Terraform(io::Tool tool, std::filesystem::path folder, const std::filesystem::path& state,
            const io::Patience& patience);

  // The process of a former run, while it lives.
  std::optional<pid_t> former_run() const { return living(files_, folder_.string()); }
  // The last run could not write its state where it belongs: it lies in the folder.
  bool unsaved_state() const;
  // Waits for a living former run and rescues its state.
  base::Result<void> settle();
  base::Result<void> init();
  // `targets`: only these addresses and what they need.
  base::Result<Change> plan(const std::vector<std::string>& targets = {}, bool destroy = false);
  // Carries out the last plan().
  base::Result<void> apply();
  base::Result<Json> outputs();  // name -> value
  base::Result<void> import_resource(const std::string& address, const std::string& id);
  // The errors of the last apply(): address and words.
  struct Failure {
    std::string address, words;
  };
  const std::vector<Failure>& failures() const { return failures_; }

 private:
  base::Result<io::ToolAnswer> call(std::vector<std::string> arguments, bool may_unlock = true);
  base::Result<bool> unlock(const std::string& words);
  base::Error failed(std::string_view doing, const std::string& words) const;

  io::Tool tool_;
  std::filesystem::path folder_;
  BackgroundFiles files_;
  const io::Patience& patience_;
  std::vector<Failure> failures_;
};

// Parts, for tests.
Change read_change(const Json& shown_plan);
struct StateLock {
  std::string id, who;
};
// From Terraform's message about a lock that it did not get.
std::optional<StateLock> read_lock(std::string_view words);

}  // namespace slipway::cloud
