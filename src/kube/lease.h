// One of several processes leads: election by a Lease object, as Kubernetes' own controllers do it.
//
// Who holds the Lease renews it; when its record has not changed for its duration, by our own clock (clocks
// of machines differ), another takes it. A write that somebody else overtook is lost to them
// (resourceVersion). A leader that cannot renew stops leading after kRenewTime, before anybody may take over.
// Source: https://kubernetes.io/docs/concepts/architecture/leases/
// Threads: one at a time. Failure of step(): as Client's; the caller asks again after kRetry.
#pragma once

#include <string>

#include "base/time.h"
#include "kube/client.h"

namespace slipway::kube {

class Election {
 public:
  static constexpr auto kDuration = std::chrono::seconds(15);  // an unchanged record is free after this
  static constexpr auto kRenewTime =
      std::chrono::seconds(10);  // a leader without a renewal gives up after this
  static constexpr auto kRetry = std::chrono::seconds(2);

  Election(Client client, std::string name_space, std::string name, std::string identity);

  // Takes or renews. Whether we lead now.
  base::Result<bool> step(base::MonotonicTime now, base::WallTime wall);
  bool leads(base::MonotonicTime now) const { return renewed_ && now - *renewed_ < kRenewTime; }
  const std::string& holder() const { return holder_; }  // as last read
  // So that the next one need not wait. Nothing when we do not lead.
  base::Result<void> release(base::MonotonicTime now, base::WallTime wall);

 private:
  Json record(const Json& before, const std::string& holder, base::WallTime wall) const;
  base::Result<bool> write(const std::optional<Json>& before, base::MonotonicTime now, base::WallTime wall);

  Client client_;
  const std::string path_, collection_, name_space_, name_, identity_;
  std::string holder_, seen_;         // the record's resourceVersion, as last read
  base::MonotonicTime seen_since_{};  // when it became that
  std::optional<base::MonotonicTime> renewed_;
};

}  // namespace slipway::kube
