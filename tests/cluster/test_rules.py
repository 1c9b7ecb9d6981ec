"""What every add-on and every pool owes: placement, limits, encryption, isolation, pins, passwords. No API server needed."""
import json
import re

import pytest
import yaml

import render

ADDONS = render.addons()
KEYS = {"name", "title", "meaning", "version", "newest_known", "source", "namespace", "pod_security", "wave", "enabled_by", "not_with_auto_mode",
        "runs_on", "health", "crds", "licence", "notes"}
LEVELS = {"privileged", "baseline", "restricted"}
LABELS = yaml.safe_load((render.PLATFORM / "catalog/node-labels.yaml").read_text())
# EKS owns this namespace: its own agents live there, and a policy of ours would cut them off.
EKS_NAMESPACE = "kube-system"
MUTABLE = re.compile(r":(latest|main|master|nightly|stable|edge|dev)$")


# Add-ons whose objects can all be seen here. What a chart that is absent makes is not judged; test_manifests.py says which.
VISIBLE = [name for name, addon in ADDONS.items() if not render.by_chart(addon) or render.has_chart(addon)]


def workloads(name, rendered):
    addon = ADDONS[name]
    return list(render.own_manifests(addon)) + (rendered(name) if render.by_chart(addon) else [])


# ---- the format of addon.yaml ----

@pytest.mark.parametrize("name", ADDONS)
def test_addon_file_has_the_documented_form(name):
    facts = ADDONS[name].facts
    assert set(facts) == KEYS
    assert facts["name"] == name
    assert set(facts["newest_known"]) == {"version", "date"}
    source = set(facts["source"])
    assert source in ({"chart", "repository"}, {"chart_path"}, {"manifests"})
    assert facts["pod_security"]["enforce"] in LEVELS
    assert facts["pod_security"]["enforce"] == "restricted" or facts["pod_security"]["reason"]
    enabled = facts["enabled_by"]
    assert set(enabled) in ({"always"}, {"variable"}, {"addon_variable", "when", "needed_by"})
    assert set(enabled.get("needed_by", [])) <= set(ADDONS)
    assert facts["runs_on"] in ("core", "general-purpose", "every-node", "accelerators")
    assert isinstance(facts["wave"], int) and isinstance(facts["not_with_auto_mode"], bool)
    assert all({"kind", "name"} <= set(check) <= {"kind", "name", "namespace"} for check in facts["health"])
    assert facts["health"], "an installer must know when it may go on"


def test_waves_keep_the_bring_up_order():
    wave = {name: addon.facts["wave"] for name, addon in ADDONS.items()}
    assert all(wave[name] == 0 for name in wave if name.endswith("-crds") or name == "karpenter-crd")
    assert wave["karpenter-crd"] < wave["karpenter"] < wave["node-pools"] < wave["aws-load-balancer-controller"] < wave["storage-class"]
    assert wave["opensearch-operator"] < wave["opensearch"] < wave["fluent-bit"]
    assert wave["envoy-gateway"] < wave["aibrix"]
    # Nothing that runs on Karpenter's nodes comes before there are pools to run on.
    assert all(wave[name] > wave["node-pools"] for name, addon in ADDONS.items() if addon.facts["runs_on"] != "core" and wave[name] != 0)


@pytest.mark.parametrize("name", [name for name in VISIBLE if render.by_chart(ADDONS[name])])
def test_health_names_objects_that_the_chart_makes(name, rendered):
    made = {(item["kind"], item["metadata"]["name"]) for item in workloads(name, rendered)}
    for check in ADDONS[name].facts["health"]:
        if check["kind"] in ("Deployment", "DaemonSet", "NodePool", "StorageClass", "APIService"):
            assert (check["kind"], check["name"]) in made


@pytest.mark.parametrize("name", ADDONS)
def test_placeholders_are_outputs_or_variables(name):
    for file in ADDONS[name].folder.rglob("*.yaml"):
        assert render.placeholders(file.read_text()) <= set(render.EXAMPLE), file


