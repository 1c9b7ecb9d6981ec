// The controller in a cluster: `slipway serve --role controller`. Several run, one leads by a Lease.
//
// The leader looks at the models of its namespaces and writes down why one is not ready: an Event on the pod
// (reason `Why`, the sentence of policy/cause with the next command), so that `kubectl describe` and every
// tool that shows events says it too. A cause is written once, and again when it is another. A model that is
// on its way as it should be gets none. Threads: main; one more for the API, which run_controller waits for
// at most kGoodbye. Failure: no_credentials and the like at the start; later ones are logged, and it goes on.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "control/cluster_watch.h"

namespace slipway::control {

struct ControllerOptions {
  ClusterAccess access;
  std::vector<std::string> namespaces;       // of models; empty: the client's own
  std::string lease = "slipway-controller";  // in the client's own namespace
  std::string identity;                      // empty: the host's name, which in a pod is the pod's
};

// Until SIGTERM or SIGINT; then it lets go of the Lease, so that another leads at once.
base::Result<void> run_controller(const ControllerOptions& options);

}  // namespace slipway::control
