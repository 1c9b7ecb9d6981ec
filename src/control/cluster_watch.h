// What a gateway in a cluster knows: the pods and EndpointSlices of the models' namespaces, kept current, and
// published as Snapshots.
//
// An API server that does not answer changes nothing: the last Snapshot stands, and that is logged. Version 0
// of the Snapshot means that not everything was listed yet.
// Threads: open() and destruction by the owner; two threads a namespace watch, and one more makes Snapshots,
// at most one every kSettle, so that a burst of events costs one. Failure of open(): as kube::Client's.
#pragma once

#include <condition_variable>
#include <filesystem>
#include <memory>
#include <mutex>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "base/published.h"
#include "base/result.h"
#include "control/cluster_view.h"
#include "kube/informer.h"

namespace slipway::control {

struct ClusterAccess {
  std::filesystem::path kubeconfig;  // empty: this is a pod, and its service account counts
  std::string context;               // of the kubeconfig; empty: its current one
};
base::Result<kube::Client> open_client(const ClusterAccess& access);

class ClusterWatch {
 public:
  static constexpr auto kSettle = std::chrono::milliseconds(10);

  // No `namespaces`: the client's own.
  static base::Result<std::unique_ptr<ClusterWatch>> open(const ClusterAccess& access,
                                                          std::vector<std::string> namespaces);

  const base::Published<domain::Snapshot>& snapshot() const { return published_; }

 private:
  explicit ClusterWatch(std::vector<std::string> namespaces);
  base::Result<void> watch(const ClusterAccess& access, const std::string& name_space);
  void changed(const std::string& subject, const std::string& error, const std::function<void()>& take);
  void run(const std::stop_token& stop);

  base::Published<domain::Snapshot> published_;
  std::mutex mutex_;  // over the five below
  std::condition_variable_any wake_;
  ClusterView view_;
  std::set<std::string> unlisted_, failing_;  // "pods of models"
  bool changed_ = false;
  // In this order: who writes ends before what it writes into.
  std::jthread publisher_;
  std::vector<std::unique_ptr<kube::Informer>> informers_;
};

}  // namespace slipway::control
