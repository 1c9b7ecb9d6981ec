"""The facts of every add-on and where its pods run. No API server needed."""

import pytest
import yaml

import render
from render import ADDONS, VISIBLE, objects_of

KEYS = set(
    "name title meaning version newest_known source namespace pod_security wave enabled_by not_with_auto_mode runs_on"
    " health crds licence notes".split()
)
LEVELS = {"privileged", "baseline", "restricted"}


@pytest.mark.parametrize("name", ADDONS)
def test_addon_file_has_the_documented_form(name):
    facts = ADDONS[name].facts
    assert set(facts) - {"needs", "daemons"} == KEYS
    assert {"cpu", "memory"} <= set(facts.get("daemons", {"cpu": 0, "memory": 0})) <= {"cpu", "memory", "accelerator", "arch"}
    assert facts.get("daemons", {}).get("accelerator", "gpu") in ("gpu", "neuron")
    assert set(facts.get("needs", {})) <= {"cpu", "memory", "volumes_gib", "load_balancers"}
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
    assert (
        wave["karpenter-crd"]
        < wave["karpenter"]
        < wave["node-pools"]
        < wave["aws-load-balancer-controller"]
        < wave["storage-class"]
    )
    assert wave["opensearch-operator"] < wave["opensearch"] < wave["fluent-bit"]
    assert wave["envoy-gateway"] < wave["aibrix"]
    # Nothing that runs on Karpenter's nodes comes before there are pools to run on.
    assert all(
        wave[name] > wave["node-pools"]
        for name, addon in ADDONS.items()
        if addon.facts["runs_on"] != "core" and wave[name] != 0
    )


@pytest.mark.parametrize("name", [name for name in VISIBLE if render.by_chart(ADDONS[name])])
def test_health_names_objects_that_the_chart_makes(name, rendered):
    made = {(item["kind"], item["metadata"]["name"]) for item in objects_of(name, rendered)}
    for check in ADDONS[name].facts["health"]:
        if check["kind"] in ("Deployment", "DaemonSet", "NodePool", "StorageClass", "APIService"):
            assert (check["kind"], check["name"]) in made


@pytest.mark.parametrize("name", ADDONS)
def test_placeholders_are_outputs_or_variables(name):
    for file in ADDONS[name].folder.rglob("*.yaml"):
        assert render.placeholders(file.read_text()) <= set(render.EXAMPLE), file


def tolerates_core(spec):
    return any(
        toleration.get("operator") == "Exists"
        and not toleration.get("key")
        or toleration.get("key") == "CriticalAddonsOnly"
        for toleration in spec.get("tolerations") or []
    )


def required_terms(spec):
    affinity = ((spec.get("affinity") or {}).get("nodeAffinity") or {}).get(
        "requiredDuringSchedulingIgnoredDuringExecution"
    ) or {}
    terms = affinity.get("nodeSelectorTerms") or []
    return [item for item in terms[0].get("matchExpressions", [])] if len(terms) == 1 else []


def selects(spec, key, value):
    if (spec.get("nodeSelector") or {}).get(key) == value:
        return True
    return any(
        term["key"] == key and term["operator"] == "In" and term["values"] == [value] for term in required_terms(spec)
    )


# Pods that a chart gives no way to place; each stays off core nodes by their taint and off Graviton by its own.
UNPLACED = {
    ("aibrix", "aibrix-redis-master"): "the chart has no placement for it",
    ("aibrix", "aibrix-gateway-plugins"): "the chart fixes its affinity",
}


@pytest.mark.parametrize("name", VISIBLE)
def test_pods_run_where_runs_on_says(name, rendered):
    where = ADDONS[name].facts["runs_on"]
    for kind, pod, _, spec in render.pod_specs(objects_of(name, rendered)):
        if (name, pod) in UNPLACED:
            assert not tolerates_core(spec)
            continue
        if kind == "DaemonSet" and where not in ("accelerators",):
            assert any(
                toleration.get("operator") == "Exists" and "key" not in toleration for toleration in spec["tolerations"]
            ), f"{pod} misses tainted nodes"
            continue
        assert selects(spec, "kubernetes.io/arch", "amd64") or kind == "DaemonSet", f"{pod} names no processor"
        if where == "core":
            assert tolerates_core(spec), f"{pod} cannot run on core nodes"
            assert {"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"} in required_terms(
                spec
            ), f"{pod} may land on Karpenter's nodes"
        elif where == "general-purpose" or kind in ("Deployment", "Job"):
            assert selects(spec, "slipway.dev/pool", "general-purpose"), f"{pod} may land anywhere"
            assert not tolerates_core(spec), f"{pod} may land on core nodes"
        elif where == "accelerators":
            assert (
                not tolerates_core(spec) or (spec["nodeSelector"] or {}).get("karpenter.sh/registered") == "true"
            ), f"{pod} may land on core nodes"
            assert (spec["nodeSelector"] or {}).get(
                "slipway.dev/accelerator"
            ) or name == "efa-device-plugin", f"{pod} is not bound to accelerators"


