// What can be seen of a model on a cluster: its pods with their events and logs, what owns them, what they
// wait for.
//
// Blocking, a handful of calls. What the caller may not read is named in `not_looked_at`; a kind that the API
// does not serve is nothing. Threads: as the client's. Failure: as the client's; interrupted.
#pragma once

#include <string>

#include "base/result.h"
#include "domain/model_facts.h"
#include "io/patience.h"
#include "kube/client.h"

namespace slipway::kube {

// Of a model (its id or its Hugging Face id) or of one replica, for policy::causes. No pods and no owners:
// nothing is called so.
base::Result<domain::ModelFacts> model_facts(Client& api, const std::string& name_space,
                                             const std::string& model_or_replica,
                                             const io::Patience& patience);

}  // namespace slipway::kube
