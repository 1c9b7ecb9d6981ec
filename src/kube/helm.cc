#include "kube/helm.h"

#include <fmt/format.h>

#include "codec/json_view.h"

namespace slipway::kube {
namespace {

using base::Error, base::ErrorCode, base::Result;

constexpr auto kCallTime = std::chrono::minutes(10);
constexpr int kTries = 3;
constexpr auto kBetween = std::chrono::seconds(5);

bool absent(const std::string& words) {
  return words.find("not found") != std::string::npos;
}

Error failed(const std::string& doing, const std::string& words) {
  if (words.find("ExpiredToken") != std::string::npos)
    return Error(ErrorCode::credentials_expired, doing).with_detail(words);
  return Error(ErrorCode::addon_failed, fmt::format("{} failed", doing)).with_detail(words);
}

void add_chart(std::vector<std::string>& arguments, const Chart& chart) {
  arguments.push_back(chart.chart);
  if (!chart.repository.empty()) arguments.insert(arguments.end(), {"--repo", chart.repository});
  if (!chart.version.empty()) arguments.insert(arguments.end(), {"--version", chart.version});
  for (const std::string& one : chart.set) arguments.insert(arguments.end(), {"--set", one});
}

}  // namespace

io::ToolNeed helm_need() {
  return {.name = "helm",
          .version_arguments = {"version", "--short"},
          .minimum = "3.14.0",
          .how_to_get = "Install Helm: https://helm.sh/docs/intro/install/"};
}

Result<io::ToolAnswer> Helm::call(std::vector<std::string> arguments, std::string input) {
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  arguments.push_back("--kubeconfig=" + kubeconfig_.string());
  if (!context_.empty()) arguments.push_back("--kube-context=" + context_);
  auto answer = io::call_tool(tool_, {.arguments = std::move(arguments),
                                      .input = std::move(input),
                                      .deadline = base::Deadline::after(kCallTime)});
  SLIPWAY_RETURN_IF_ERROR(patience_.check());
  return answer;
}

// Every state by its own flag: Helm 4 has no --all any more.
Result<codec::Json> Helm::list(const std::string& name_space, const std::string& filter) {
  std::vector<std::string> arguments = {"list",         "--namespace",   name_space, "-o",
                                        "json",         "--deployed",    "--failed", "--pending",
                                        "--superseded", "--uninstalling"};
  if (!filter.empty()) arguments.insert(arguments.end(), {"--filter", filter});
  SLIPWAY_TRY(const io::ToolAnswer answer, call(std::move(arguments)));
  if (!answer.ok()) return failed("helm list", answer.why());
  auto json = codec::parse_json(answer.out);
  return json && json->is_array() ? *std::move(json) : codec::Json::array();
}

Result<std::optional<Release>> Helm::release(const std::string& name, const std::string& name_space) {
  SLIPWAY_TRY(const codec::Json found, list(name_space, fmt::format("^{}$", name)));
  if (found.empty()) return std::optional<Release>();
  return std::optional(Release{codec::text(found.front(), "status"), codec::text(found.front(), "chart")});
}

Result<std::vector<std::string>> Helm::releases(const std::string& name_space) {
  SLIPWAY_TRY(const codec::Json found, list(name_space, ""));
  std::vector<std::string> out;
  for (const codec::Json& release : found) out.push_back(codec::text(release, "name"));
  return out;
}

Result<std::string> Helm::render(const Chart& chart) {
  std::vector<std::string> arguments = {"template", chart.release};
  add_chart(arguments, chart);
  arguments.insert(arguments.end(), {"--namespace", chart.name_space, "--values", "-"});
  SLIPWAY_TRY(io::ToolAnswer answer, call(std::move(arguments), chart.values));
  if (!answer.ok()) return failed(fmt::format("helm template {}", chart.release), answer.why());
  return std::move(answer.out);
}

Result<void> Helm::put_right(const Chart& chart) {
  SLIPWAY_TRY(const auto found, release(chart.release, chart.name_space));
  if (!found || !found->status.starts_with("pending-")) return {};
  if (found->status == "pending-install") return uninstall(chart.release, chart.name_space);
  SLIPWAY_TRY(const io::ToolAnswer answer,
              call({"rollback", chart.release, "--namespace", chart.name_space}));
  if (!answer.ok()) return failed(fmt::format("helm rollback {}", chart.release), answer.why());
  return {};
}

Result<void> Helm::install(const Chart& chart) {
  constexpr std::string_view kCreate = "--create-namespace";
  SLIPWAY_RETURN_IF_ERROR(put_right(chart));
  std::vector<std::string> arguments = {"upgrade", "--install", chart.release};
  add_chart(arguments, chart);
  arguments.insert(arguments.end(),
                   {"--namespace", chart.name_space, "--skip-crds", "--history-max", "5", "--values", "-"});
  for (int attempt = 1;; ++attempt) {
    SLIPWAY_TRY(const io::ToolAnswer answer, call(arguments, chart.values));
    if (answer.ok()) return {};
    const std::string words = answer.why();
    // Not from the first: of a namespace that is there, somebody's maybe, Helm would change the labels.
    if (words.find(fmt::format("namespaces \"{}\" not found", chart.name_space)) != std::string::npos &&
        arguments.back() != kCreate) {
      arguments.emplace_back(kCreate);
      continue;
    }
    const bool again = words.find("failed calling webhook") != std::string::npos ||
                       words.find("timeout") != std::string::npos || words.find("EOF") != std::string::npos ||
                       words.find("ServiceUnavailable") != std::string::npos;
    if (!again || attempt == kTries)
      return failed(fmt::format("helm upgrade --install {}", chart.release), words);
    SLIPWAY_RETURN_IF_ERROR(patience_.pause(kBetween * attempt));
    SLIPWAY_RETURN_IF_ERROR(put_right(chart));
  }
}

Result<std::string> Helm::crds(const Chart& chart) {
  std::vector<std::string> arguments = {"show", "crds"};
  add_chart(arguments, chart);
  SLIPWAY_TRY(const io::ToolAnswer answer, call(std::move(arguments)));
  if (!answer.ok()) return failed(fmt::format("helm show crds {}", chart.chart), answer.why());
  return answer.out;
}

Result<void> Helm::uninstall(const std::string& name, const std::string& name_space) {
  SLIPWAY_TRY(const io::ToolAnswer answer,
              call({"uninstall", name, "--namespace", name_space, "--wait", "--timeout", "5m"}));
  if (answer.ok() || absent(answer.why())) return {};
  return failed(fmt::format("helm uninstall {}", name), answer.why());
}

}  // namespace slipway::kube