def cpu_m(quantity):
    return int(quantity[:-1]) if str(quantity).endswith("m") else int(float(quantity) * 1000)


def memory_mib(quantity):
    for unit, size in (("Gi", 2**30), ("Mi", 2**20), ("M", 10**6)):
        if str(quantity).endswith(unit):
            return int(quantity[: -len(unit)]) * size / 2**20
    raise ValueError(quantity)


# Pods that an operator makes from a custom resource of ours: (cpu in thousandths, MiB), as the resource asks.
MADE_BY_OPERATORS = {"aibrix": (1020, 1088), "kube-prometheus-stack": (550, 2112), "opensearch": (3000, 12288)}


@pytest.mark.parametrize("name", [name for name in VISIBLE if ADDONS[name].facts["runs_on"] == "general-purpose"])
def test_needs_are_what_the_pods_request(name, rendered):
    cpu, memory = MADE_BY_OPERATORS.get(name, (0, 0))
    for item in objects_of(name, rendered):
        if item["kind"] in ("Deployment", "StatefulSet"):
            for container in item["spec"]["template"]["spec"]["containers"]:
                requests = (container.get("resources") or {}).get("requests") or {}
                cpu += item["spec"].get("replicas", 1) * cpu_m(requests.get("cpu", 0))
                memory += item["spec"].get("replicas", 1) * memory_mib(requests.get("memory", "0Mi"))
    needs = ADDONS[name].facts.get("needs", {"cpu": "0m", "memory": "0Mi"})
    assert (cpu_m(needs["cpu"]), memory_mib(needs["memory"])) == (cpu, pytest.approx(memory, abs=1))


# What these take of a node is not counted: a chart that is not here decides it, or only AL2023 nodes have it.
UNCOUNTED = {"ebs-csi-driver", "neuron-device-plugin", "nvidia-device-plugin"}


@pytest.mark.parametrize("name", ADDONS)
def test_daemons_are_what_the_add_on_takes_of_every_node(name):
    """`plan` leaves so much of a node to others; the charts' own values say it."""
    folder, made = ADDONS[name].folder, [item for item in render.own_manifests(ADDONS[name]) if item["kind"] == "DaemonSet"]
    asked = [container["resources"]["requests"] for item in made for container in item["spec"]["template"]["spec"]["containers"]]
    if name == "kube-prometheus-stack":
        asked = [yaml.safe_load(render.fill((folder / "values.yaml").read_text()))["prometheus-node-exporter"]["resources"]["requests"]]
    elif any(check["kind"] == "DaemonSet" for check in ADDONS[name].facts["health"]) and not made and name not in UNCOUNTED:
        asked = [yaml.safe_load(render.fill((folder / "values.yaml").read_text()))["resources"]["requests"]]
    daemons = ADDONS[name].facts.get("daemons", {"cpu": "0m", "memory": "0Mi"})
    assert cpu_m(daemons["cpu"]) == sum(cpu_m(entry["cpu"]) for entry in asked)
    assert memory_mib(daemons["memory"]) == sum(memory_mib(entry["memory"]) for entry in asked)


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


@pytest.mark.parametrize(
    "name",
    [
        name
        for name, addon in ADDONS.items()
        if "chart" in addon.facts["source"] and not name.endswith(("-crd", "-crds"))
    ],
)
def test_values_place_pods_where_runs_on_says(name):
    """The same without the chart: what our values ask for."""
    values = yaml.safe_load(render.fill((ADDONS[name].folder / "values.yaml").read_text()))
    selectors, tolerations = list(settings(values, "nodeSelector")), [
        entry for listed in settings(values, "tolerations") for entry in listed
    ]
    terms = [
        term for affinity in settings(values, "affinity") if affinity for term in required_terms({"affinity": affinity})
    ]
    core = any(entry.get("key") == "CriticalAddonsOnly" for entry in tolerations)
    where = ADDONS[name].facts["runs_on"]
    if where == "core":
        assert core and {"key": "karpenter.sh/nodepool", "operator": "DoesNotExist"} in terms
    elif where == "general-purpose":
        chosen = [selector.get("slipway.dev/pool") for selector in selectors] + [
            term["values"][0] for term in terms if term["key"] == "slipway.dev/pool"
        ]
        assert chosen and set(chosen) == {"general-purpose"} and not core
    elif where == "every-node":
        assert {"operator": "Exists"} in tolerations
    else:
        assert not core and all("kubernetes.io/arch" in selector for selector in selectors)
        assert {entry["key"] for entry in tolerations} & {"nvidia.com/gpu", "aws.amazon.com/neuron"}


def test_only_critical_addons_run_on_core_nodes():
    charts = {
        name for name, addon in ADDONS.items() if addon.facts["runs_on"] == "core" and "chart" in addon.facts["source"]
    }
    assert charts == {"karpenter", "karpenter-crd", "aws-load-balancer-controller", "ebs-csi-driver"}
