// The Snapshot of a gateway in a cluster, made from what was sighted in its namespaces. Pure.
//
// A model's id is its service name; where two namespaces have the same, it is the first one's of the list,
// and the other's is "namespace/name". A replica keeps its slot while it is sighted. More replicas than
// slots: the last ones by name are left out and counted.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "control/slots.h"
#include "domain/replica.h"
#include "kube/endpoints.h"

namespace slipway::control {

class ClusterView {
 public:
  explicit ClusterView(std::vector<std::string> namespaces) : namespaces_(std::move(namespaces)) {}

  // Everything that one namespace has of one kind, in place of what was known.
  void set_pods(const std::string& name_space, std::vector<kube::ReplicaSighting> sighted) {
    spaces_[name_space].pods = std::move(sighted);
  }
  void set_slices(const std::string& name_space, std::vector<kube::ReplicaSighting> sighted) {
    spaces_[name_space].slices = std::move(sighted);
  }

  // The next version; 1 is the first.
  domain::Snapshot snapshot();
  std::size_t left_out() const { return left_out_; }

 private:
  struct Space {
    std::vector<kube::ReplicaSighting> pods, slices;
  };
  std::optional<std::uint32_t> slot_of(const std::string& replica);
  domain::Model model_of(const std::string& space, const std::vector<const kube::ReplicaSighting*>& replicas);
  void give_back_unseen(const std::map<std::string, std::vector<kube::ReplicaSighting>>& seen);

  const std::vector<std::string> namespaces_;
  std::map<std::string, Space> spaces_;
  Slots slots_;
  std::map<std::string, std::uint32_t> taken_;  // by "namespace/replica"
  std::uint64_t version_ = 0;
  std::size_t left_out_ = 0;
};

}  // namespace slipway::control
