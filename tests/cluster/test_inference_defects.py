"""What the reference's charts get wrong (eleven findings from reading them), each shown to be right here."""

import re

import pytest
import yaml

import inference
from inference import after, environment, one, serve_application

pytestmark = inference.needs_helm
RAY = {"inference": {"serviceName": "ray", "framework": "ray-vllm", "rayOptions": {"autoscaling": {"enabled": False}}}}
LWS = {
    "modelParameters": {"tensorParallelSize": 8, "pipelineParallelSize": 2},
    "inference": {
        "serviceName": "group",
        "framework": "lws-vllm",
        "modelServer": {
            "deployment": {"resources": {"gpu": {"requests": {"nvidia.com/gpu": 8}, "limits": {"nvidia.com/gpu": 8}}}}
        },
    },
}


def with_parameters(values, **parameters):
    return {**values, "modelParameters": parameters}


def command(found):
    return serve_application(found)["args"]["command"]


def test_defect_1_ray_gets_every_model_parameter_as_it_is_written(values):
    got = command(values(with_parameters(RAY, maxNumSeqs=37, maxModelLen=1000000, blockSize=32)))
    assert after(got, "--max-num-seqs") == "37"
    assert after(got, "--max-model-len") == "1000000"  # not 1e+06
    assert after(got, "--block-size") == "32"


def test_defect_2_what_is_on_can_be_switched_off_and_nothing_is_switched_on_unasked(values):
    got = command(values(with_parameters(RAY, enablePrefixCaching=False)))
    assert "--no-enable-prefix-caching" in got
    assert not {"--enforce-eager", "--trust-remote-code", "--enable-prefix-caching"} & set(got)
    four = {"requests": {"nvidia.com/gpu": 4}, "limits": {"nvidia.com/gpu": 4}}
    ray = yaml.safe_load(yaml.safe_dump(RAY))
    ray["inference"]["modelServer"] = {"deployment": {"resources": {"gpu": four}}}
    found = values(ray)
    assert after(command(found), "--tensor-parallel-size") == "4"
    assert serve_application(found)["deployments"][0]["ray_actor_options"]["num_gpus"] == 4


