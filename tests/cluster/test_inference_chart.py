"""What every server of the inference chart owes: security, probes, drain, labels, scaling, placement, schema."""

import json
import re

import pytest
import yaml

import inference
import render
from inference import after, environment, one
from test_security import MUTABLE

pytestmark = inference.needs_helm
FILES = inference.files()
PODS = list(inference.pods_of_files())
each_pod = pytest.mark.parametrize(
    "item,role,template", [pod[1:] for pod in PODS], ids=[f"{p[0]}-{p[2]}" for p in PODS]
)


def deployment(found):
    return one(found, "Deployment")["spec"]["template"]


def container(found):
    return deployment(found)["spec"]["containers"][0]


def of(framework="vllm", **more):
    return {"model": "hf:a/b/c.gguf", "inference": {"serviceName": "x", "framework": framework}, **more}


def taken(models, found):
    """The API server refuses none of them; skips where it lacks definitions that no package carries."""
    lacking = {item["kind"] for item in found if not models.knows(item) and "aibrix.ai" in item["apiVersion"]}
    if lacking:
        pytest.skip(f"needs the definitions of AIBrix ({', '.join(sorted(lacking))}): set SLIPWAY_CRDS")
    refusals = models.refusals(found)
    assert not refusals, "\n".join(refusals)
    return True


# --- security


@each_pod
def test_pods_are_restricted_and_hold_no_token(item, role, template):
    spec = template["spec"]
    autoscaling = item["kind"] == "RayService" and item["spec"]["rayClusterConfig"]["enableInTreeAutoscaling"]
    assert spec["automountServiceAccountToken"] is (role == "head" and autoscaling)
    assert spec["enableServiceLinks"] is False
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    for part in spec["containers"] + spec.get("initContainers", []):
        context = part["securityContext"]
        assert context["allowPrivilegeEscalation"] is False and context["capabilities"]["drop"] == ["ALL"]
        assert context["readOnlyRootFilesystem"] is True
        if "vpc.amazonaws.com/efa" in str(part["resources"]):  # an EFA pins memory
            assert context["capabilities"]["add"] == ["IPC_LOCK"] and spec["securityContext"]["runAsUser"] == 0
        else:
            assert "add" not in context["capabilities"]
            assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] > 0


@each_pod
def test_no_container_starts_a_shell(item, role, template):
    for part in template["spec"]["containers"] + template["spec"].get("initContainers", []):
        words = part.get("command", []) + part.get("args", [])
        words += (part.get("lifecycle", {}).get("preStop", {}).get("exec") or {}).get("command", [])
        assert not {"sh", "bash", "-c"} & {word.rsplit("/", 1)[-1] for word in words}


@each_pod
def test_images_have_an_exact_version(item, role, template):
    for part in template["spec"]["containers"] + template["spec"].get("initContainers", []):
        assert not MUTABLE.search(part["image"]) and re.search(r":[\w.-]*\d[\w.-]*$", part["image"]), part["image"]


