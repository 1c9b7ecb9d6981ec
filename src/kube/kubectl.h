// A cluster's API through the `kubectl` program, with a kubeconfig that Slipway wrote.
//
// Apply is server-side under the field manager `slipway`. Blocking; threads: main. Failure:
// kubernetes_failed with the API's words, unreachable_endpoint, addon_failed, interrupted, timeout.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json_view.h"
#include "io/patience.h"
#include "io/tool.h"

namespace slipway::kube {

using codec::Json;

io::ToolNeed kubectl_need();

struct ClusterAccess {
  std::string name;
  std::string endpoint;
  std::string certificate;  // base64
  std::string region;
};
// The text of a kubeconfig: credentials are fetched by `aws eks get-token`, nothing secret is in it.
std::string kubeconfig_text(const ClusterAccess& access);

// One object's place.
struct ObjectRef {
  std::string kind, name, name_space;
  std::string words() const;  // "Deployment karpenter/karpenter"
};

class Kubectl {
 public:
  // `patience` must outlive this.
  Kubectl(io::Tool tool, std::filesystem::path kubeconfig, const io::Patience& patience)
      : tool_(std::move(tool)), kubeconfig_(std::move(kubeconfig)), patience_(patience) {}

  // The API server says it is ready.
  base::Result<void> ready();
  base::Result<void> apply(const std::string& manifests);  // YAML or JSON, one or more objects
  base::Result<void> apply_url(const std::string& url);
  base::Result<std::optional<Json>> get(const ObjectRef& ref);  // nothing when it is not there
  // Every object of a kind in all namespaces; empty when the cluster does not know the kind.
  base::Result<Json> list(const std::string& kind);
  // Asks for deletion and waits for the end; an object that is not there is fine.
  base::Result<void> erase(const ObjectRef& ref, base::Duration limit);
  // Takes the finalizers off, for an object whose controller is gone.
  base::Result<void> release(const ObjectRef& ref);
  // Waits until the object works; what that means depends on its kind.
  base::Result<void> wait_healthy(const ObjectRef& ref, base::Duration limit);

  const std::filesystem::path& kubeconfig() const { return kubeconfig_; }
  const io::Patience& patience() const { return patience_; }

 private:
  base::Result<io::ToolAnswer> call(std::vector<std::string> arguments, std::string input,
                                    base::Duration limit);
  io::Tool tool_;
  std::filesystem::path kubeconfig_;
  const io::Patience& patience_;
};

// Whether an object works, and if not, what is missing in words. Pure.
struct Health {
  bool healthy = false;
  std::string why;
};
Health health_of(const std::string& kind, const Json& object);

}  // namespace slipway::kube