def test_defect_3_affinity_of_ray_selects_labels_that_its_pods_carry(values):
    found = values(RAY)
    for _, role, template in inference.all_pods(found):
        labels = template["metadata"]["labels"]
        (term,) = template["spec"]["affinity"]["podAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
        wanted = term["podAffinityTerm"]["labelSelector"]["matchLabels"]
        assert wanted and wanted.items() <= labels.items(), role
        assert not any(key.startswith("ray.io/") for key in wanted)
        assert "topologySpreadConstraints" not in template["spec"], "a spread would scatter what affinity gathers"


def test_defect_4_two_releases_live_in_one_namespace(values):
    frameworks = ["vllm", "ray-vllm", "triton-vllm", "diffusers", "lws-vllm", "llama-cpp", "aibrix"]
    names = [
        (item["kind"], item["metadata"]["namespace"], item["metadata"]["name"])
        for framework in frameworks
        for service in ("one", "two")
        for item in values(
            {
                "model": "hf:a/b/c.gguf",
                "inference": {"serviceName": f"{service}-{framework}", "framework": framework},
                "s3ModelCopy": {"model": "a/b", "s3Bucket": "c"},
            }
        )
    ]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("framework", ["vllm", "ray-vllm", "triton-vllm", "diffusers", "lws-vllm"])
def test_defect_4_the_service_namespace_holds_everything_that_pods_mount(values, framework):
    found = values({"inference": {"serviceName": "x", "serviceNamespace": "elsewhere", "framework": framework}})
    assert {item["metadata"]["namespace"] for item in found} == {"elsewhere"}
    maps = {item["metadata"]["name"] for item in found if item["kind"] == "ConfigMap"}
    for _, _, template in inference.all_pods(found):
        mounted = {volume["configMap"]["name"] for volume in template["spec"]["volumes"] if "configMap" in volume}
        assert mounted and mounted <= maps


def test_defect_5_no_model_parameters_are_as_good_as_some_and_flags_are_flags(values):
    deployment = one(values({"modelParameters": None, "inference": {"framework": "vllm"}}), "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["command"] == ["vllm", "serve"]
    flags = {"enforceEager": True, "enableChunkedPrefill": "true", "trustRemoteCode": False}
    args = one(values({"modelParameters": flags}), "Deployment")["spec"]["template"]["spec"]["containers"][0]["args"]
    assert {"--enforce-eager", "--enable-chunked-prefill"} <= set(args)
    assert not {"true", "false", "--trust-remote-code"} & set(args)


def test_defect_5_structured_parameters_are_one_argument(values):
    parameters = {
        "speculativeConfig": {"method": "mtp", "num_speculative_tokens": 2},
        "attentionConfig": "'{\"a\":1}'",  # quoted for the shell that the reference starts
        "loraModules": ["one=/a", "two=/b"],
    }
    args = one(values({"modelParameters": parameters}), "Deployment")["spec"]["template"]["spec"]["containers"][0][
        "args"
    ]
    assert after(args, "--speculative-config") == '{"method":"mtp","num_speculative_tokens":2}'
    assert after(args, "--attention-config") == '{"a":1}'
    start = args.index("--lora-modules")
    assert args[start + 1 : start + 3] == ["one=/a", "two=/b"]


def test_defect_6_serve_replicas_follow_the_load_between_min_and_max_actors(values):
    ray = yaml.safe_load(yaml.safe_dump(RAY))
    ray["inference"]["rayOptions"]["autoscaling"] = {
        "enabled": True,
        "actorAutoscaling": {"minActors": 1, "maxActors": 2},
    }
    found = values(ray)
    (engine,) = serve_application(found)["deployments"]
    assert engine["autoscaling_config"] == {"min_replicas": 1, "max_replicas": 2, "target_ongoing_requests": 8}
    assert "num_replicas" not in engine and "max_replicas_per_node" not in engine
    assert one(found, "RayService")["spec"]["rayClusterConfig"]["enableInTreeAutoscaling"] is True


def test_defect_6_without_autoscaling_replicas_fill_the_worker_pods(values):
    ray = yaml.safe_load(yaml.safe_dump(RAY))
    ray["modelParameters"] = {"tensorParallelSize": 2}
    four = {"requests": {"nvidia.com/gpu": 4}, "limits": {"nvidia.com/gpu": 4}}
    ray["inference"]["modelServer"] = {"deployment": {"replicas": 3, "resources": {"gpu": four}}}
    (engine,) = serve_application(values(ray))["deployments"]
    assert engine["num_replicas"] == 6 and engine["ray_actor_options"]["num_gpus"] == 2


def test_defect_7_a_group_has_tolerations_an_account_a_startup_probe_and_a_size(values):
    found = one(values(LWS), "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]
    assert found["size"] == 2
    for role in ("leaderTemplate", "workerTemplate"):
        spec = found[role]["spec"]
        assert {"key": "nvidia.com/gpu", "operator": "Exists", "effect": "NoSchedule"} in spec["tolerations"]
        assert spec["serviceAccountName"] == "default"
    assert found["leaderTemplate"]["spec"]["containers"][0]["startupProbe"]["httpGet"]["path"] == "/health"
    lone = {**LWS, "modelParameters": None}
    assert one(values(lone), "LeaderWorkerSet")["spec"]["leaderWorkerTemplate"]["size"] == 1


def test_defect_7_groups_are_not_limited_by_the_number_of_zones(values):
    item = one(values(LWS), "LeaderWorkerSet")
    assert "exclusive-topology" not in str(item)
    template = item["spec"]["leaderWorkerTemplate"]["workerTemplate"]
    (term,) = template["spec"]["affinity"]["podAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
    assert term["matchLabelKeys"] == ["leaderworkerset.sigs.k8s.io/group-index"]
    assert term["labelSelector"]["matchLabels"].items() <= template["metadata"]["labels"].items()


def test_defect_8_the_leader_has_the_same_efa_devices_as_the_workers(values):
    for role, template in inference.pods(
        one(values({**LWS, "efa": {"enabled": True, "devices": 4}}), "LeaderWorkerSet")
    ):
        (container,) = template["spec"]["containers"]
        assert container["resources"]["limits"]["vpc.amazonaws.com/efa"] == 4, role
        assert container["resources"]["requests"]["vpc.amazonaws.com/efa"] == 4, role
        assert environment(container)["FI_PROVIDER"] == "efa", role


@pytest.mark.parametrize(
    "framework", ["vllm", "ray-vllm", "triton-vllm", "diffusers", "lws-vllm", "aibrix", "nim-container"]
)
def test_defect_9_every_mount_has_its_volume(values, framework):
    image = {"repository": "nvcr.io/nim/a/b", "tag": "1.0.0"} if framework == "nim-container" else {}
    found = values({"inference": {"serviceName": "x", "framework": framework, "modelServer": {"image": image}}})
    for _, _, template in inference.all_pods(found):
        volumes = {volume["name"] for volume in template["spec"]["volumes"]}
        for container in template["spec"]["containers"] + template["spec"].get("initContainers", []):
            mounts = [mount["name"] for mount in container["volumeMounts"]]
            assert set(mounts) <= volumes and len(mounts) == len(set(mounts))
            assert not volumes - set(mounts) or container is not template["spec"]["containers"][0]


@pytest.mark.parametrize(
    "framework", ["vllm", "ray-vllm", "triton-vllm", "diffusers", "lws-vllm", "aibrix", "llama-cpp"]
)
def test_defect_10_every_framework_answers_on_the_same_port_by_the_same_name(values, framework):
    values_ = {"model": "hf:a/b/c.gguf", "inference": {"serviceName": "x", "framework": framework}}
    found = values(values_)
    if framework == "ray-vllm":
        service = one(found, "RayService")["spec"]["serveService"]
        assert service["spec"]["ports"][0]["port"] == 8000
    else:
        service = one(found, "Service")
        assert {"name": "http", "port": 8000, "targetPort": "http", "appProtocol": "http"} in service["spec"]["ports"]
    labels = service["metadata"]["labels"]
    assert labels["slipway.dev/model"] == "x" and labels["slipway.dev/port"] == "8000"
    assert labels["slipway.dev/framework"] == framework


def test_defect_10_the_notes_name_the_service_that_is_made(values):
    notes = (inference.CHART / "templates/NOTES.txt").read_text()
    assert "inference.name" in notes and ".Release.Name" not in notes
    assert "-leader" in notes and "-serve-svc" in notes


def test_defect_11_the_commands_of_the_guide_name_what_is_there():
    """The reference's quick start has a typing error and a path that moved."""
    guide = (inference.render.ROOT / "docs/guides/models.md").read_text()
    named = set(re.findall(r"platform/(?:models|charts)/[\w./-]+", guide))
    assert named
    for path in named:
        assert (inference.render.ROOT / path.rstrip("./")).exists(), path
    for verb in re.findall(r"^    helm (\w+)", guide, re.M):
        assert verb in ("template", "upgrade", "install", "uninstall")
