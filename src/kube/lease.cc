#include "kube/lease.h"

namespace slipway::kube {
namespace {

using base::Result;
using codec::field, codec::number, codec::text;

const Resource kLeases{"coordination.k8s.io", "v1", "leases"};

// The API's MicroTime.
std::string micro_time(base::WallTime wall) {
  std::string out = base::to_rfc3339(wall);
  out.insert(out.size() - 1, "000");
  return out;
}

}  // namespace

Election::Election(Client client, std::string name_space, std::string name, std::string identity)
    : client_(std::move(client)),
      path_(kLeases.path(name_space, name)),
      collection_(kLeases.path(name_space)),
      name_space_(std::move(name_space)),
      name_(std::move(name)),
      identity_(std::move(identity)) {}

Json Election::record(const Json& before, const std::string& holder, base::WallTime wall) const {
  const Json& old = field(before, "spec");
  const bool is_change = text(old, "holderIdentity") != holder;
  Json out = before.is_object() ? before
                                : Json{{"apiVersion", "coordination.k8s.io/v1"},
                                       {"kind", "Lease"},
                                       {"metadata", {{"name", name_}, {"namespace", name_space_}}}};
  out["spec"] = {
      {"holderIdentity", holder},
      {"leaseDurationSeconds", std::chrono::seconds(kDuration).count()},
      {"acquireTime", is_change ? micro_time(wall) : text(old, "acquireTime")},
      {"renewTime", micro_time(wall)},
      {"leaseTransitions", static_cast<int>(number(old, "leaseTransitions")) + (is_change ? 1 : 0)}};
  return out;
}

Result<bool> Election::write(const std::optional<Json>& before, base::MonotonicTime now,
                             base::WallTime wall) {
  const Json next = record(before.value_or(Json()), identity_, wall);
  const Result<Json> written = before ? client_.replace(path_, next) : client_.create(collection_, next);
  if (!written) {
    const std::string& reason = written.error().param();
    if (reason == "Conflict" || reason == "AlreadyExists") return false;  // another was quicker
    return written.error();
  }
  renewed_ = now;
  holder_ = identity_;
  return true;
}

Result<bool> Election::step(base::MonotonicTime now, base::WallTime wall) {
  SLIPWAY_TRY(const auto lease, client_.get(path_));
  if (!lease) return write(std::nullopt, now, wall);
  const std::string version = text(field(*lease, "metadata"), "resourceVersion");
  if (version != seen_) {
    seen_ = version;
    seen_since_ = now;
  }
  holder_ = text(field(*lease, "spec"), "holderIdentity");
  const bool is_free = holder_.empty() || now - seen_since_ >= kDuration;
  if (holder_ == identity_ || is_free) return write(lease, now, wall);
  renewed_.reset();
  return false;
}

Result<void> Election::release(base::MonotonicTime now, base::WallTime wall) {
  if (!leads(now)) return {};
  renewed_.reset();
  SLIPWAY_TRY(const auto lease, client_.get(path_));
  if (!lease || text(field(*lease, "spec"), "holderIdentity") != identity_) return {};
  SLIPWAY_TRY(const Json written, client_.replace(path_, record(*lease, "", wall)));
  return {};
}

}  // namespace slipway::kube
