// One command's hold on one environment in the cloud: its folder, the lock, the journal and the programs.
//
// <state>/<name>/{lock, lock.json, journal.db, kubeconfig, platform/, terraform.tfstate, terraform.log}.
// Ownership: the lock is held until this is destroyed. Threads: main. Failure: foreign_lock, state_newer,
// dependency_missing, no_credentials, wrong_account.
#pragma once

#include <filesystem>
#include <memory>
#include <string>

#include "base/result.h"
#include "cloud/aws.h"
#include "cloud/terraform.h"
#include "environment/journal.h"
#include "environment/lock.h"
#include "environment/step.h"
#include "io/files.h"
#include "io/patience.h"
#include "kube/helm.h"
#include "kube/kubectl.h"

namespace slipway::environment {

struct Workspace {
  std::filesystem::path folder;
  std::filesystem::path platform;  // terraform/, charts/, addons/
  std::filesystem::path kubeconfig;
  std::filesystem::path journal;
  std::filesystem::path terraform_state;  // with state = "local"
};
base::Result<Workspace> workspace_of(const io::Paths& paths, const std::string& name);
// True when `name` is an environment in the cloud that this machine knows.
bool known(const Workspace& where);

// Every program that an environment needs, in the order of use; the first that is missing or old fails.
std::vector<io::ToolNeed> tool_needs();

struct SessionInput {
  io::Paths paths;
  std::string name;
  std::string region;
  std::string command;           // "slipway up", for others who meet the lock
  const io::Patience& patience;  // with the watcher, must outlive the session
  Watcher& watcher;
};

class Session {
 public:
  // Takes the lock and asks AWS who we are. An environment of another account is wrong_account.
  static base::Result<std::unique_ptr<Session>> open(const SessionInput& input);

  const std::string& name() const { return name_; }
  const Workspace& where() const { return where_; }
  const cloud::Identity& identity() const { return identity_; }
  Journal& journal() { return journal_; }
  cloud::Aws& aws() { return aws_; }
  cloud::Terraform& terraform() { return terraform_; }
  kube::Kubectl& kubectl() { return kubectl_; }
  kube::Helm& helm() { return helm_; }
  Watcher& watcher() { return watcher_; }
  const io::Patience& patience() const { return patience_; }
  base::Result<Json> perform(const Step& step) {
    return environment::perform(journal_, watcher_, patience_, step);
  }

 private:
  struct Tools {
    io::Tool terraform, aws, helm, kubectl;
  };
  Session(const SessionInput& input, Workspace where, ApplyLock lock, Journal journal, const Tools& tools);

  std::string name_;
  Workspace where_;
  ApplyLock lock_;
  Journal journal_;
  const io::Patience& patience_;
  Watcher& watcher_;
  cloud::Aws aws_;
  cloud::Terraform terraform_;
  kube::Kubectl kubectl_;
  kube::Helm helm_;
  cloud::Identity identity_;
};

}  // namespace slipway::environment