@each_pod
def test_the_hub_token_is_a_file_of_an_optional_secret(item, role, template):
    for volume in template["spec"]["volumes"]:
        if volume.get("secret"):
            assert volume["secret"]["optional"] is True and volume["secret"]["defaultMode"] == 0o440
    for part in template["spec"]["containers"]:
        variables = environment(part)
        if "NGC_API_KEY" not in variables:  # a NIM reads the environment only
            assert not {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN"} & set(variables)
            assert variables["HF_TOKEN_PATH"] == "/etc/slipway/secrets/huggingface/token"


def test_a_mutable_tag_is_pinned_or_refused(values):
    def image(repository, tag):
        server = {"image": {"repository": repository, "tag": tag}}
        return {"inference": {"framework": "vllm", "modelServer": server}}

    assert container(values(image("vllm/vllm-openai", "latest")))["image"] == "vllm/vllm-openai:v0.32.0"
    refusal = values.refusal(image("example.org/mine", "latest"))
    assert "inference.modelServer.image example.org/mine:latest" in refusal and "pinnedTags" in refusal
    digest = {"repository": "example.org/mine", "digest": "sha256:" + "a" * 64}
    found = values({"inference": {"framework": "vllm", "modelServer": {"image": digest}}})
    assert container(found)["image"] == "example.org/mine@sha256:" + "a" * 64


@pytest.mark.parametrize("name", [name for name in FILES if "nim-operator" not in name])
def test_every_release_has_a_policy_that_names_who_may_come_in_and_where_pods_may_go(name):
    policies = [item for item in inference.objects(FILES[name]) if item["kind"] == "NetworkPolicy"]
    assert policies
    for policy in policies:
        assert policy["spec"]["policyTypes"] == ["Ingress", "Egress"]
        for rule in policy["spec"].get("ingress", []):
            assert rule["from"]
        for rule in policy["spec"]["egress"]:
            assert rule.get("to"), rule


def test_gateways_come_from_one_namespace_where_it_is_named(values):
    def gateways(**policy):
        (peer,) = one(values(of(networkPolicy=policy)), "NetworkPolicy")["spec"]["ingress"][0]["from"]
        assert peer["podSelector"]["matchLabels"] == {"app.kubernetes.io/name": "slipway"}
        return peer["namespaceSelector"]

    assert gateways() == gateways(gatewayNamespace="") == {}
    assert gateways(gatewayNamespace="slipway") == {"matchLabels": {"kubernetes.io/metadata.name": "slipway"}}
    assert "gatewayNamespace" in values.refusal(of(networkPolicy={"gatewayNamespace": "Slipway"}))


def test_egress_never_reaches_a_neighbour_in_the_cluster(values):
    policy = one(values(of()), "NetworkPolicy")
    (store,) = [rule for rule in policy["spec"]["egress"] if {"protocol": "TCP", "port": 443} in rule.get("ports", [])]
    assert "10.0.0.0/8" in store["to"][0]["ipBlock"]["except"]
    closed = one(values(of(networkPolicy={"modelStoreCidrs": []})), "NetworkPolicy")
    assert "443" not in json.dumps(closed)


def test_a_load_balancer_is_internal_and_needs_source_ranges(values):
    assert "service.loadBalancerSourceRanges" in values.refusal(of(service={"type": "LoadBalancer"}))
    ranges = {"type": "LoadBalancer", "loadBalancerSourceRanges": ["203.0.113.0/24"]}
    service = one(values(of(service=ranges)), "Service")
    assert service["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert service["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]
    assert service["metadata"]["annotations"]["service.beta.kubernetes.io/aws-load-balancer-scheme"] == "internal"


# --- probes and drain


@each_pod
def test_servers_have_three_probes_and_time_to_drain(item, role, template):
    spec = template["spec"]
    if item["kind"] == "Job":
        assert spec["terminationGracePeriodSeconds"] == 120
        return
    assert spec["terminationGracePeriodSeconds"] == 140
    (part,) = spec["containers"]
    if item["kind"] == "RayService":  # KubeRay puts its own probes into pods that have none
        assert not {"startupProbe", "readinessProbe", "livenessProbe"} & set(part)
        assert role == "head" or part["lifecycle"]["preStop"]
    elif role == "worker":  # a group's worker serves nothing; its leader stands for all
        assert "readinessProbe" not in part
    else:
        assert {"startupProbe", "readinessProbe", "livenessProbe"} <= set(part) and part["lifecycle"]["preStop"]
        # Half an hour, unless the file says otherwise.
        assert part["startupProbe"]["periodSeconds"] * part["startupProbe"]["failureThreshold"] >= 600


def test_liveness_of_vllm_is_progress(values):
    assert container(values(of()))["livenessProbe"]["exec"]["command"][:3] == [
        "python3",
        "/etc/slipway/config/progress.py",
        "live",
    ]
    plain = container(values(of(progress={"enabled": False})))
    assert plain["livenessProbe"]["httpGet"] == {"path": "/health", "port": "http"}


def test_the_grace_period_is_drain_and_margin(values):
    drain = {"endpointSeconds": 7, "seconds": 300, "marginSeconds": 20}
    pod = deployment(values(of(drain=drain)))
    assert pod["spec"]["terminationGracePeriodSeconds"] == 327
    assert pod["spec"]["containers"][0]["lifecycle"]["preStop"]["exec"]["command"][-2:] == ["7", "300"]


def test_a_server_that_cannot_drain_is_left_alone_for_the_whole_time(values):
    image = {"repository": "ghcr.io/ggml-org/llama.cpp", "tag": "server-b11206"}
    found = values({"inference": {"framework": "llama-cpp", "modelServer": {"image": image}}})
    assert container(found)["lifecycle"]["preStop"] == {"sleep": {"seconds": 125}}
    assert container(values(of("llama-cpp")))["lifecycle"]["preStop"] == {"sleep": {"seconds": 5}}


@pytest.mark.parametrize("framework", ["vllm", "triton-vllm", "aibrix", "diffusers", "llama-cpp", "lws-vllm"])
def test_one_replica_at_a_time_may_go(values, framework):
    budget = one(values(of(framework)), "PodDisruptionBudget")["spec"]
    assert budget["maxUnavailable"] == 1 and budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


# --- frameworks


def test_aibrix_pods_carry_its_port_and_engine_labels(values):
    labels = deployment(values(of("aibrix")))["metadata"]["labels"]
    assert labels["model.aibrix.ai/name"] == "x" == labels["slipway.dev/model"]
    assert labels["model.aibrix.ai/port"] == "8000" and labels["model.aibrix.ai/engine"] == "vllm"


def test_aibrix_objects_come_by_value(values, models):
    ports = [{"name": "service", "port": 12345, "protocol": "TCP", "targetPort": 12345}]
    aibrix = {
        "adapters": [{"name": "sql", "artifactURL": "huggingface://a/b"}],
        "kvCache": {"spec": {"mode": "distributed", "service": {"type": "ClusterIP", "ports": ports}}},
    }
    found = values(of("aibrix", aibrix=aibrix, autoscaling={"kind": "aibrix"}))
    adapter, scaler = one(found, "ModelAdapter"), one(found, "PodAutoscaler")
    labels = deployment(found)["metadata"]["labels"]
    assert adapter["spec"]["podSelector"]["matchLabels"].items() <= labels.items()
    assert labels["adapter.model.aibrix.ai/enabled"] == "true"
    assert scaler["spec"]["metricsSources"][0]["targetMetric"] == "kv_cache_usage_perc"
    assert one(found, "KVCache")["metadata"]["name"] == "x-kvcache"
    assert taken(models, found)


@pytest.mark.parametrize(
    "kind,makes", [("hpa", "HorizontalPodAutoscaler"), ("keda", "ScaledObject"), ("aibrix", "PodAutoscaler")]
)
@pytest.mark.parametrize("framework", ["vllm", "lws-vllm", "diffusers"])
def test_an_autoscaler_owns_the_number_of_replicas(values, models, framework, kind, makes):
    found = values(of(framework, autoscaling={"kind": kind}))
    target = one(found, makes)["spec"]["scaleTargetRef"]
    workload = one(found, target["kind"])
    assert workload["metadata"]["name"] == target["name"] and "replicas" not in workload["spec"]
    assert taken(models, found)


def test_ray_scales_itself(values):
    assert "rayOptions.autoscaling" in values.refusal(of("ray-vllm", autoscaling={"kind": "hpa"}))


def test_monitors_are_of_the_kind_that_is_asked_for(values, models):
    monitor = one(values(of(monitoring={"kind": "ServiceMonitor", "labels": {"release": "kps"}})), "ServiceMonitor")
    assert monitor["metadata"]["labels"]["release"] == "kps" and taken(models, [monitor])
    assert not {"PodMonitor", "ServiceMonitor"} & {item["kind"] for item in values(of(monitoring={"enabled": False}))}


@pytest.mark.parametrize("name", FILES)
def test_a_monitor_selects_pods_and_a_port_that_are_there(name):
    found = inference.objects(FILES[name])
    for monitor in [item for item in found if item["kind"] == "PodMonitor"]:
        wanted = monitor["spec"]["selector"]["matchLabels"]
        port = monitor["spec"]["podMetricsEndpoints"][0]["port"]
        assert any(
            wanted.items() <= template["metadata"]["labels"].items()
            and port in {entry["name"] for entry in template["spec"]["containers"][0].get("ports", [])}
            for _, _, template in inference.all_pods(found)
        )


def test_a_group_uses_what_its_vllm_can_do(values):
    newer = of("lws-vllm", modelParameters={"pipelineParallelSize": 2})
    leader, worker = [
        template["spec"]["containers"][0] for _, template in inference.pods(one(values(newer), "LeaderWorkerSet"))
    ]
    assert after(leader["args"], "--node-rank") == "$(LWS_WORKER_INDEX)" and "--headless" in worker["args"]
    image = {"repository": "public.ecr.aws/deep-learning-containers/vllm", "tag": "0.10.2-gpu-py312-ec2"}
    newer["inference"]["modelServer"] = {"image": image}
    leader, worker = [
        template["spec"]["containers"][0] for _, template in inference.pods(one(values(newer), "LeaderWorkerSet"))
    ]
    assert leader["command"][1:3] == ["/etc/slipway/config/group.py", "lead"] and worker["command"][-1] == "join"


def test_triton_gets_its_parameters_in_snake_case_with_their_types(values):
    parameters = {"maxModelLen": "8192", "gpuMemoryUtilization": 0.8, "enforceEager": "false", "maxNumSeqs": 1000000}
    data = one(values(of("triton-vllm", modelParameters=parameters)), "ConfigMap")["data"]
    model = json.loads(data["model.json"])
    assert model["max_model_len"] == 8192 and model["gpu_memory_utilization"] == 0.8
    assert model["enforce_eager"] is False and model["max_num_seqs"] == 1000000
    items = deployment(values(of("triton-vllm")))["spec"]["volumes"][-1]["configMap"]["items"]
    assert {entry["path"] for entry in items} == {"config.pbtxt", "1/model.json"}


def test_the_worker_holds_no_token_and_its_file_is_fetched_before(values):
    pod = deployment(values(of("llama-cpp")))
    (fetch,), (worker,) = pod["spec"]["initContainers"], pod["spec"]["containers"]
    assert fetch["args"] == ["hf:a/b/c.gguf", after(worker["args"], "--model")]
    assert "huggingface-token" in str(fetch["volumeMounts"]) and "huggingface-token" not in str(worker["volumeMounts"])
    assert "names none" in values.refusal({**of("llama-cpp"), "model": "Qwen/Qwen3-4B"})


def test_a_neuron_device_counts_as_two_cores(values):
    found = values({"inference": {"framework": "vllm", "accelerator": "neuron"}})
    assert after(container(found)["args"], "--tensor-parallel-size") == "2"


def test_weights_of_a_bucket_keep_the_models_name(values):
    args = container(values(of(modelPath="s3://b/p/", vllm={"loadFormat": "runai_streamer"})))["args"]
    assert args[0] == "s3://b/p/" and after(args, "--load-format") == "runai_streamer"
    start = args.index("--served-model-name")
    assert args[start + 1 : start + 3] == ["x", "hf:a/b/c.gguf"]


# --- placement


def test_the_chart_carries_the_platforms_table_of_node_labels():
    table = (render.PLATFORM / "catalog/node-labels.yaml").read_bytes()
    assert (inference.CHART / "files/node-labels.yaml").read_bytes() == table


@pytest.mark.parametrize("accelerator", ["gpu", "neuron", "graviton", "cpu"])
def test_an_accelerator_selects_and_tolerates_what_its_pools_have(values, accelerator):
    table = yaml.safe_load((render.PLATFORM / "catalog/node-labels.yaml").read_text())["accelerators"][accelerator]
    spec = deployment(values({"inference": {"framework": "vllm", "accelerator": accelerator}}))["spec"]
    assert spec["nodeSelector"] == table["labels"]
    assert spec.get("tolerations", []) == table["tolerations"]
    assert spec.get("runtimeClassName") == table.get("runtime_class")


def test_old_pool_names_are_translated_and_unknown_ones_refused(values):
    def placed(pool, **more):
        return {
            "inference": {
                "framework": "vllm",
                "modelServer": {"deployment": {"nodeSelector": {"karpenter.sh/nodepool": pool}}},
            },
            **more,
        }

    spec = deployment(values(placed("g6e-nvidia")))["spec"]
    assert "karpenter.sh/nodepool" not in spec["nodeSelector"] and spec["nodeSelector"]["slipway.dev/pool"] == "gpu"
    terms = spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
    assert terms == [
        {"matchExpressions": [{"key": "karpenter.k8s.aws/instance-family", "operator": "In", "values": ["g6e"]}]}
    ]
    auto = deployment(values(placed("g6e-nvidia", autoMode=True)))["spec"]
    assert "eks.amazonaws.com/instance-family" in str(auto["affinity"]) and "runtimeClassName" not in auto
    assert "'gpus'" in values.refusal(placed("gpus"))


@pytest.mark.parametrize("framework", ["vllm", "ray-vllm", "lws-vllm"])
@pytest.mark.parametrize("topology", ["same-zone", "spread", "strict"])
def test_topology_gathers_or_spreads_by_labels_that_pods_carry(values, models, framework, topology):
    found = values(of(framework, topology=topology, modelParameters={"pipelineParallelSize": 2}))
    assert taken(models, found)
    for _, role, template in inference.all_pods(found):
        rules = template["spec"].get("affinity", {}).get("podAffinity", {})
        hard = rules.get("requiredDuringSchedulingIgnoredDuringExecution", [])
        soft = rules.get("preferredDuringSchedulingIgnoredDuringExecution", [])
        spread = template["spec"].get("topologySpreadConstraints", [])
        selectors = [term["labelSelector"] for term in hard + spread] + [
            term["podAffinityTerm"]["labelSelector"] for term in soft
        ]
        for selector in selectors:
            assert selector["matchLabels"].items() <= template["metadata"]["labels"].items()
        if framework == "lws-vllm":
            # A group never spans zones; strict keeps all groups in one.
            assert len(hard) == 1 and ("matchLabelKeys" in hard[0]) is (topology != "strict")
        elif topology == "spread":
            assert not hard and not soft and (spread or role == "head")
        else:
            assert (bool(hard), bool(soft), bool(spread)) == (topology == "strict", topology == "same-zone", False)


def test_the_references_own_rules_are_kept_where_they_apply(values):
    term = {
        "weight": 7,
        "podAffinityTerm": {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {}}},
    }
    placed = {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [term]}}
    file = {"inference": {"serviceName": "x", "framework": "vllm", "modelServer": {"deployment": placed}}}
    (kept,) = deployment(values(file))["spec"]["affinity"]["podAffinity"][
        "preferredDuringSchedulingIgnoredDuringExecution"
    ]
    assert (
        kept["weight"] == 7
        and kept["podAffinityTerm"]["labelSelector"]["matchLabels"]["app.kubernetes.io/instance"] == "x"
    )
    off = {"podAffinity": {"enabled": False}}
    bare = {"inference": {"framework": "vllm", "modelServer": {"deployment": off}}}
    assert "affinity" not in deployment(values(bare))["spec"]


