#include "control/cluster_watch.h"

#include <fmt/format.h>

#include "kube/model_pods.h"
#include "telemetry/log.h"

namespace slipway::control {
namespace {

using base::Result;
using telemetry::Level;

const kube::Resource kPods{"", "v1", "pods"}, kSlices{"discovery.k8s.io", "v1", "endpointslices"};

}  // namespace

Result<kube::Client> open_client(const ClusterAccess& access) {
  return access.kubeconfig.empty() ? kube::Client::in_cluster()
                                   : kube::Client::open(access.kubeconfig, access.context);
}

Result<std::unique_ptr<ClusterWatch>> ClusterWatch::open(const ClusterAccess& access,
                                                         std::vector<std::string> namespaces) {
  if (namespaces.empty()) {
    SLIPWAY_TRY(const kube::Client client, open_client(access));
    namespaces.push_back(client.name_space());
  }
  std::unique_ptr<ClusterWatch> out(new ClusterWatch(namespaces));
  for (const std::string& name : namespaces) SLIPWAY_RETURN_IF_ERROR(out->watch(access, name));
  return out;
}

ClusterWatch::ClusterWatch(std::vector<std::string> namespaces)
    : view_(std::move(namespaces)), publisher_([this](const std::stop_token& stop) { run(stop); }) {}

Result<void> ClusterWatch::watch(const ClusterAccess& access, const std::string& name_space) {
  const auto follow = [&](const kube::Resource& resource, const char* plural, auto&& take) -> Result<void> {
    SLIPWAY_TRY(kube::Client client, open_client(access));
    const std::string subject = fmt::format("{} of {}", plural, name_space);
    {
      const std::lock_guard lock(mutex_);
      unlisted_.insert(subject);
    }
    informers_.push_back(std::make_unique<kube::Informer>(
        std::move(client),
        kube::Informer::Options{.path = resource.path(name_space), .selector = kube::kModelLabel},
        [this, subject, take](const kube::WatchedSet::Objects& objects, const std::string& error) {
          changed(subject, error, [&] { take(objects); });
        }));
    return {};
  };
  SLIPWAY_RETURN_IF_ERROR(follow(kPods, "pods", [this, name_space](const auto& objects) {
    view_.set_pods(name_space, kube::pods_sighted(objects));
  }));
  return follow(kSlices, "endpoint slices", [this, name_space](const auto& objects) {
    view_.set_slices(name_space, kube::slices_sighted(objects));
  });
}

void ClusterWatch::changed(const std::string& subject, const std::string& error,
                           const std::function<void()>& take) {
  const std::lock_guard lock(mutex_);
  if (!error.empty()) {
    if (failing_.insert(subject).second)
      telemetry::log(Level::warn, "cluster_watch",
                     fmt::format("the {} cannot be watched; what is known stands: {}", subject, error));
    return;
  }
  if (failing_.erase(subject) > 0)
    telemetry::log(Level::info, "cluster_watch", fmt::format("the {} are watched again", subject));
  take();
  unlisted_.erase(subject);
  changed_ = true;
  wake_.notify_one();
}

void ClusterWatch::run(const std::stop_token& stop) {
  std::unique_lock lock(mutex_);
  while (wake_.wait(lock, stop, [this] { return changed_; })) {
    changed_ = false;
    if (unlisted_.empty()) {
      const std::size_t left_out = view_.left_out();
      published_.publish(std::make_shared<const domain::Snapshot>(view_.snapshot()));
      if (view_.left_out() > left_out)
        telemetry::log(Level::error, "replicas_left_out",
                       fmt::format("{} replicas are more than a gateway serves ({})", view_.left_out(),
                                   domain::kMaxReplicas));
    }
    wake_.wait_for(lock, stop, kSettle, [] { return false; });
  }
}

}  // namespace slipway::control
