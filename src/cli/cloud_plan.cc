#include <fmt/format.h>

#include "cli/cloud.h"
#include "environment/preflight.h"
#include "environment/up.h"

namespace slipway::cli {

base::Result<cloud::Change> cloud_difference(Invocation& invocation, const domain::Blueprint& blueprint,
                                             environment::Plan& plan) {
  Work work(invocation);
  SLIPWAY_TRY(const io::Paths paths, io::user_paths());
  SLIPWAY_TRY(auto session, environment::Session::open({.paths = paths,
                                                        .name = blueprint.name,
                                                        .region = blueprint.cluster.region,
                                                        .command = "slipway plan --live",
                                                        .patience = work.patience,
                                                        .watcher = work.watcher}));
  work.watcher.step("ask for quotas");
  SLIPWAY_TRY(const auto unasked, environment::read_quotas(session->aws(), plan.quotas));
  for (const std::string& name : unasked)
    work.watcher.warn(fmt::format("the quota \"{}\" could not be read", name));
  work.watcher.step("compare with what exists");
  return environment::difference(*session, {.blueprint = blueprint,
                                            .blueprint_text = {},
                                            .flags = {},
                                            .plan = plan,
                                            .slipway_version = SLIPWAY_VERSION,
                                            .agree = {}});
}

std::string change_text(const cloud::Change& change) {
  if (change.none()) return "\nTerraform sees no difference to what exists.\n";
  std::string out = fmt::format("\nTerraform will create {}, change {}, replace {} and destroy {}:\n",
                                change.count("create"), change.count("update"), change.count("replace"),
                                change.count("delete"));
  for (const cloud::ResourceChange& r : change.resources)
    out += fmt::format("  {:8} {}\n", r.action, r.address);
  return out;
}

}  // namespace slipway::cli
