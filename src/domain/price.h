// What things cost and how big machines are: the price list and the instance types that a plan multiplies.
// Plain values. Units: USD before taxes and discounts, MiB, thousandths of a processor.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace slipway::domain {

struct InstanceType {
  std::string name = {};      // "g6e.2xlarge"
  std::string family = {};    // "g6e"
  std::string category = {};  // "g"
  std::string size = {};      // "2xlarge"
  std::string arch = {};      // "amd64", "arm64"
  int generation = 0;
  int vcpu = 0;
  std::int64_t memory_mib = 0;
  std::int64_t local_nvme_gib = 0;
  std::int64_t network_mbps = 0;    // 0: not known
  std::string device_name = {};     // "l40s", "inferentia2"; empty without accelerator
  int gpus = 0;                     // NVIDIA
  std::int64_t gpu_memory_mib = 0;  // of one GPU
  int neuron_devices = 0;
  int efa = 0;  // EFA interfaces
  // What pods can have on a node of this type.
  int allocatable_cpu_m = 0;
  std::int64_t allocatable_memory_mib = 0;
  std::optional<double> usd_per_hour = {};  // on demand
};

struct UnitPrice {
  double usd = 0;
  std::string per = {};  // "hour", "month", "GB", "GB-month"
  std::string source = {};
};

struct PriceList {
  std::string region = {};
  std::string date = {};  // "2026-07-20"
  double hours_per_month = 730;
  double auto_mode_share = 0;
  std::map<std::string, UnitPrice> units = {};
  std::vector<InstanceType> instance_types = {};  // ordered by name
  std::string instance_region = {};               // of usd_per_hour
  std::string instance_date = {};

  const InstanceType* instance(const std::string& name) const {
    for (const InstanceType& type : instance_types)
      if (type.name == name) return &type;
    return nullptr;
  }
};

// A day as "2026-11-24": compares as text.
struct EksVersion {
  std::string version = {};
  std::string released = {};
  std::string standard_until = {};  // the first day of extended support
  std::string extended_until = {};
};

struct EksFacts {
  std::string as_of = {};
  std::vector<EksVersion> versions = {};  // newest first
  std::map<std::string, int> zones = {};  // of a region
};

}  // namespace slipway::domain
