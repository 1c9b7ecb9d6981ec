#include "policy/version.h"

#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <chrono>

namespace slipway::policy {
namespace {

using base::Error, base::ErrorCode, base::Result;
using domain::EksFacts, domain::EksVersion;

std::optional<int> number(std::string_view text) {
  int out = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), out);
  if (text.empty() || error != std::errc() || end != text.data() + text.size()) return {};
  return out;
}

std::optional<std::chrono::sys_days> day(std::string_view text) {
  if (text.size() != 10 || text[4] != '-' || text[7] != '-') return {};
  const auto year = number(text.substr(0, 4));
  const auto month = number(text.substr(5, 2));
  const auto date = number(text.substr(8, 2));
  if (!year || !month || !date) return {};
  const std::chrono::year_month_day out(std::chrono::year(*year),
                                        std::chrono::month(static_cast<unsigned>(*month)),
                                        std::chrono::day(static_cast<unsigned>(*date)));
  if (!out.ok()) return {};
  return std::chrono::sys_days(out);
}

// The number after "1.".
std::optional<int> minor(std::string_view version) {
  return version.starts_with("1.") ? number(version.substr(2)) : std::nullopt;
}

VersionChoice judge(const EksVersion& version, std::string_view today, bool chosen) {
  VersionChoice out{.version = version, .chosen = chosen};
  out.days_left = days_between(today, version.standard_until).value_or(0);
  out.support = today < version.standard_until   ? Support::standard
                : today < version.extended_until ? Support::extended
                                                 : Support::ended;
  return out;
}

std::string supported(const EksFacts& facts, std::string_view today) {
  std::string out;
  for (const EksVersion& v : facts.versions)
    if (today < v.extended_until) out += fmt::format("{}{}", out.empty() ? "" : ", ", v.version);
  return out;
}

}  // namespace

std::optional<int> days_between(std::string_view from, std::string_view to) {
  const auto a = day(from);
  const auto b = day(to);
  if (!a || !b) return {};
  return static_cast<int>((*b - *a).count());
}

Result<VersionChoice> choose_version(const EksFacts& facts, const std::optional<std::string>& wanted,
                                     std::string_view today, const std::string& origin) {
  if (!wanted) {
    const auto found = std::ranges::find_if(
        facts.versions, [&](const EksVersion& v) { return v.released <= today && today < v.standard_until; });
    return judge(found == facts.versions.end() ? facts.versions.front() : *found, today, true);
  }
  const std::string next =
      fmt::format("Set eks_cluster_version to one of {}, or leave it out for the newest in standard support.",
                  supported(facts, today));
  const auto found = std::ranges::find(facts.versions, *wanted, &EksVersion::version);
  if (found == facts.versions.end())
    return Error(ErrorCode::version_unsupported,
                 fmt::format("Kubernetes {} is not in the table of EKS versions of {} ({})", *wanted,
                             facts.as_of, origin))
        .with_next(next);
  VersionChoice out = judge(*found, today, false);
  if (out.support == Support::ended)
    return Error(ErrorCode::version_unsupported,
                 fmt::format("Kubernetes {} has had no support on EKS since {} ({})", *wanted,
                             found->extended_until, origin))
        .with_next(next);
  return out;
}

Result<std::vector<std::string>> upgrade_steps(const std::string& from, const std::string& to) {
  const auto a = minor(from);
  const auto b = minor(to);
  if (!a || !b)
    return Error(ErrorCode::bad_value, fmt::format("'{}' or '{}' is no Kubernetes version", from, to));
  if (*b < *a)
    return Error(ErrorCode::version_unsupported,
                 fmt::format("the cluster runs Kubernetes {}, and EKS cannot go back to {}", from, to))
        .with_next(fmt::format("Set eks_cluster_version to \"{}\" or later.", from));
  std::vector<std::string> out;
  for (int m = *a + 1; m <= *b; ++m) out.push_back(fmt::format("1.{}", m));
  return out;
}

}  // namespace slipway::policy