# ---- placement: eks-rules 4 and 29 ----

def tolerates_core(spec):
    return any(toleration.get("operator") == "Exists" and not toleration.get("key") or toleration.get("key") == "CriticalAddonsOnly"
               for toleration in spec.get("tolerations") or [])


def required_terms(spec):
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    terms = affinity.get("nodeSelectorTerms") or []
    return [item for item in terms[0].get("matchExpressions", [])] if len(terms) == 1 else []


def selects(spec, key, value):
    if (spec.get("nodeSelector") or {}).get(key) == value:
        return True
    return any(term["key"] == key and term["operator"] == "In" and term["values"] == [value] for term in required_terms(spec))


# Pods that a chart gives no way to place; each stays off core nodes by their taint and off Graviton by its own.
UNPLACED = {("aibrix", "aibrix-redis-master"): "the chart has no placement for it", ("aibrix", "aibrix-gateway-plugins"): "the chart fixes its affinity"}


@pytest.mark.parametrize("name", VISIBLE)
def test_pods_run_where_runs_on_says(name, rendered):
    where = ADDONS[name].facts["runs_on"]
    for kind, pod, _, spec in render.pod_specs(workloads(name, rendered)):
        if (name, pod) in UNPLACED:
            assert not tolerates_core(spec)
            continue
        if kind == "DaemonSet" and where not in ("accelerators",):
            assert any(toleration.get("operator") == "Exists" and "key" not in toleration for toleration in spec["tolerations"]), f"{pod} misses tainted nodes"
            continue
        assert selects(spec, "kubernetes.io/arch", "amd64") or kind == "DaemonSet", f"{pod} names no processor"
        if where == "core":
            assert tolerates_core(spec), f"{pod} cannot run on core nodes"
            assert {"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"} in required_terms(spec), f"{pod} may land on Karpenter's nodes"
        elif where == "general-purpose" or kind in ("Deployment", "Job"):
            assert selects(spec, "slipway.dev/pool", "general-purpose"), f"{pod} may land anywhere"
            assert not tolerates_core(spec), f"{pod} may land on core nodes"
        elif where == "accelerators":
            assert not tolerates_core(spec) or (spec["nodeSelector"] or {}).get("karpenter.sh/registered") == "true", f"{pod} may land on core nodes"
            assert (spec["nodeSelector"] or {}).get("slipway.dev/accelerator") or name == "efa-device-plugin", f"{pod} is not bound to accelerators"


def settings(value, key):
    """Every value under `key` anywhere in a chart's values."""
    if isinstance(value, dict):
        if key in value:
            yield value[key]
        for inner in value.values():
            yield from settings(inner, key)
    elif isinstance(value, list):
        for inner in value:
            yield from settings(inner, key)


@pytest.mark.parametrize("name", [name for name, addon in ADDONS.items() if "chart" in addon.facts["source"] and not name.endswith(("-crd", "-crds"))])
def test_values_place_pods_where_runs_on_says(name):
    """The same without the chart: what our values ask for."""
    values = yaml.safe_load(render.fill((ADDONS[name].folder / "values.yaml").read_text()))
    selectors, tolerations = list(settings(values, "nodeSelector")), [entry for listed in settings(values, "tolerations") for entry in listed]
    terms = [term for affinity in settings(values, "affinity") if affinity for term in required_terms({"affinity": affinity})]
    core = any(entry.get("key") == "CriticalAddonsOnly" for entry in tolerations)
    where = ADDONS[name].facts["runs_on"]
    if where == "core":
        assert core and {"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"} in terms
    elif where == "general-purpose":
        chosen = [selector.get("slipway.dev/pool") for selector in selectors] + [term["values"][0] for term in terms if term["key"] == "slipway.dev/pool"]
        assert chosen and set(chosen) == {"general-purpose"} and not core
    elif where == "every-node":
        assert {"operator": "Exists"} in tolerations
    else:
        assert not core and all("kubernetes.io/arch" in selector for selector in selectors)
        assert {entry["key"] for entry in tolerations} & {"nvidia.com/gpu", "aws.amazon.com/neuron"}


