// One thing that Slipway installs in a cluster, as platform/addons/<name>/addon.yaml describes it. Plain
// values.
#pragma once

#include <optional>
#include <string>
#include <vector>

namespace slipway::domain {

// What an add-on asks of the cluster beside its DaemonSets; from its values.
struct AddonNeeds {
  int cpu_m = 0;
  int memory_mib = 0;
  int volumes_gib = 0;
  int load_balancers = 0;
};

// What the add-on's DaemonSets take of every node, or of those with one accelerator ("gpu", "neuron") or
// processor ("amd64").
struct AddonDaemons {
  int cpu_m = 0;
  int memory_mib = 0;
  std::string accelerator = {};
  std::string arch = {};
};

struct Addon {
  std::string name = {};
  std::string title = {};
  std::string meaning = {};
  std::string version = {};
  std::string newest_version = {};  // newest known when the file was written
  std::string newest_date = {};
  // Where it comes from: exactly one of the three.
  std::string chart = {};  // with `repository`
  std::string repository = {};
  std::string chart_path = {};              // below platform/
  std::vector<std::string> manifests = {};  // URLs, or paths below its folder
  std::string name_space = {};
  std::string pod_security = {};  // "restricted", "baseline", "privileged"
  std::string pod_security_reason = {};
  int wave = 0;  // install order; take-down is the reverse
  // Turned on by: always, a blueprint variable, or an EKS add-on that is off but needed.
  bool always = false;
  std::vector<std::string> variables = {};  // any of them true
  std::string addon_variable = {};          // a name of enable_cluster_addons; on while that is false...
  std::vector<std::string> needed_by = {};  // ...and one of these add-ons is on
  bool not_with_auto_mode = false;
  std::string runs_on = {};  // "core", "general-purpose", "every-node", "accelerators"
  struct Health {
    std::string kind, name, name_space;
  };
  std::vector<Health> health = {};
  std::vector<std::string> crds = {};
  std::string licence = {};
  std::string notes = {};
  AddonNeeds needs = {};
  AddonDaemons daemons = {};
};

}  // namespace slipway::domain
