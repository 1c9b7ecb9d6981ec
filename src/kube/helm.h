// Helm releases through the `helm` program.
//
// A release that a killed run left pending is put right first: a first install is removed, an upgrade rolled
// back. Blocking; threads: main. Failure: addon_failed with Helm's words, interrupted, timeout.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "codec/json_view.h"
#include "io/patience.h"
#include "io/tool.h"

namespace slipway::kube {

io::ToolNeed helm_need();

struct Chart {
  std::string release;
  std::string name_space;
  std::string chart;                  // a name in `repository`, "oci://...", or a path
  std::string repository;             // https://...; empty otherwise
  std::string version;                // empty for a path
  std::string values;                 // YAML
  std::vector<std::string> set = {};  // "a.b=c", over the values
};

struct Release {
  std::string status;  // "deployed", "pending-install", ...
  std::string chart;   // "karpenter-1.14.1"
};

class Helm {
 public:
  // `patience` must outlive this.
  Helm(io::Tool tool, std::filesystem::path kubeconfig, const io::Patience& patience,
       std::string context = {})
      : tool_(std::move(tool)),
        kubeconfig_(std::move(kubeconfig)),
        patience_(patience),
        context_(std::move(context)) {}

  base::Result<std::optional<Release>> release(const std::string& name, const std::string& name_space);
  base::Result<std::vector<std::string>> releases(const std::string& name_space);
  base::Result<std::string> render(const Chart& chart);  // YAML; the values' schema is checked
  base::Result<void> install(const Chart& chart);        // or upgrade
  base::Result<std::string> crds(const Chart& chart);    // the chart's crds/ folder as YAML; may be empty
  base::Result<void> uninstall(const std::string& name, const std::string& name_space);

 private:
  base::Result<codec::Json> list(const std::string& name_space, const std::string& filter);
  base::Result<io::ToolAnswer> call(std::vector<std::string> arguments, std::string input = {});
  base::Result<void> put_right(const Chart& chart);
  io::Tool tool_;
  std::filesystem::path kubeconfig_;
  const io::Patience& patience_;
  std::string context_;  // empty: the kubeconfig's own
};

}  // namespace slipway::kube