def test_only_critical_addons_run_on_core_nodes():
    charts = {name for name, addon in ADDONS.items() if addon.facts["runs_on"] == "core" and "chart" in addon.facts["source"]}
    assert charts == {"karpenter", "karpenter-crd", "aws-load-balancer-controller", "ebs-csi-driver"}


# ---- node pools: eks-rules 12 and 29, controls S06 and S09 ----

PLAIN = {"clusterName": "demo", "nodeRole": "demo-node", "kmsKeyArn": render.EXAMPLE["kms_key_arn"]}
EVERY_POOL = {pool: {"nodes": 2} for pool in LABELS["pools"]}


def pools_chart(check=True, **values):
    settings = [text for key, value in {**PLAIN, **values}.items() for text in ("--set-json", f"{key}={json.dumps(value)}")]
    return render.helm(render.PLATFORM / "charts/node-pools", "node-pools", "karpenter", render.PLATFORM / "charts/node-pools/values.yaml", *settings, check=check)


@pytest.fixture(scope="module", params=[False, True], ids=["karpenter", "auto-mode"])
def pools(request, rendered):
    objects = list(render.documents(pools_chart(nodeLimits=EVERY_POOL, autoMode=request.param).stdout))
    return {item["spec"]["template"]["metadata"]["labels"]["slipway.dev/pool"]: item for item in objects if item["kind"] == "NodePool"}


def requirement(pool, key):
    return next((item for item in pool["spec"]["template"]["spec"]["requirements"] if item["key"] == key), None)


def test_pools_and_the_table_of_labels_agree(pools):
    assert set(pools) == set(LABELS["pools"])
    for name, facts in LABELS["pools"].items():
        labels = pools[name]["spec"]["template"]["metadata"]["labels"]
        assert labels["slipway.dev/accelerator"] == facts["accelerator"]
        assert requirement(pools[name], "kubernetes.io/arch")["values"] == [facts["arch"]]
        assert requirement(pools[name], "kubernetes.io/os")["values"] == ["linux"]


@pytest.mark.parametrize("accelerator", LABELS["accelerators"])
def test_a_model_that_selects_an_accelerator_finds_a_pool(pools, accelerator):
    wanted = LABELS["accelerators"][accelerator]
    for pool in pools.values():
        offered = {**pool["spec"]["template"]["metadata"]["labels"], "kubernetes.io/arch": requirement(pool, "kubernetes.io/arch")["values"][0], "kubernetes.io/os": "linux"}
        tolerated = {toleration["key"] for toleration in wanted["tolerations"]}
        taints = {taint["key"] for taint in pool["spec"]["template"]["spec"].get("taints", [])}
        if wanted["labels"].items() <= offered.items() and taints <= tolerated:
            return
    pytest.fail(f"no pool offers {wanted}")


@pytest.mark.parametrize("legacy", LABELS["legacy_pools"])
def test_a_pool_name_of_the_reference_leads_to_a_pool_with_its_families(pools, legacy):
    target = LABELS["legacy_pools"][legacy]
    pool = pools[target["pool"]]
    if families := target.get("families"):
        key = next(key for key in LABELS["keys"]["instance_family"].values() if requirement(pool, key))
        assert set(families) <= set(requirement(pool, key)["values"])


def test_labels_of_the_reference_mean_the_same_here(pools):
    for label, meanings in LABELS["legacy_labels"].items():
        for pool in pools.values():
            labels = pool["spec"]["template"]["metadata"]["labels"]
            assert labels.get(label) == (labels["slipway.dev/accelerator"] if labels["slipway.dev/accelerator"] in meanings else None)


