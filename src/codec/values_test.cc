#include "codec/values.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "codec/reference_files.h"

namespace slipway::codec {
namespace {

using base::ErrorCode;
using domain::Accelerator, domain::Framework;
using testing::HasSubstr;

base::Result<domain::ModelSpec> read(std::string_view text) {
  return parse_values({"values.yaml", text});
}

constexpr std::string_view kWhole = R"(model: Qwen/Qwen3-1.7B
modelParameters:
  maxModelLen: "4096"
  maxNumSeqs: 8
  maxNumBatchedTokens: 1024
  gpuMemoryUtilization: 0.9
  kvCacheDtype: fp8
  enablePrefixCaching: false
  servedModelName: qwen
inference:
  serviceName: qwen-small
  serviceNamespace: models
  accelerator: gpu
  framework: vllm
  modelServer:
    env:
      A_FLAG: 1
    deployment:
      replicas: 2
      minReplicas: 1
      maxReplicas: 3
      instanceType: g6e.2xlarge
      resources:
        gpu:
          requests: {nvidia.com/gpu: "1", memory: 16Gi}
          limits: {nvidia.com/gpu: 1}
)";

TEST(Values, AWholeFileIsRead) {
  const auto spec = read(kWhole);
  ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
  EXPECT_EQ(spec->model, "Qwen/Qwen3-1.7B");
  EXPECT_EQ(spec->service_name, "qwen-small");
  EXPECT_EQ(spec->service_namespace, "models");
  EXPECT_EQ(spec->framework, Framework::vllm);
  EXPECT_EQ(spec->replicas, 2);
  EXPECT_EQ(spec->max_replicas, 3);
  EXPECT_EQ(spec->accelerators_per_replica, 1);
  EXPECT_EQ(spec->instance_type, "g6e.2xlarge");
  EXPECT_EQ(std::get<std::int64_t>(spec->environment.at("A_FLAG").value), 1);
  EXPECT_EQ(spec->parameters.at("maxNumSeqs").line, 4);
}

TEST(Values, ACopyJobSaysItsOwnNode) {
  const auto spec = read(R"(s3ModelCopy:
  model: a/b
  s3Bucket: c
  instanceType: m6id.16xlarge
  storageSize: 600
  requireLocalNvme: true
  requireNetworkBandwidth: 20000
  resources: {requests: {cpu: 3, memory: 12Gi}}
)");
  ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
  EXPECT_EQ(spec->framework, Framework::s3_copy);
  EXPECT_EQ(spec->accelerator, domain::Accelerator::cpu);
  EXPECT_EQ(spec->accelerators_per_replica, 0);
  EXPECT_EQ(spec->instance_type, "m6id.16xlarge");
  EXPECT_EQ(spec->cpu_request_m, 3'000);
  EXPECT_EQ(spec->memory_request_mib, 12 * 1'024);
  EXPECT_EQ(spec->local_nvme_above_gib, 600);
  EXPECT_EQ(spec->network_above_mbps, 20'000);
}

TEST(Values, ANodeSelectorMayNameTheInstanceType) {
  const auto service = read(R"(model: meta/llama
inference: {framework: nim-operator}
nimService:
  image: {repository: nvcr.io/nim/meta/llama, tag: 1.0.0}
  resources: {requests: {cpu: 4, memory: 16Gi, nvidia.com/gpu: 1}}
  nodeSelector: {node.kubernetes.io/instance-type: g6e.2xlarge}
)");
  ASSERT_TRUE(service.has_value()) << service.error().to_string();
  EXPECT_EQ(service->instance_type, "g6e.2xlarge");
  EXPECT_EQ(service->accelerators_per_replica, 1);
  EXPECT_EQ(service->cpu_request_m, 4'000);
  const auto cache = read(R"(model: meta/llama
inference: {framework: nim-operator}
nimCache:
  nodeSelector: {node.kubernetes.io/instance-type: g6e.2xlarge}
)");
  ASSERT_TRUE(cache.has_value()) << cache.error().to_string();
  EXPECT_EQ(cache->instance_type, "g6e.2xlarge");
  EXPECT_EQ(cache->accelerators_per_replica, 0);
}

TEST(Values, RaysHeadAndEfaDevicesAreReadWhereTheFrameworkHasThem) {
  const auto ray = read(R"(model: a/b
inference:
  framework: ray-vllm
  rayOptions: {autoscaling: {enabled: true}, head: {requests: {cpu: 3, memory: 10Gi}}}
efa: {enabled: true, devices: 4}
)");
  ASSERT_TRUE(ray.has_value()) << ray.error().to_string();
  EXPECT_TRUE(ray->ray_autoscaling);
  EXPECT_EQ(ray->head_cpu_request_m, 3'000);
  EXPECT_EQ(ray->head_memory_request_mib, 10 * 1'024);
  EXPECT_EQ(ray->efa_devices, 0);
  const auto group = read("model: a/b\ninference: {framework: lws-vllm}\nefa: {enabled: true, devices: 4}\n");
  ASSERT_TRUE(group.has_value()) << group.error().to_string();
  EXPECT_EQ(group->efa_devices, 4);
}

TEST(Values, LocalParametersAreHonouredOrIgnoredWithAReason) {
  const auto spec = read(kWhole);
  const auto p = local_parameters(*spec);
  ASSERT_TRUE(p.has_value()) << p.error().to_string();
  EXPECT_EQ(p->context_tokens, 4'096);
  EXPECT_EQ(p->parallel, 8);
  EXPECT_EQ(p->batch_tokens, 1'024);
  EXPECT_EQ(p->kv_type, domain::KvType::q8_0);
  EXPECT_EQ(p->prefix_caching, false);
  EXPECT_THAT(p->aliases, testing::ElementsAre("qwen"));
  ASSERT_EQ(p->warnings.size(), 1u);
  EXPECT_THAT(p->warnings[0], HasSubstr("gpuMemoryUtilization is ignored: the fit check"));
  EXPECT_EQ(p->table.size(), 7u);
}

TEST(Values, AFileWithOnlyAModelIsEnough) {
  const auto spec = read("model: HuggingFaceTB/SmolLM2-135M-Instruct\n");
  ASSERT_TRUE(spec.has_value());
  EXPECT_EQ(spec->service_name, "smollm2-135m-instruct");
  EXPECT_EQ(spec->framework, Framework::vllm);
  EXPECT_EQ(service_name_of("file:/models/My Model_v1.gguf"), "my-model-v1");
  EXPECT_EQ(service_name_of("///"), "model");
}

struct Bad {
  const char* text;
  ErrorCode code;
  const char* words;
};

TEST(Values, MistakesAreNamedWithTheirPlace) {
  const Bad rows[] = {
      {"modle: x\n", ErrorCode::unknown_key,
       "the key 'modle' is not known at the top level; did you mean 'model'? (values.yaml:1:1)"},
      {"model: x\ninference:\n  framwork: vllm\n", ErrorCode::unknown_key,
       "in 'inference'; did you mean 'framework'?"},
      {"model: x\ninference.serviceName: y\n", ErrorCode::unknown_key,
       "'inference.serviceName' is not known"},
      {"model: x\ninference: 3\n", ErrorCode::wrong_type, "'inference' must be a map, not a whole number"},
      {"model: [x]\n", ErrorCode::wrong_type, "'model' must be text, not a list"},
      {"- a\n", ErrorCode::wrong_type, "'the file' must be a map"},
      {"model: x\ninference:\n  modelServer:\n    deployment:\n      replicas: two\n", ErrorCode::wrong_type,
       "must be a whole number, not text"},
      {"model: x\ninference:\n  modelServer:\n    deployment:\n      replicas: -1\n", ErrorCode::bad_value,
       "it must be 0 to 1024"},
      {"model: x\ninference: {modelServer: {deployment: {minReplicas: 4, maxReplicas: 2}}}\n",
       ErrorCode::bad_value, "less than 'minReplicas'"},
      {"model: x\ninference:\n  framework: vlm\n", ErrorCode::bad_value, "did you mean 'vllm'?"},
      {"model: x\ninference:\n  accelerator: tpu\n", ErrorCode::bad_value,
       "must be one of gpu, neuron, graviton, cpu"},
      {"model: x\ninference:\n  serviceName: Not_A_Label\n", ErrorCode::bad_value, "a-z, 0-9"},
      {"model: x\nmodelParameters: [1]\n", ErrorCode::wrong_type, "'modelParameters' must be a map"},
      {"inference:\n  serviceName: a\n", ErrorCode::missing_key, "'model' is missing"},
      {"", ErrorCode::missing_key, "'model' is missing"},
      {"model: 'x\n", ErrorCode::syntax, "YAML"},
  };
  for (const Bad& row : rows) {
    const auto spec = read(row.text);
    ASSERT_FALSE(spec.has_value()) << row.text;
    EXPECT_EQ(spec.error().code(), row.code) << spec.error().to_string();
    EXPECT_THAT(spec.error().message(), HasSubstr(row.words));
  }
}

TEST(Values, AParameterMayBeAListOrAMapWhichAClusterUnderstands) {
  const auto spec = read(
      "model: x\nmodelParameters:\n  kvEventsConfig: {publisher: zmq, topics: [a, 2]}\ninference: "
      "{modelServer: "
      "{env: {TOKEN: {valueFrom: {secretKeyRef: {name: s, key: k}}}}}}\n");
  ASSERT_TRUE(spec) << spec.error().to_string();
  EXPECT_EQ(std::get<std::string>(spec->parameters.at("kvEventsConfig").value),
            "{publisher: zmq, topics: [a, 2]}");
  EXPECT_EQ(std::get<std::string>(spec->environment.at("TOKEN").value),
            "{valueFrom: {secretKeyRef: {name: s, key: k}}}");
  const auto local = local_parameters(*spec);
  ASSERT_TRUE(local);
  EXPECT_THAT(local->warnings, testing::ElementsAre(HasSubstr("kvEventsConfig is ignored")));
}

TEST(Values, TheCaretStandsUnderTheKey) {
  const auto spec = read("model: x\ninference:\n  serviceNmae: y\n");
  ASSERT_FALSE(spec.has_value());
  EXPECT_EQ(spec.error().detail(), "  3 |   serviceNmae: y\n    |   ^~~~~~~~~~~");
}

TEST(Values, ParametersThatWouldChangeTheAnswerAreRefused) {
  const Bad rows[] = {
      {"{tensorParallelSize: 2}", ErrorCode::parameter_refused, "one replica computes on one device"},
      {"{pipelineParallelSize: '4'}", ErrorCode::parameter_refused, "pipelineParallelSize: 4"},
      {"{chatTemplate: t.jinja}", ErrorCode::parameter_refused, "the model's own template"},
      {"{apiKey: secret}", ErrorCode::parameter_refused, "slipway keys create"},
      {"{enableLora: true}", ErrorCode::parameter_refused, "LoRA"},
      {"{maxModelLen: long}", ErrorCode::wrong_type, "'maxModelLen' must be a whole number"},
      {"{max-model-len: 0}", ErrorCode::bad_value, "it must be 1 to"},
      {"{kvCacheDtype: q2}", ErrorCode::bad_value, "auto, f16, fp8 or q8_0"},
      {"{enablePrefixCaching: maybe}", ErrorCode::wrong_type, "true or false"},
  };
  for (const Bad& row : rows) {
    const std::string text = std::string("model: x\nmodelParameters: ") + row.text + "\n";
    const auto spec = read(text);
    ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
    const auto p = local_parameters(*spec, {"values.yaml", text});
    ASSERT_FALSE(p.has_value()) << row.text;
    EXPECT_EQ(p.error().code(), row.code);
    EXPECT_THAT(p.error().message(), HasSubstr(row.words));
    EXPECT_THAT(p.error().detail(), HasSubstr("2 | modelParameters"));
  }
}

TEST(Values, HarmlessValuesOfRefusedParametersAndUnknownOnesPass) {
  const auto spec = read(
      "model: x\nmodelParameters: {tensorParallelSize: 1, enableLora: false, maxModelLenn: 5, quantization: "
      "Q8_0}\n");
  const auto p = local_parameters(*spec);
  ASSERT_TRUE(p.has_value());
  EXPECT_EQ(p->quantization, "Q8_0");
  ASSERT_EQ(p->warnings.size(), 1u);
  EXPECT_THAT(p->warnings[0], HasSubstr("did you mean 'maxModelLen'?"));
}

TEST(Values, WhatCannotRunHereSaysWhyAndWhatCould) {
  const Bad rows[] = {
      {"{framework: lws-vllm}", ErrorCode::model_cannot_run_here, "over several nodes"},
      {"{framework: ray-vllm}", ErrorCode::model_cannot_run_here, "Ray cluster"},
      {"{framework: diffusers}", ErrorCode::model_cannot_run_here, "makes images"},
      {"{accelerator: neuron}", ErrorCode::model_cannot_run_here, "AWS Neuron"},
      {"{modelServer: {deployment: {resources: {gpu: {limits: {nvidia.com/gpu: 8}}}}}}",
       ErrorCode::model_cannot_run_here, "needs 8 GPUs a replica, and this machine has 0"},
  };
  for (const Bad& row : rows) {
    const auto spec = read(std::string("model: x\ninference: ") + row.text + "\n");
    ASSERT_TRUE(spec.has_value()) << spec.error().to_string();
    const auto notes = check_local(*spec, 0);
    ASSERT_FALSE(notes.has_value()) << row.text;
    EXPECT_EQ(notes.error().code(), row.code);
    EXPECT_THAT(notes.error().message(), HasSubstr(row.words));
    EXPECT_THAT(std::string(notes.error().next_step()), HasSubstr("kubernetes"));
  }
}

TEST(Values, AReplicaOverSeveralGpusIsRefusedAlsoWhereTheyAre) {
  const auto spec = read(
      "model: x\ninference: {modelServer: {deployment: {resources: {gpu: {limits: "
      "{nvidia.com/gpu: 2}}}}}}\n");
  const auto notes = check_local(*spec, 8);
  ASSERT_FALSE(notes.has_value());
  EXPECT_EQ(notes.error().code(), ErrorCode::model_cannot_run_here);
  EXPECT_THAT(notes.error().message(), HasSubstr("one replica computes on one GPU here"));
}

TEST(Values, OneGpuIsComputedOnTheProcessorWithANote) {
  for (const char* framework : {"vllm", "aibrix", "llama-cpp"}) {
    const auto spec = read(std::string("model: x\ninference: {framework: ") + framework + "}\n");
    const auto notes = check_local(*spec, 0);
    ASSERT_TRUE(notes.has_value());
    ASSERT_EQ(notes->size(), 1u);
    EXPECT_THAT(notes->front(), HasSubstr("computes on the processor"));
    EXPECT_TRUE(check_local(*spec, 1)->empty());
  }
}

TEST(Values, EveryFileOfTheReferenceLoadsUnchanged) {
  const auto folder = reference_files() / "values";
  if (!std::filesystem::exists(folder)) GTEST_SKIP() << "the reference's files are not beside this checkout";
  std::size_t files = 0;
  for (const auto& file : std::filesystem::directory_iterator(folder)) {
    const std::string text = read_text(file.path());
    const auto spec = parse_values({file.path().filename().string(), text});
    EXPECT_TRUE(spec.has_value()) << spec.error().to_string();
    ++files;
  }
  EXPECT_GE(files, 11u);
  const auto load = [&](const char* name) { return *parse_values({name, read_text(folder / name)}); };
  EXPECT_EQ(load("values-llama-4-scout-17b-lws-vllm.yaml").accelerators_per_replica, 8);
  EXPECT_EQ(load("values-s3-copy-llama3-8b.yaml").framework, Framework::s3_copy);
  EXPECT_EQ(load("values-llama-31-8b-vllm-neuron.yaml").accelerator, Accelerator::neuron);
  EXPECT_EQ(load("values-llama-32-1b-vllm.yaml").model, "NousResearch/Llama-3.2-1B");
  EXPECT_TRUE(check_local(load("values-llama-32-1b-vllm.yaml"), 0).has_value());
}

}  // namespace
}  // namespace slipway::codec
