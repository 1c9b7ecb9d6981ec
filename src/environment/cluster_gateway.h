// Slipway's own chart on a cluster of somebody's: gateways and a controller, in the namespace
// kGatewayNamespace.
//
// The first installation makes the Secret of keys with one key for clients in it, which is returned then and
// kept nowhere else, and one for Prometheus (entry `metrics`, scope admin); pods wait for it. What is not of
// this environment is never taken over. Blocking; threads: main. Failure: name_conflict where the namespace
// or the release is another's; of kube::Client and kube::Helm.
#pragma once

#include <string>

#include "base/result.h"
#include "environment/models.h"

namespace slipway::environment {

inline constexpr const char* kGatewayNamespace = "slipway";
inline constexpr const char* kEnvironmentLabel = "slipway.dev/environment";

struct InstalledGateway {
  std::string address;  // in the cluster: "http://slipway-gateway.slipway:8000/v1"
  std::string key;      // empty: the Secret was there before
};

// What was installed before is upgraded. `image`: "registry.example.org/slipway:0.1.0", or with
// "@sha256:...". Does not wait until it is ready.
base::Result<InstalledGateway> install_gateway(ClusterModels& models, const std::string& environment,
                                               const std::string& image, bool installed_before);
// With its namespace and keys, where install_gateway made them. False: there was none.
base::Result<bool> remove_gateway(ClusterModels& models, const std::string& environment);

// The namespace, made where it is not there; whether it was made. One that is being taken away is waited for.
// `level`: of Pod Security, enforced.
base::Result<bool> make_namespace(kube::Client& api, const std::string& name, const std::string& environment,
                                  const std::string& level, const io::Patience& patience);
// The environment that made the namespace; empty: none of ours, or it is not there.
base::Result<std::string> maker_of(kube::Client& api, const std::string& name_space);
// repository, tag and digest of the chart's values.
base::Result<Json> image_values(const std::string& image);

}  // namespace slipway::environment
