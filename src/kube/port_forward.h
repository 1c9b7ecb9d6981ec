// A way from this machine to a pod or a Service of a cluster, by the child `kubectl port-forward`.
//
// The address is one of loopback, as long as this lives. Threads: main (a child dies with the thread that
// started it); blocking until the way is there. Failure: dependency_missing without kubectl,
// unreachable_endpoint with kubectl's last words, timeout.
#pragma once

#include <filesystem>
#include <string>

#include "base/result.h"
#include "domain/replica.h"
#include "io/process.h"

namespace slipway::kube {

class PortForward {
 public:
  // `target`: "pod/NAME" or "service/NAME".
  static base::Result<PortForward> open(const std::filesystem::path& kubeconfig, const std::string& context,
                                        const std::string& name_space, const std::string& target,
                                        std::uint16_t port);
  const domain::Endpoint& local() const { return local_; }

 private:
  PortForward(io::Process child, io::Fd output, domain::Endpoint local)
      : child_(std::move(child)), output_(std::move(output)), local_(std::move(local)) {}
  io::Process child_;
  io::Fd output_;  // open, so that what the child says later does not end it
  domain::Endpoint local_;
};

}  // namespace slipway::kube