# --- schema


@pytest.mark.parametrize(
    "wrong,named",
    [
        ({"modelParameter": {}}, "modelParameter"),
        ({"inference": {"servicename": "x"}}, "servicename"),
        ({"inference": {"framework": "vlmm"}}, "/inference/framework"),
        ({"inference": {"accelerator": "tpu"}}, "/inference/accelerator"),
        ({"inference": {"serviceName": "Upper_Case"}}, "/inference/serviceName"),
        ({"inference": {"modelServer": {"deployment": {"replica": 2}}}}, "replica"),
        (
            {"inference": {"modelServer": {"deployment": {"replicas": "two"}}}},
            "/inference/modelServer/deployment/replicas",
        ),
        ({"inference": {"modelServer": {"deployment": {"resources": {"gpus": {}}}}}}, "gpus"),
        ({"inference": {"modelServer": {"deployment": {"startupProbe": {"period": 1}}}}}, "period"),
        ({"inference": {"rayOptions": {"autoscaling": {"minActors": 1}}}}, "minActors"),
        ({"s3ModelCopy": {"bucket": "b"}}, "bucket"),
        ({"service": {"type": "NodePort"}}, "/service/type"),
        ({"topology": "zone"}, "/topology"),
        ({"autoscaling": {"kind": "vpa"}}, "/autoscaling/kind"),
        ({"hfTokenSecret": {"token": "hf_x"}}, "token"),
        ({"about": {"license": "MIT", "licence": "MIT", "instanceType": "x"}}, "license"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_key_or_value_is_named(values, wrong, named):
    assert named in values.refusal(wrong)


def test_the_schema_knows_every_key_of_the_values_file_and_no_other():
    schema = json.loads((inference.CHART / "values.schema.json").read_text())

    def properties(node):
        node = schema["definitions"][node["$ref"].rsplit("/", 1)[-1]] if "$ref" in node else node
        return node.get("properties", {})

    def walk(values, node, path):
        for key, value in values.items():
            known = properties(node)
            if known:
                assert key in known, f"{path}.{key}"
                if isinstance(value, dict):
                    walk(value, known[key], f"{path}.{key}")

    defaults = yaml.safe_load((inference.CHART / "values.yaml").read_text())
    walk(defaults, schema, "")
    assert set(schema["properties"]) - set(defaults) == {"about"}


def test_a_name_that_kuberay_would_refuse_is_refused_before(values):
    refusal = values.refusal({"inference": {"serviceName": "a" * 48, "framework": "ray-vllm"}})
    assert "48 characters" in refusal and "47" in refusal


def test_llama_server_uses_the_gpu_where_there_is_one(values):
    def server(accelerator):
        return container(
            values(
                {
                    **of("llama-cpp", llamaCpp={"server": "llama-server"}),
                    "inference": {"serviceName": "x", "framework": "llama-cpp", "accelerator": accelerator},
                }
            )
        )

    gpu, cpu = server("gpu"), server("cpu")
    assert "server-cuda-" in gpu["image"] and after(gpu["args"], "--n-gpu-layers") == "999"
    assert "cuda" not in cpu["image"] and "--n-gpu-layers" not in cpu["args"]
    assert after(cpu["args"], "--hf-repo") == "a/b" and after(cpu["args"], "--hf-file") == "c.gguf"
    assert cpu["command"] == ["/app/llama-server"]


def test_ray_keeps_its_state_in_redis_where_asked(values, models):
    redis = {"address": "redis.cache", "port": 6380, "secretName": "redis", "secretPasswordKey": "word"}
    options = {"gcs": {"highAvailability": {"enabled": True, "redis": redis}}}
    found = values({"inference": {"serviceName": "x", "framework": "ray-vllm", "rayOptions": options}})
    state = one(found, "RayService")["spec"]["rayClusterConfig"]["gcsFaultToleranceOptions"]
    assert state["redisAddress"] == "redis.cache:6380"
    assert state["redisPassword"]["valueFrom"]["secretKeyRef"] == {"name": "redis", "key": "word"}
    assert any(
        rule["ports"][0]["port"] == 6380 and rule["to"]
        for rule in one(found, "NetworkPolicy")["spec"]["egress"]
        if "ports" in rule
    )
    assert taken(models, found)
