// A cluster's API, spoken by ourselves: get, list, watch, server-side apply, scale, delete.
//
// Who we are comes from a kubeconfig (certificates, tokens, exec plugins) or, in a pod, from its service
// account; tokens are read again before they expire. Paths are the API's own. Blocking; one thread at a time:
// a watch needs a client of its own. Failure: unreachable_endpoint, no_credentials, access_denied,
// kubernetes_failed with the API's words (param() is its `reason`), conflict as param() "Conflict", timeout,
// interrupted.
// Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
#pragma once

#include <atomic>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "codec/json_view.h"
#include "codec/kubeconfig.h"
#include "io/rest.h"

namespace slipway::kube {

using codec::Json;

inline constexpr std::string_view kFieldManager = "slipway";

// A kind of objects as the API's paths name it.
struct Resource {
  std::string group;    // "apps"; empty: the core group
  std::string version;  // "v1"
  std::string plural;   // "deployments"
  // "/apis/apps/v1/namespaces/x/deployments/y"; without a namespace of all of them, without a name all of it.
  std::string path(std::string_view name_space = {}, std::string_view name = {}) const;
};

// One line of a watch.
struct WatchEvent {
  std::string type;  // "ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"
  Json object;
};

class Client {
 public:
  static base::Result<Client> open(const std::filesystem::path& kubeconfig, const std::string& context = {});
  static base::Result<Client> in_cluster();

  base::Result<std::string> text(const std::string& path);  // what is no JSON: a log
  // The same, asked once, within `limit`: of a pod's own server behind the API server.
  base::Result<std::string> text_once(const std::string& path, base::Duration limit);
  base::Result<std::optional<Json>> get(const std::string& path);  // nothing when it is not there
  // All pages: {"metadata": {"resourceVersion"}, "items"}. `selector`: label selector, may be empty.
  base::Result<Json> list(const std::string& path, const std::string& selector = {});
  // The same with nothing but each object's metadata: what a Secret holds stays where it is.
  base::Result<Json> list_metadata(const std::string& path, const std::string& selector = {});
  // From just after `resource_version` until the server ends it (5 minutes), which is no failure. A version
  // that is too old is kubernetes_failed with param() "Expired". A server that is gone without a word is
  // noticed within 25 s (io/rest.h); one that hangs with its connections open when the watch is over.
  base::Result<void> watch(const std::string& path, const std::string& selector,
                           const std::string& resource_version,
                           const std::function<base::Result<void>(WatchEvent)>& on_event,
                           const std::atomic<bool>* cancelled = nullptr);
  // Server-side apply under kFieldManager; takes fields over from others. `dry_run`: checked, not kept.
  base::Result<Json> apply(const std::string& path, const Json& object, bool dry_run = false);
  base::Result<Json> create(const std::string& path, const Json& object);
  base::Result<Json> replace(const std::string& path, const Json& object);  // its resourceVersion must match
  base::Result<void> scale(const std::string& path, int replicas);
  base::Result<bool> erase(const std::string& path);  // false: it was not there

  const std::string& name_space() const { return access_.name_space; }
  const std::string& server() const { return access_.server; }

 private:
  explicit Client(codec::KubeAccess access) : access_(std::move(access)) {}
  base::Result<void> connect();
  base::Result<void> authenticate();  // a token that is fresh enough
  base::Result<io::RestAnswer> call(io::RestCall call);
  base::Result<Json> pages(const std::string& path, const std::string& selector,
                           const std::vector<std::string>& headers);
  base::Result<std::string> body_of(io::RestCall call);  // of a success
  base::Result<Json> answered(io::RestCall call);

  codec::KubeAccess access_;
  std::optional<io::RestClient> rest_;
  std::string token_;
  base::MonotonicTime token_until_ = base::MonotonicTime::min();
};

}  // namespace slipway::kube
