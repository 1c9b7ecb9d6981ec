// What the daemon decides before it starts anything: which worker program, which models, whether keys are
// needed.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "control/daemon.h"
#include "control/resolve.h"
#include "domain/key.h"
#include "io/http.h"

namespace slipway::control {

// options.worker, else $SLIPWAY_WORKER, else slipway-worker beside this executable. worker_missing names what
// was looked for.
base::Result<std::filesystem::path> find_worker(const DaemonOptions& options);

// The built-in catalogue and, over it, every *.yaml of the blueprint's catalog_dir in order of their names.
// A relative folder is relative to the blueprint's own.
base::Result<codec::Catalog> load_catalog(const domain::Blueprint& blueprint);

// The blueprint's models, read and resolved, so that a bad values file stops `up` before anything runs.
// Values files are relative to the blueprint's own folder. Without models and without stored deployments: the
// embedded model.
base::Result<std::vector<Asked>> wanted_models(const DaemonOptions& options, const codec::Catalog& catalog,
                                               const policy::Hardware& hardware, bool has_deployments);

// The address of the gateway. key_required off loopback without a usable key.
base::Result<domain::Endpoint> gateway_address(const domain::Blueprint& blueprint,
                                               const domain::KeySet& keys);

// "http://127.0.0.1:8000"; a wildcard address becomes the loopback one.
std::string url_of(const domain::Endpoint& endpoint);

}  // namespace slipway::control
