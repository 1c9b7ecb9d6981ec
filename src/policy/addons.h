// Which add-ons an environment gets, and why. Pure.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "domain/addon.h"
#include "domain/cluster.h"

namespace slipway::policy {

struct AddonDecision {
  const domain::Addon* addon = nullptr;
  bool on = false;
  std::string why = {};  // "enable_kuberay_operator is true"
};

// One a known add-on, in the order given (by wave: the order of installing). An add-on that is on because
// another one needs it is decided after those.
std::vector<AddonDecision> decide_addons(const domain::Cluster& cluster,
                                         std::span<const domain::Addon> addons);
// Copies of those that are on.
std::vector<domain::Addon> addons_on(std::span<const AddonDecision> decisions);

}  // namespace slipway::policy
