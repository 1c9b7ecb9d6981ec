"""Our models: facts in every file, computed memory, an instance type that fits and that a node pool can launch."""

import json

import pytest
import yaml

import inference
import render

pytestmark = inference.needs_helm
FILES = {file.stem: file for file in sorted(inference.OURS.glob("*.yaml"))}
TYPES = {
    item["name"]: item
    for item in json.loads((render.PLATFORM / "catalog/ec2-instance-types.json").read_text())["instance_types"]
}
POOLS = yaml.safe_load((render.PLATFORM / "charts/node-pools/values.yaml").read_text())["pools"]
# GiB of one accelerator; the catalogue knows those of GPUs only (AWS documents these).
NEURON_GIB = {"inf2": 32, "trn1": 32, "trn2": 96}
# §2.3 of the reference's list, by the names that its files have there.
REFERENCE_MODELS = """
deepseek-r1-distill-llama-8b-ray-vllm-gpu deepseek-r1-distill-llama-8b-vllm-neuron gpt-oss-20b-vllm llama-32-1b-vllm
llama-32-1b-ray-vllm llama-32-1b-ray-vllm-autoscaling llama-32-1b-aibrix llama-32-1b-triton-vllm-gpu llama-4-scout-17b-vllm
llama-4-scout-17b-lws-vllm qwen-3-coder-480b-a35b-instruct-lws-vllm mistral-small-24b-ray-vllm qwen3-1.7b-vllm qwen3-1.7b-triton
llama-2-13b-ray-vllm-neuron llama-3-70b-ray-vllm-neuron llama-31-8b-vllm-neuron llama-31-8b-ray-vllm-neuron flux-1-diffusers
kolors-diffusers latent-diffusion-diffusers omni-gen-diffusers stable-diffusion-3.5-large-diffusers
stable-diffusion-xl-base-1-diffusers llama-3-8b-instruct-nim stable-diffusion-3.5-large-diffusers-nim s3-copy-llama3-8b
glm-4-5-air-vllm glm-5-2-vllm kimi-k3-vllm-b300 s3-copy-kimi-k3 llama-4-maverick-17b-vllm llama-4-maverick-17b-vllm-neuron
llama-4-scout-17b-vllm-neuron llama-32-1b-instruct-llama-cpp llama-32-1b-vllm-graviton llama-4-scout-17b-lws-vllm-efa
llama-31-8b-instruct-nim-operator-cache llama-31-8b-instruct-nim-operator-service llama-32-1b-instruct-nim-operator-cache
llama-32-1b-instruct-nim-operator-service
""".split()


def read(name):
    return yaml.safe_load(FILES[name].read_text())


def deployment(values):
    return values.get("inference", {}).get("modelServer", {}).get("deployment", {})


def devices(values):
    """Accelerators of one pod."""
    kind = values["inference"].get("accelerator", "gpu")
    resource = {"gpu": "nvidia.com/gpu", "neuron": "aws.amazon.com/neuron"}.get(kind)
    limits = deployment(values).get("resources", {}).get(kind, {}).get("limits", {})
    return limits.get(resource, 1) if resource else 0


def gib(instance, values):
    """Memory of the pod's devices on that instance, or of the machine where it has none."""
    if "gpu" in instance:
        return devices(values) * instance["gpu"]["memory_mib"] / 1024
    if "accelerator" in instance:
        return devices(values) * NEURON_GIB[instance["family"]]
    return instance["memory_mib"] / 1024


def test_every_model_of_the_reference_has_a_file():
    assert not set(REFERENCE_MODELS) - set(FILES)


def test_there_are_models_for_text_reasoning_vision_embedding_and_images():
    tasks = {read(name)["about"]["task"] for name in FILES}
    assert {"chat", "reasoning", "vision", "embedding", "image", "code"} <= tasks


@pytest.mark.parametrize("name", FILES)
def test_a_file_starts_with_its_facts(name):
    values, head = read(name), FILES[name].read_text().split("\nmodel:")[0].split("\ns3ModelCopy:")[0]
    about = values["about"]
    assert head.startswith("# ") and f"# Licence {about['licence']}" in head
    assert about["instanceType"] in head
    if about["task"] not in ("copy", "image"):
        assert f"Context {about['context']:,} tokens" in head and about["parameters"] > 0


@pytest.mark.parametrize("name", FILES)
def test_memory_is_weights_plus_kv_cache_and_fits_the_instance_type(name):
    values = read(name)
    about, instance = values["about"], TYPES[values["about"]["instanceType"]]
    if about["task"] == "copy":
        return
    assert about["memoryGiB"] == pytest.approx(about["weightsGiB"] + about["kvGiB"], abs=0.11)
    pods = (values.get("modelParameters") or {}).get("pipelineParallelSize", 1)
    share = (values.get("modelParameters") or {}).get("gpuMemoryUtilization", 0.95)
    assert about["memoryGiB"] <= share * pods * gib(instance, values)
    assert devices(values) <= (instance.get("gpu") or instance.get("accelerator") or {"count": 0})["count"]


@pytest.mark.parametrize("name", FILES)
def test_pods_ask_for_no_more_than_the_instance_type_can_give(name):
    instance = TYPES[read(name)["about"]["instanceType"]]
    for _, role, template in inference.all_pods(inference.objects(FILES[name])):
        for container in template["spec"]["containers"]:
            requests = container["resources"]["requests"]
            if role != "head":
                cpu = float(str(requests["cpu"]).removesuffix("m")) / (
                    1000 if str(requests["cpu"]).endswith("m") else 1
                )
                assert cpu <= float(instance["allocatable"]["cpu"].removesuffix("m")) / 1000
                assert int(requests["memory"].removesuffix("Gi")) * 1024 <= int(
                    instance["allocatable"]["memory"].removesuffix("Mi")
                )
                limit = container["resources"].get("limits", {}).get("memory")
                if limit:
                    assert int(limit.removesuffix("Gi")) * 1024 <= int(
                        instance["allocatable"]["memory"].removesuffix("Mi")
                    )
                    assert int(limit.removesuffix("Gi")) >= int(requests["memory"].removesuffix("Gi"))


@pytest.mark.parametrize("name", FILES)
def test_a_node_pool_of_ours_can_launch_the_instance_type(name):
    instance = TYPES[read(name)["about"]["instanceType"]]
    assert any(
        pool["arch"] == instance["arch"]
        and (
            instance["name"] in pool.get("instanceTypes", [])
            or instance["family"] in pool.get("families", [])
            or (instance["category"] in pool.get("categories", []) and instance["generation"] >= pool["minGeneration"])
        )
        for pool in POOLS.values()
    )


@pytest.mark.parametrize("name", [name for name in FILES if "nim-operator" not in name])
def test_the_pods_are_bound_to_that_instance_type(name):
    about = read(name)["about"]
    for _, role, template in inference.all_pods(inference.objects(FILES[name])):
        if role != "head":
            assert template["spec"]["nodeSelector"]["node.kubernetes.io/instance-type"] == about["instanceType"]


@pytest.mark.parametrize("name", FILES)
def test_a_service_name_is_the_file_name_so_that_all_models_fit_one_namespace(name):
    if "s3ModelCopy" not in read(name) and "nim-operator" not in name:
        assert read(name)["inference"]["serviceName"] == name.replace(".", "-")