def test_every_pool_has_limits_and_a_disruption_budget(pools):
    for pool in pools.values():
        assert pool["spec"]["limits"] and pool["spec"]["disruption"]["budgets"]


@pytest.mark.parametrize("values,told", [
    ({"nodeLimits": {}}, "nodeLimits is empty"),
    ({"nodeLimits": {"gpu": {"cpu": "96"}}, "pools.neuron.enabled": True}, "no limits for the pool 'neuron'"),
    ({"nodeLimits": {"gpus": {"cpu": "96"}}}, "names the pool 'gpus'"),
    ({"nodeLimits": {"gpu": {}}}, "minProperties"),
    ({"nodeLimits": {"gpu": {"gpus": 4}}}, "gpus"),
    ({"nodeLimits": EVERY_POOL, "amiVersion.bottlerocket": "latest"}, "amiVersion"),
    ({"nodeLimits": EVERY_POOL, "kmsKeyArn": ""}, "kmsKeyArn"),
    ({"nodeLimits": EVERY_POOL, "topologi": "spread"}, "topologi"),
])
def test_bad_values_are_refused_with_their_name(rendered, values, told):
    done = pools_chart(check=False, **values)
    assert done.returncode != 0 and told in done.stderr


def test_nodes_are_encrypted_pinned_and_keep_metadata_to_themselves(rendered):
    for family in ("bottlerocket", "al2023"):
        for item in render.documents(pools_chart(nodeLimits=EVERY_POOL, amiFamily=family).stdout):
            if item["kind"] != "EC2NodeClass":
                continue
            spec = item["spec"]
            assert all(volume["ebs"]["encrypted"] and volume["ebs"]["kmsKeyID"] == PLAIN["kmsKeyArn"] for volume in spec["blockDeviceMappings"])
            assert spec["metadataOptions"] == {"httpEndpoint": "enabled", "httpProtocolIPv6": "disabled", "httpPutResponseHopLimit": 1, "httpTokens": "required"}
            assert "latest" not in spec["amiSelectorTerms"][0]["alias"]
            assert spec["associatePublicIPAddress"] is False
            assert spec["tags"]["slipway.dev/environment"] == "demo" and spec["tags"]["slipway.dev/managed-by"] == "slipway"


def test_topology_narrows_zones_only_where_zones_are_given(rendered):
    def zones(**values):
        first = next(item for item in render.documents(pools_chart(nodeLimits=EVERY_POOL, **values).stdout) if item["kind"] == "NodePool")
        found = requirement(first, "topology.kubernetes.io/zone")
        return found and found["values"]
    assert zones(topology="same-zone") is None and zones(topology="spread") is None
    assert zones(topology="same-zone", zones=["us-west-2b", "us-west-2c"]) == ["us-west-2b"]
    assert zones(topology="spread", zones=["us-west-2b", "us-west-2c"]) == ["us-west-2b", "us-west-2c"]


def test_an_efa_node_has_one_ordinary_interface_and_the_devices_of_its_type(rendered):
    catalogue = {"gpu-p5-48xlarge": 32, "gpu-p5e-48xlarge": 32, "gpu-p5en-48xlarge": 16, "gpu-p6-b200-48xlarge": 8, "gpu-p6-b300-48xlarge": 16}
    for item in render.documents(pools_chart(nodeLimits=EVERY_POOL).stdout):
        if item["kind"] == "EC2NodeClass" and item["metadata"]["name"] in catalogue:
            kinds = [interface["interfaceType"] for interface in item["spec"]["networkInterfaces"]]
            assert kinds.count("interface") == 1 and kinds.count("efa-only") == catalogue[item["metadata"]["name"]]


# ---- isolation: controls S10 and S11, eks-rules 26 and 27 ----

def own(name, kind):
    return [item for item in render.own_manifests(ADDONS[name]) if item["kind"] == kind]


