#include "codec/values.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/quantity.h"
#include "codec/suggest.h"
#include "codec/values_schema.h"
#include "codec/yaml_tree.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
using domain::Accelerator, domain::Framework, domain::ModelSpec;

constexpr std::size_t kMaxServiceName =
    57;  // a DNS label of 63 less the "-" and 5 characters of a replica's id
constexpr int kMaxReplicaCount = 1'024;
constexpr std::string_view kDeployment = "inference.modelServer.deployment.";

template <class E>
struct Word {
  std::string_view word;
  E value;
};
constexpr Word<Framework> kFrameworks[] = {
    {"vllm", Framework::vllm},
    {"ray-vllm", Framework::ray_vllm},
    {"triton-vllm", Framework::triton_vllm},
    {"aibrix", Framework::aibrix},
    {"lws-vllm", Framework::lws_vllm},
    {"diffusers", Framework::diffusers},
    {"llama-cpp", Framework::llama_cpp},
    {"nim-container", Framework::nim_container},
    {"nim-operator", Framework::nim_operator},
    {"s3-copy", Framework::s3_copy},
};
constexpr Word<Accelerator> kAccelerators[] = {{"gpu", Accelerator::gpu},
                                               {"neuron", Accelerator::neuron},
                                               {"graviton", Accelerator::graviton},
                                               {"cpu", Accelerator::cpu}};

// Reads typed fields; the schema has been checked, so types hold.
class Reader {
 public:
  Reader(const YamlNode& root, const Source& source) : root_(root), source_(source) {}

  const YamlNode* node(std::string_view path) const { return node_at(root_, path); }

  std::string text(std::string_view path, std::string_view fallback = {}) const {
    const YamlNode* n = node(path);
    return n ? n->text : std::string(fallback);
  }

  Result<int> integer(std::string_view path, int fallback, int least, int most) const {
    const YamlNode* n = node(path);
    if (!n) return fallback;
    const auto value = yaml_integer(*n, true);
    if (!value || *value < least || *value > most)
      return bad(*n, fmt::format("'{}' is {}; it must be {} to {}", path, n->text, least, most));
    return static_cast<int>(*value);
  }

  template <class E, std::size_t N>
  Result<E> choice(std::string_view path, E fallback, const Word<E> (&words)[N]) const {
    const YamlNode* n = node(path);
    if (!n) return fallback;
    std::vector<std::string_view> known;
    for (const Word<E>& w : words) {
      if (w.word == n->text) return w.value;
      known.push_back(w.word);
    }
    return bad(*n, fmt::format("'{}' is '{}'{}; it must be one of {}", path, n->text.substr(0, 60),
                               did_you_mean(n->text, known), fmt::join(known, ", ")));
  }

  Result<std::map<std::string, domain::Parameter>> free_map(std::string_view path) const;
  Error bad(const YamlNode& n, std::string message) const {
    return error_at(ErrorCode::bad_value, source_, n.place, std::move(message),
                    std::max<std::size_t>(n.text.size(), 1));
  }

 private:
  const YamlNode& root_;
  const Source& source_;
};

// A value of any shape on one line, as YAML's flow style.
std::string inline_text(const YamlNode& node) {
  std::vector<std::string> parts;
  for (const YamlNode& item : node.items) parts.push_back(inline_text(item));
  for (const YamlNode::Entry& entry : node.entries)
    parts.push_back(fmt::format("{}: {}", entry.key, inline_text(entry.value)));
  if (node.kind == YamlNode::Kind::list) return fmt::format("[{}]", fmt::join(parts, ", "));
  if (node.kind == YamlNode::Kind::map) return fmt::format("{{{}}}", fmt::join(parts, ", "));
  return node.text;
}

domain::Parameter parameter(const YamlNode& node) {
  domain::Parameter out{.value = inline_text(node), .line = node.place.line, .column = node.place.column};
  if (const auto b = yaml_bool(node))
    out.value = *b;
  else if (const auto i = yaml_integer(node))
    out.value = *i;
  else if (const auto d = yaml_number(node))
    out.value = *d;
  return out;
}

Result<std::map<std::string, domain::Parameter>> Reader::free_map(std::string_view path) const {
  std::map<std::string, domain::Parameter> out;
  const YamlNode* n = node(path);
  if (!n) return out;
  if (n->kind != YamlNode::Kind::map)
    return error_at(ErrorCode::wrong_type, source_, n->place,
                    fmt::format("'{}' must be a map, not {}", path, yaml_words(*n)));
  for (const YamlNode::Entry& entry : n->entries) {
    if (!entry.value.is_null()) out.emplace(entry.key, parameter(entry.value));
  }
  return out;
}

bool is_dns_label(std::string_view s) {
  const auto inner = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-'; };
  return !s.empty() && s.size() <= kMaxServiceName && std::ranges::all_of(s, inner) && s.front() != '-' &&
         s.back() != '-';
}

