// A blueprint's variables of the cluster targets as a domain::Cluster, and as what Terraform reads.
//
// Failure: bad_value with line, column and caret. Pure.
#pragma once

#include <string>

#include "base/result.h"
#include "codec/blueprint.h"
#include "codec/tfvars.h"
#include "domain/cluster.h"

namespace slipway::codec {

// The table's defaults.
const domain::Cluster& default_cluster();

// Sets one variable; `value` has the variable's type and is not null.
base::Result<void> set_cluster_variable(domain::Cluster& cluster, const Variable& variable,
                                        const TfValue& value, const Source& source);

// The text of a *.tfvars.json file: every variable that Terraform reads, with `name` and, once known, the
// Kubernetes version filled in.
std::string terraform_variables(const domain::Blueprint& blueprint, const std::string& kubernetes_version);

}  // namespace slipway::codec