NAMESPACES = {item["metadata"]["name"]: item for name in ADDONS for item in own(name, "Namespace")}
POLICIES = [item for name in ADDONS for item in own(name, "NetworkPolicy")]


@pytest.mark.parametrize("name", ADDONS)
def test_a_namespace_is_there_before_the_addon_whatever_else_is_off(name):
    facts = ADDONS[name].facts
    makers = [maker for maker in ADDONS if any(item["metadata"]["name"] == facts["namespace"] for item in own(maker, "Namespace"))]
    if name == "opensearch-dashboards":  # needs the stack that makes its namespace, and says so
        assert makers == ["opensearch"] and "enable_ai_ml_observability_stack" in facts["notes"]
    elif facts["namespace"] != EKS_NAMESPACE and makers != [name]:
        assert any(ADDONS[maker].facts["enabled_by"] == facts["enabled_by"] and ADDONS[maker].facts["not_with_auto_mode"] == facts["not_with_auto_mode"]
                   and ADDONS[maker].facts["wave"] < facts["wave"] for maker in makers)


@pytest.mark.parametrize("name", ADDONS)
def test_an_addon_lives_in_a_namespace_with_the_level_that_it_names(name):
    facts = ADDONS[name].facts
    if facts["namespace"] != EKS_NAMESPACE:
        labels = NAMESPACES[facts["namespace"]]["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == facts["pod_security"]["enforce"]


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_has_pod_security_levels_and_denies_by_default(namespace):
    labels = NAMESPACES[namespace]["metadata"]["labels"]
    assert {f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "audit", "warn")} <= set(labels)
    denials = [policy for policy in POLICIES if policy["metadata"]["namespace"] == namespace and policy["spec"]["podSelector"] == {}
               and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"} and not policy["spec"].get("ingress") and not policy["spec"].get("egress")]
    assert len(denials) == 1


@pytest.mark.parametrize("name", VISIBLE)
def test_webhooks_are_reachable_from_the_api_server(name, rendered):
    addon = ADDONS[name]
    if addon.facts["namespace"] == EKS_NAMESPACE:
        return
    objects = workloads(name, rendered)
    called = [hook["clientConfig"]["service"] for item in objects if item["kind"].endswith("WebhookConfiguration") for hook in item.get("webhooks", [])
              if hook["clientConfig"].get("service")] + [item["spec"]["service"] for item in objects if item["kind"] == "APIService" and item["spec"].get("service")]
    if called:
        allowed = {port["port"] for policy in POLICIES if policy["metadata"] == {"name": "allow-webhooks", "namespace": addon.facts["namespace"]}
                   for rule in policy["spec"]["ingress"] for port in rule["ports"]}
        assert allowed, f"{name} has webhooks or an aggregated API, and no policy lets the API server in"


def test_privileged_namespaces_are_only_those_of_node_agents():
    privileged = {name for name, item in NAMESPACES.items() if item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"}
    assert privileged == {"nvidia-device-plugin", "dcgm-exporter", "neuron-system", "neuron-monitor", "efa-device-plugin", "fluent-bit", "node-exporter"}


# ---- load balancers, images, passwords, TLS: eks-rules 28, controls S14, S15, S17, S18 ----

@pytest.mark.parametrize("name", VISIBLE)
def test_no_addon_opens_a_load_balancer(name, rendered):
    for item in workloads(name, rendered):
        if item["kind"] == "Service":
            assert item["spec"].get("type", "ClusterIP") == "ClusterIP", item["metadata"]["name"]
        if item["kind"] == "EnvoyProxy":
            assert item["spec"]["provider"]["kubernetes"]["envoyService"]["type"] == "ClusterIP"


@pytest.mark.parametrize("name", VISIBLE)
def test_images_have_an_exact_version(name, rendered):
    for _, pod, _, spec in render.pod_specs(workloads(name, rendered)):
        for container in spec["containers"] + (spec.get("initContainers") or []):
            image = container["image"]
            assert not MUTABLE.search(image) and re.search(r":[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$", image), f"{pod}: {image}"


def test_versions_are_exact():
    for name, addon in ADDONS.items():
        assert re.fullmatch(r"v?\d+(\.\d+){0,2}", addon.facts["version"]), name


PASSWORD = re.compile(r"(password|passwd|secret|token)\s*[:=]\s*[\"']?(admin|admin123|prom-operator|changeme|password|secret)\b", re.I)


@pytest.mark.parametrize("name", ADDONS)
def test_no_file_carries_a_password(name):
    for file in ADDONS[name].folder.rglob("*.yaml"):
        assert not PASSWORD.search(file.read_text()), file


@pytest.mark.parametrize("name", VISIBLE)
def test_no_rendered_secret_has_a_known_password(name, rendered):
    for item in workloads(name, rendered):
        if item["kind"] == "Secret":
            assert not any("password" in key.lower() for key in {**item.get("data", {}), **item.get("stringData", {})}), item["metadata"]["name"]


def secrets_made():
    """(namespace, name) of Secrets that the installer or the OpenSearch operator makes."""
    yield from (("opensearch", name) for name in ("logs-admin-password", "logs-dashboards-password", "logs-http-cert"))
    for addon in ADDONS.values():
        file = addon.folder / "secrets.yaml"
        listed = yaml.safe_load(file.read_text()) if file.exists() else {}
        for secret in listed.get("generate", []):
            yield from ((namespace, secret["name"]) for namespace in secret["namespaces"])
        yield from ((copy["to"]["namespace"], copy["to"]["name"]) for copy in listed.get("copy", []))


def references(value):
    """Names of Secrets that a pod spec reads."""
    if isinstance(value, dict):
        for key in ("secretKeyRef", "secretRef"):
            if key in value and not value[key].get("optional"):
                yield value[key]["name"]
        if isinstance(value.get("secret"), dict) and not value["secret"].get("optional"):
            yield value["secret"].get("secretName") or value["secret"].get("name")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize("name", VISIBLE)
def test_secrets_that_pods_read_are_made_by_somebody(name, rendered):
    addon = ADDONS[name]
    objects = workloads(name, rendered)
    rendered_here = {item["metadata"]["name"] for item in objects if item["kind"] == "Secret"}
    # Certificates that a controller or its install hook writes for itself.
    self_made = {"envoy-gateway": {"envoy-gateway"}, "kube-prometheus-stack": {"kube-prometheus-stack-admission"}, "keda": {"kedaorg-certs"}}.get(name, set())
    for _, pod, _, spec in render.pod_specs(objects):
        for secret in set(references(spec)) - rendered_here - self_made:
            assert (addon.facts["namespace"], secret) in set(secrets_made()), f"{pod} reads Secret {secret}, which nobody makes"


def test_generated_passwords_are_long_and_random():
    for addon in ADDONS.values():
        file = addon.folder / "secrets.yaml"
        for secret in (yaml.safe_load(file.read_text()) if file.exists() else {}).get("generate", []):
            assert any("random" in key for key in secret["keys"].values())
            assert all(key["random"] >= 24 for key in secret["keys"].values() if "random" in key)


def test_tls_is_verified_wherever_it_is_spoken():
    for addon in ADDONS.values():
        for file in addon.folder.rglob("*.yaml"):
            text = file.read_text()
            assert not re.search(r"tls\.verify\s+off|insecureSkipTLSVerify:\s*true|tlsSkipVerify:\s*true|VERIFICATIONMODE, value: none", text, re.I), file


@pytest.mark.parametrize("name", ADDONS)
def test_no_pod_of_ours_starts_a_shell(name):
    for _, pod, _, spec in render.pod_specs(render.own_manifests(ADDONS[name])):
        for container in spec["containers"] + (spec.get("initContainers") or []):
            assert not {"sh", "bash"} & {part.rsplit("/", 1)[-1] for part in (container.get("command") or [])[:1]}, pod