// The map of a pod's resources in the file: of the accelerator's own block, of NIM's service, of the copy
// job.
std::string resources_path(const ModelSpec& spec) {
  if (spec.framework == Framework::nim_operator) return "nimService.resources";
  if (spec.framework == Framework::s3_copy) return "s3ModelCopy.resources";
  return fmt::format("{}resources.{}", kDeployment, to_string(spec.accelerator));
}

// The larger of requests and limits; -1 when neither names the device.
Result<int> devices(const Reader& r, const std::string& resources, std::string_view device) {
  int most = -1;
  for (const std::string_view part : {"requests", "limits"}) {
    const YamlNode* map = r.node(fmt::format("{}.{}", resources, part));
    const YamlNode* n = map ? map->find(device) : nullptr;
    if (!n || n->is_null()) continue;
    const auto value = yaml_integer(*n, true);
    if (!value || *value < 0 || *value > 1'024)
      return r.bad(*n, fmt::format("'{}' must be a whole number from 0 to 1024", device));
    most = std::max(most, static_cast<int>(*value));
  }
  return most;
}

int tensor_parallel(const ModelSpec& spec) {
  const auto at = spec.parameters.find("tensorParallelSize");
  if (at == spec.parameters.end()) return 1;
  const auto* n = std::get_if<std::int64_t>(&at->second.value);
  return n && *n >= 1 && *n <= 1'024 ? static_cast<int>(*n) : 1;
}

// cpu and memory of the requests at `path`; what they do not name stays as it is.
Result<void> read_requests(const Reader& r, const std::string& path, int& cpu_m, std::int64_t& memory_mib) {
  const YamlNode* map = r.node(path);
  if (!map) return {};
  if (const YamlNode* n = map->find("cpu"); n && !n->is_null()) {
    const auto milli = quantity_milli(n->text);
    if (!milli || *milli > 10'000'000)
      return r.bad(*n, "'cpu' must be a number of processors, such as 4 or 500m");
    cpu_m = static_cast<int>(*milli);
  }
  if (const YamlNode* n = map->find("memory"); n && !n->is_null()) {
    const auto bytes = quantity(n->text);
    if (!bytes) return r.bad(*n, "'memory' must be an amount of memory, such as 60G or 32Gi");
    memory_mib = *bytes >> 20;
  }
  return {};
}

Result<void> read_devices(const Reader& r, ModelSpec& spec) {
  if (spec.accelerator == Accelerator::graviton || spec.accelerator == Accelerator::cpu) return {};
  const bool gpu = spec.accelerator == Accelerator::gpu;
  SLIPWAY_TRY(const int asked,
              devices(r, resources_path(spec), gpu ? "nvidia.com/gpu" : "aws.amazon.com/neuron"));
  // NIM's cache is filled by a job without a device.
  const int unsaid = spec.framework == Framework::nim_operator ? 0 : gpu ? tensor_parallel(spec) : 1;
  spec.accelerators_per_replica = asked >= 0 ? asked : unsaid;
  return {};
}

// Where the file says which node, as path with its dot.
std::string_view node_path(const Reader& r, Framework framework) {
  if (framework == Framework::s3_copy) return "s3ModelCopy.";
  if (framework == Framework::nim_operator) return r.node("nimService.image") ? "nimService." : "nimCache.";
  return kDeployment;
}

// The node that the file names: by its own key, or by the label in a node selector.
std::string instance_type(const Reader& r, std::string_view at) {
  if (const std::string named = r.text(fmt::format("{}instanceType", at)); !named.empty()) return named;
  const YamlNode* selector = r.node(fmt::format("{}nodeSelector", at));
  const YamlNode* label = selector ? selector->find("node.kubernetes.io/instance-type") : nullptr;
  return label && !label->is_null() ? label->text : std::string();
}

bool is_true(const YamlNode* node) {
  return node && yaml_bool(*node).value_or(false);
}

// What the node must have beside room.
Result<void> read_node(const Reader& r, ModelSpec& spec) {
  spec.instance_type = instance_type(r, node_path(r, spec.framework));
  if (spec.framework == Framework::lws_vllm && is_true(r.node("efa.enabled"))) {
    SLIPWAY_TRY(spec.efa_devices, r.integer("efa.devices", 1, 0, 1'024));
  }
  if (spec.framework != Framework::s3_copy) return {};
  if (is_true(r.node("s3ModelCopy.requireLocalNvme"))) {
    SLIPWAY_TRY(spec.local_nvme_above_gib, r.integer("s3ModelCopy.storageSize", 100, 0, 1'000'000));
  }
  SLIPWAY_TRY(spec.network_above_mbps, r.integer("s3ModelCopy.requireNetworkBandwidth", 0, 0, 100'000'000));
  return {};
}

Result<void> read_ray_head(const Reader& r, ModelSpec& spec) {
  spec.ray_autoscaling = is_true(r.node("inference.rayOptions.autoscaling.enabled"));
  return read_requests(r, "inference.rayOptions.head.requests", spec.head_cpu_request_m,
                       spec.head_memory_request_mib);
}

Result<void> read_names(const Reader& r, ModelSpec& spec, const Source& source) {
  spec.model = r.text("model");
  if (spec.framework == Framework::s3_copy && spec.model.empty()) spec.model = r.text("s3ModelCopy.model");
  if (spec.model.empty())
    return Error(ErrorCode::missing_key,
                 fmt::format("{} names no model: the key 'model' is missing", at(source.name, {})))
        .with_next("Add a line like `model: HuggingFaceTB/SmolLM2-135M-Instruct`.");
  spec.service_name = r.text("inference.serviceName");
  if (spec.service_name.empty()) spec.service_name = service_name_of(spec.model);
  const YamlNode* n = r.node("inference.serviceName");
  if (n && !is_dns_label(spec.service_name))
    return r.bad(
        *n, fmt::format(
                "'inference.serviceName' is '{}'; it must be at most {} of a-z, 0-9 and '-', not at an end",
                spec.service_name.substr(0, 80), kMaxServiceName));
  spec.service_namespace = r.text("inference.serviceNamespace", "default");
  return {};
}

Result<void> read_replicas(const Reader& r, ModelSpec& spec) {
  const auto path = [](std::string_view key) { return std::string(kDeployment) + std::string(key); };
  SLIPWAY_TRY(spec.replicas, r.integer(path("replicas"), 1, 0, kMaxReplicaCount));
  SLIPWAY_TRY(spec.min_replicas, r.integer(path("minReplicas"), 1, 0, kMaxReplicaCount));
  SLIPWAY_TRY(spec.max_replicas,
              r.integer(path("maxReplicas"), std::max(2, spec.min_replicas), 0, kMaxReplicaCount));
  const YamlNode* most = r.node(path("maxReplicas"));
  if (most && spec.max_replicas < spec.min_replicas)
    return r.bad(*most, fmt::format("'maxReplicas' is {}, less than 'minReplicas' ({})", spec.max_replicas,
                                    spec.min_replicas));
  return {};
}

template <class E, std::size_t N>
std::string_view word_of(E value, const Word<E> (&words)[N]) {
  for (const Word<E>& w : words)
    if (w.value == value) return w.word;
  return "?";
}

}  // namespace

Result<ModelSpec> parse_values(const Source& source) {
  SLIPWAY_TRY(
      const YamlNode root,
      parse_yaml(source, {.bytes = kValuesMaxBytes, .nodes = kValuesMaxNodes, .depth = kValuesMaxDepth}));
  SLIPWAY_RETURN_IF_ERROR(check_schema(root, source));
  const Reader r(root, source);
  ModelSpec spec;
  spec.source = source.name;
  SLIPWAY_TRY(spec.framework, r.choice("inference.framework", Framework::vllm, kFrameworks));
  if (!r.node("inference.framework") && r.node("s3ModelCopy.model")) spec.framework = Framework::s3_copy;
  const bool copies = spec.framework == Framework::s3_copy;
  SLIPWAY_TRY(spec.accelerator,
              r.choice("inference.accelerator", copies ? Accelerator::cpu : Accelerator::gpu, kAccelerators));
  SLIPWAY_RETURN_IF_ERROR(read_names(r, spec, source));
  SLIPWAY_RETURN_IF_ERROR(read_replicas(r, spec));
  SLIPWAY_TRY(spec.parameters, r.free_map("modelParameters"));
  SLIPWAY_TRY(spec.environment, r.free_map("inference.modelServer.env"));
  SLIPWAY_RETURN_IF_ERROR(read_devices(r, spec));
  SLIPWAY_RETURN_IF_ERROR(
      read_requests(r, resources_path(spec) + ".requests", spec.cpu_request_m, spec.memory_request_mib));
  SLIPWAY_RETURN_IF_ERROR(read_node(r, spec));
  SLIPWAY_RETURN_IF_ERROR(read_ray_head(r, spec));
  return spec;
}

std::string service_name_of(std::string_view model) {
  std::string_view last = model.substr(model.rfind('/') == std::string_view::npos ? 0 : model.rfind('/') + 1);
  if (last.ends_with(".gguf")) last.remove_suffix(5);
  std::string out;
  for (const char c : last) {
    const bool upper = c >= 'A' && c <= 'Z';
    const bool keep = (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
    if (upper || keep)
      out += upper ? static_cast<char>(c - 'A' + 'a') : c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
    if (out.size() == kMaxServiceName) break;
  }
  while (out.ends_with('-')) out.pop_back();
  return out.empty() ? "model" : out;
}

ModelSpec spec_of(const domain::CatalogEntry& entry) {
  ModelSpec spec;
  spec.source = "catalogue";
  spec.model = entry.model;
  spec.service_name = service_name_of(entry.name);
  spec.framework = Framework::llama_cpp;
  spec.accelerator = Accelerator::cpu;
  return spec;
}

std::string_view to_string(Framework framework) {
  return word_of(framework, kFrameworks);
}
std::string_view to_string(Accelerator accelerator) {
  return word_of(accelerator, kAccelerators);
}

}  // namespace slipway::codec
