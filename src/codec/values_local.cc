// modelParameters and frameworks on the local target: one table of rules, and the check whether a spec can
// run here.
#include <fmt/format.h>

#include <algorithm>
#include <charconv>
#include <limits>

#include "codec/suggest.h"
#include "codec/values.h"
#include "codec/values_schema.h"

namespace slipway::codec {
namespace {

using base::Error, base::ErrorCode, base::Result;
using domain::Accelerator, domain::Framework, domain::ModelSpec, domain::Parameter;

// A parameter being read into the result, with what is needed to say where it stands.
struct Field {
  const std::string& key;
  const Parameter& parameter;
  const Source& source;
  LocalParameters& out;

  Error error(ErrorCode code, std::string message) const {
    return error_at(code, source, {parameter.line, parameter.column}, std::move(message));
  }
};

std::string words(const Parameter& p) {
  struct Visitor {
    std::string operator()(bool v) const { return v ? "true" : "false"; }
    std::string operator()(std::int64_t v) const { return std::to_string(v); }
    std::string operator()(double v) const { return fmt::format("{}", v); }
    std::string operator()(const std::string& v) const { return v.substr(0, 80); }
  };
  return std::visit(Visitor{}, p.value);
}

std::optional<std::int64_t> whole(const Parameter& p) {
  if (const auto* i = std::get_if<std::int64_t>(&p.value)) return *i;
  const auto* s = std::get_if<std::string>(&p.value);
  if (!s || s->empty()) return {};
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(s->data(), s->data() + s->size(), value);
  if (error != std::errc() || end != s->data() + s->size()) return {};
  return value;
}

Result<int> positive(const Field& f, std::int64_t most = std::numeric_limits<int>::max()) {
  const auto value = whole(f.parameter);
  if (!value)
    return f.error(ErrorCode::wrong_type,
                   fmt::format("'{}' must be a whole number, not '{}'", f.key, words(f.parameter)));
  if (*value < 1 || *value > most)
    return f.error(ErrorCode::bad_value, fmt::format("'{}' is {}; it must be 1 to {}", f.key, *value, most));
  return static_cast<int>(*value);
}

Result<bool> truth(const Field& f) {
  if (const bool* b = std::get_if<bool>(&f.parameter.value)) return *b;
  const std::string text = words(f.parameter);
  if (text == "true" || text == "True") return true;
  if (text == "false" || text == "False") return false;
  return f.error(ErrorCode::wrong_type, fmt::format("'{}' must be true or false, not '{}'", f.key, text));
}

ParameterUse honoured(const Field& f, std::string text) {
  return {f.key, Honour::honoured, std::move(text)};
}
ParameterUse ignored(const Field& f, std::string_view why) {
  return {f.key, Honour::ignored, std::string(why)};
}
Error refused(const Field& f, std::string_view why) {
  return f.error(
      ErrorCode::parameter_refused,
      fmt::format("'{}: {}' cannot be honoured on target \"local\": {}", f.key, words(f.parameter), why));
}

using Handler = Result<ParameterUse> (*)(const Field&, std::string_view why);

Result<ParameterUse> context(const Field& f, std::string_view) {
  SLIPWAY_TRY(f.out.context_tokens, positive(f));
  return honoured(f, fmt::format("context of {} tokens a request", *f.out.context_tokens));
}
Result<ParameterUse> sequences(const Field& f, std::string_view) {
  SLIPWAY_TRY(f.out.parallel, positive(f));
  return honoured(f, fmt::format("{} requests decode at once", *f.out.parallel));
}
Result<ParameterUse> batch(const Field& f, std::string_view) {
  SLIPWAY_TRY(f.out.batch_tokens, positive(f));
  return honoured(f, fmt::format("a step holds at most {} tokens", *f.out.batch_tokens));
}
Result<ParameterUse> kv_type(const Field& f, std::string_view) {
  const std::string type = words(f.parameter);
  if (type == "auto" || type == "f16" || type == "float16" || type == "bfloat16")
    return honoured(f, "KV cache in f16");
  if (type == "q8_0" || type.starts_with("fp8")) {
    f.out.kv_type = domain::KvType::q8_0;
    return honoured(f, "KV cache in q8_0, half of f16's memory");
  }
  return f.error(ErrorCode::bad_value,
                 fmt::format("'{}' is '{}'; it must be auto, f16, fp8 or q8_0", f.key, type));
}
Result<ParameterUse> prefix_caching(const Field& f, std::string_view) {
  SLIPWAY_TRY(f.out.prefix_caching, truth(f));
  return honoured(f, *f.out.prefix_caching ? "prefixes are shared (the default)" : "prefixes are not shared");
}
Result<ParameterUse> random_seed(const Field& f, std::string_view) {
  const auto value = whole(f.parameter);
  if (!value)
    return f.error(ErrorCode::wrong_type,
                   fmt::format("'{}' must be a whole number, not '{}'", f.key, words(f.parameter)));
  if (*value < 0 || *value > std::numeric_limits<std::uint32_t>::max())
    return f.error(ErrorCode::bad_value,
                   fmt::format("'{}' is {}; it must be 0 to 4294967295", f.key, *value));
  f.out.seed = static_cast<std::uint32_t>(*value);
  return honoured(f, "the seed of requests that bring none");
}
Result<ParameterUse> served_name(const Field& f, std::string_view) {
  f.out.aliases.push_back(words(f.parameter));
  return honoured(f, fmt::format("'{}' is another name of this model", f.out.aliases.back()));
}
Result<ParameterUse> quantization(const Field& f, std::string_view why) {
  const std::string type = words(f.parameter);
  const bool gguf = type.size() >= 2 && (type[0] == 'Q' || type == "F16" || type == "BF16" || type == "F32" ||
                                         type.starts_with("IQ") || type.starts_with("MXFP"));
  if (!gguf) return ignored(f, why);
  f.out.quantization = type;
  return honoured(f, fmt::format("the {} file of the catalogue", type));
}
Result<ParameterUse> only_one(const Field& f, std::string_view why) {
  SLIPWAY_TRY(const int n, positive(f));
  if (n == 1) return honoured(f, "one device");
  return refused(f, why);
}
Result<ParameterUse> only_false(const Field& f, std::string_view why) {
  SLIPWAY_TRY(const bool on, truth(f));
  if (!on) return honoured(f, "off");
  return refused(f, why);
}
Result<ParameterUse> only_true(const Field& f, std::string_view why) {
  SLIPWAY_TRY(const bool on, truth(f));
  return on ? honoured(f, std::string(why)) : ignored(f, fmt::format("it is always on: {}", why));
}
Result<ParameterUse> ignore(const Field& f, std::string_view why) {
  return ignored(f, why);
}
Result<ParameterUse> by_nature(const Field& f, std::string_view why) {
  return honoured(f, std::string(why));
}
Result<ParameterUse> refuse(const Field& f, std::string_view why) {
  return refused(f, why);
}

struct Rule {
  std::string_view key;
  Honour kind;  // for the docs; `refused` rules may honour harmless values
  Handler handle;
  std::string_view why;
};

constexpr std::string_view kSpeedOnly =
    "a setting of vLLM's memory and speed, which this engine decides itself";
constexpr std::string_view kOtherServer =
    "a setting of vLLM's own server, whose place Slipway's gateway takes";
constexpr std::string_view kOneDevice =
    "one replica computes on one device here; it needs a cluster with more (target \"kubernetes\")";

constexpr Rule kRules[] = {
    {"maxModelLen", Honour::honoured, context, "longest request, prompt and answer, in tokens"},
    {"maxNumSeqs", Honour::honoured, sequences, "requests that decode at once"},
    {"maxNumBatchedTokens", Honour::honoured, batch, "tokens of one engine step"},
    {"kvCacheDtype", Honour::honoured, kv_type, "auto or f16; fp8 and q8_0 store the KV cache in q8_0"},
    {"enablePrefixCaching", Honour::honoured, prefix_caching,
     "true: one KV pool, best when prompts share long beginnings (prefixes are reused either way)"},
    {"servedModelName", Honour::honoured, served_name, "another name of the model in the API"},
    {"seed", Honour::honoured, random_seed, "seed of requests that bring none"},
    {"quantization", Honour::honoured, quantization,
     "a GGUF type (Q8_0, Q4_K_M, BF16) picks that file; types of other formats are ignored: the catalogue's "
     "files have their own"},
    {"enableChunkedPrefill", Honour::honoured, only_true, "prompts are always computed in chunks"},
    {"enableAutoToolChoice", Honour::honoured, by_nature,
     "tool calls are parsed by the model's own template"},
    {"toolCallParser", Honour::honoured, by_nature, "tool calls are parsed by the model's own template"},
    {"reasoningParser", Honour::honoured, by_nature, "reasoning is parsed by the model's own template"},
    {"enableReasoning", Honour::honoured, by_nature, "reasoning is parsed by the model's own template"},
    {"trustRemoteCode", Honour::honoured, by_nature, "no code of a model's repository ever runs here"},
    {"tensorParallelSize", Honour::refused, only_one, kOneDevice},
    {"pipelineParallelSize", Honour::refused, only_one, kOneDevice},
    {"dataParallelSize", Honour::refused, only_one, "use deployment.replicas instead"},
    {"enableLora", Honour::refused, only_false,
     "LoRA adapters are not loaded here, and without them the answers would differ"},
    {"loraModules", Honour::refused, refuse,
     "LoRA adapters are not loaded here, and without them the answers would differ"},
    {"chatTemplate", Honour::refused, refuse,
     "the model's own template is used; another one would change the answers"},
    {"tokenizer", Honour::refused, refuse, "the tokenizer is the one inside the GGUF file"},
    {"ropeScaling", Honour::refused, refuse,
     "the GGUF file's own scaling is used; another one would change the answers"},
    {"hfOverrides", Honour::refused, refuse, "the GGUF file's own configuration is used"},
    {"apiKey", Honour::refused, refuse, "keys are not kept in values files; `slipway keys create` makes one"},
    {"gpuMemoryUtilization", Honour::ignored, ignore,
     "the fit check decides from free memory (`slipway status` shows it)"},
    {"dtype", Honour::ignored, ignore, "the weights stay in the type of the GGUF file"},
    {"loadFormat", Honour::ignored, ignore, "weights come from a GGUF file"},
    {"downloadDir", Honour::ignored, ignore, "files go to Slipway's model store"},
    {"enforceEager", Honour::ignored, ignore, kSpeedOnly},
    {"swapSpace", Honour::ignored, ignore, kSpeedOnly},
    {"cpuOffloadGb", Honour::ignored, ignore, kSpeedOnly},
    {"blockSize", Honour::ignored, ignore, kSpeedOnly},
    {"moeBackend", Honour::ignored, ignore, kSpeedOnly},
    {"attentionConfig", Honour::ignored, ignore, kSpeedOnly},
    {"compilationConfig", Honour::ignored, ignore, kSpeedOnly},
    {"speculativeConfig", Honour::ignored, ignore,
     "there is no speculative decoding here; answers are the same, later"},
    {"distributedExecutorBackend", Honour::ignored, ignore, kSpeedOnly},
    {"enableExpertParallel", Honour::ignored, ignore, kSpeedOnly},
    {"host", Honour::ignored, ignore, kOtherServer},
    {"port", Honour::ignored, ignore, kOtherServer},
    {"disableLogRequests", Honour::ignored, ignore, kOtherServer},
    {"disableLogStats", Honour::ignored, ignore, kOtherServer},
    {"uvicornLogLevel", Honour::ignored, ignore, kOtherServer},
    {"pipeline", Honour::ignored, ignore, "it belongs to framework diffusers"},
};

// max-model-len and max_model_len are the chart's maxModelLen too.
std::string plain(std::string_view key) {
  std::string out;
  for (const char c : key)
    if (c != '-' && c != '_') out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

const Rule* find_rule(std::string_view key) {
  const auto* rule = std::ranges::find_if(kRules, [&](const Rule& r) { return plain(r.key) == plain(key); });
  return rule == std::end(kRules) ? nullptr : rule;
}

std::string unknown_words(std::string_view key) {
  std::vector<std::string_view> known;
  for (const Rule& r : kRules) known.push_back(r.key);
  return "the engine of target \"local\" has no such setting" + did_you_mean(key, known);
}

Result<ParameterUse> use(const Field& field) {
  const Rule* rule = find_rule(field.key);
  if (!rule) return ignored(field, unknown_words(field.key));
  return rule->handle(field, rule->why);
}

// Why a framework cannot be served here; empty when it can.
std::string_view framework_obstacle(Framework framework) {
  switch (framework) {
    case Framework::vllm:
    case Framework::aibrix:
    case Framework::llama_cpp:
      return {};
    case Framework::ray_vllm:
      return "it runs vLLM on a Ray cluster (RayService)";
    case Framework::triton_vllm:
      return "it runs NVIDIA Triton on a GPU node";
    case Framework::lws_vllm:
      return "it spreads one replica over several nodes (LeaderWorkerSet)";
    case Framework::diffusers:
      return "it makes images, and the local engine computes language models";
    case Framework::nim_container:
      return "it runs an NVIDIA NIM container on a GPU node";
    case Framework::nim_operator:
      return "it is run by the NVIDIA NIM operator of a cluster";
    case Framework::s3_copy:
      return "it copies a model to an S3 bucket by a job in a cluster";
  }
  return "it is not known";
}

Error cannot_run(const ModelSpec& spec, std::string why, std::string next) {
  return Error(ErrorCode::model_cannot_run_here, fmt::format("{} ({}) cannot run on target \"local\": {}",
                                                             spec.service_name, at(spec.source, {}), why))
      .with_next(std::move(next));
}

std::string_view device_word(Accelerator a) {
  return a == Accelerator::neuron ? "Neuron devices" : "GPUs";
}

}  // namespace

Result<LocalParameters> local_parameters(const ModelSpec& spec, const Source& source) {
  LocalParameters out;
  for (const auto& [key, value] : spec.parameters) {
    SLIPWAY_TRY(ParameterUse used, use(Field{key, value, source, out}));
    if (used.honour == Honour::ignored)
      out.warnings.push_back(fmt::format("modelParameters.{} is ignored: {}", key, used.words));
    out.table.push_back(std::move(used));
  }
  return out;
}

Result<std::vector<std::string>> check_local(const ModelSpec& spec, int gpus) {
  const std::string elsewhere = "Deploy it to a cluster: `target = \"kubernetes\"` or \"eks\".";
  if (const std::string_view obstacle = framework_obstacle(spec.framework); !obstacle.empty())
    return cannot_run(spec, fmt::format("its framework is {}: {}", to_string(spec.framework), obstacle),
                      spec.framework == Framework::ray_vllm || spec.framework == Framework::triton_vllm
                          ? "Write `framework: vllm` to serve the same model here, or deploy it to a "
                            "cluster: `target = \"kubernetes\"`."
                          : elsewhere);
  const int wanted = spec.accelerators_per_replica;
  if (spec.accelerator == Accelerator::neuron)
    return cannot_run(spec,
                      fmt::format("it needs {} AWS Neuron {} a replica, and this machine has none", wanted,
                                  wanted == 1 ? "device" : "devices"),
                      elsewhere);
  if (wanted > 1 && wanted > gpus)
    return cannot_run(spec,
                      fmt::format("it needs {} {} a replica, and this machine has {}", wanted,
                                  device_word(spec.accelerator), gpus),
                      elsewhere);
  if (wanted > 1 && spec.accelerator == Accelerator::gpu)
    return cannot_run(
        spec, fmt::format("it needs {} GPUs a replica, and one replica computes on one GPU here", wanted),
        "Ask for one (`nvidia.com/gpu: 1`) and for more replicas, or deploy it to a cluster: "
        "`target = \"kubernetes\"`.");
  std::vector<std::string> notes;
  if (spec.accelerator == Accelerator::gpu && gpus == 0)
    notes.push_back(
        "accelerator gpu: this machine has no usable GPU, so the model computes on the processor");
  return notes;
}

std::string_view to_string(Honour honour) {
  switch (honour) {
    case Honour::honoured:
      return "honoured";
    case Honour::ignored:
      return "ignored";
    case Honour::refused:
      return "refused";
  }
  return "ignored";
}

std::string values_markdown() {
  std::string out = "## Keys\n\n| key | default | read on `local` | meaning |\n|---|---|---|---|\n";
  for (const SchemaRow& row : values_schema())
    out += fmt::format("| `{}` | {} | {} | {} |\n", row.path,
                       row.default_text.empty() ? "" : fmt::format("`{}`", row.default_text),
                       row.local ? "yes" : "accepted", row.meaning);
  out += "\n## modelParameters on `local`\n\n| key | on `local` | meaning or reason |\n|---|---|---|\n";
  for (const Rule& rule : kRules)
    out += fmt::format("| `{}` | {} | {} |\n", rule.key, to_string(rule.kind), rule.why);
  return out;
}

}  // namespace slipway::codec
