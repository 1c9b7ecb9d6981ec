// Which Kubernetes version an environment gets, what it costs to stay on it, and how to raise it.
//
// Source: the EKS release calendar: 14 months of standard support, then 12 of extended support at a price.
// Dates are days as "2026-11-24". Pure.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "domain/price.h"

namespace slipway::policy {

enum class Support { standard, extended, ended };

struct VersionChoice {
  domain::EksVersion version = {};
  Support support = Support::standard;
  int days_left = 0;    // of standard support; negative once it ended
  bool chosen = false;  // by us, not by the file
};

// The file's version, else the newest in standard support. bad_value for one that the table does not have or
// whose support has ended. `origin`: where the file says it, for the message.
base::Result<VersionChoice> choose_version(const domain::EksFacts& facts,
                                           const std::optional<std::string>& wanted, std::string_view today,
                                           const std::string& origin);

// The minor versions to go through from `from` to `to`, one at a time, `to` last; empty when equal.
// failed_precondition for a step back.
base::Result<std::vector<std::string>> upgrade_steps(const std::string& from, const std::string& to);

// Days from `from` to `to`; nothing when either is no day.
std::optional<int> days_between(std::string_view from, std::string_view to);

}  // namespace slipway::policy
