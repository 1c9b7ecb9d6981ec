"""Add-ons and charts as manifests: what Slipway installs, rendered by the real helm for an example environment."""

import dataclasses
import functools
import json
import os
import pathlib
import re
import shutil
import subprocess

import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
PLATFORM = ROOT / "platform"
ADDON_FILES = PLATFORM / "addons"
MODULES = pathlib.Path(os.environ.get("SLIPWAY_KUBE_MODULES", "/nonexistent"))
TOOLS = pathlib.Path(os.environ.get("SLIPWAY_KUBE_TOOLS", "/nonexistent"))

# Outputs and variables of an environment, as Slipway fills them in: lists and maps as JSON, the rest as it is.
EXAMPLE = {
    "cluster_name": "demo",
    "cluster_endpoint": "https://0123456789ABCDEF.gr7.us-west-2.eks.amazonaws.com",
    "region": "us-west-2",
    "account_id": "111122223333",
    "vpc_id": "vpc-0a1b2c3d",
    "vpc_cidr": "10.0.0.0/16",
    "interruption_queue_name": "demo-karpenter",
    "node_role_name": "demo-karpenter-node-us-west-2",
    "node_subnet_ids": ["subnet-0a", "subnet-0b"],
    "node_security_group_id": "sg-0a1b",
    "efa_security_group_id": "sg-0e0f",
    "kms_key_arn": "arn:aws:kms:us-west-2:111122223333:key/00000000-0000-0000-0000-000000000000",
    "tags": {"team": "inference"},
    "enable_eks_auto_mode": False,
    "enable_ai_ml_observability_stack": True,
    "ami_family": "bottlerocket",
    "enable_soci_snapshotter": True,
    "soci_snapshotter_use_instance_store": True,
    "max_user_namespaces": 0,
    "bottlerocket_data_disk_snapshot_id": "",
    "capacity_block_reservation_id": "",
    "capacity_reservation_tags": {},
    "topology": "same-zone",
    "node_limits": {"general-purpose": {"cpu": "64", "memory": "256Gi"}, "gpu": {"cpu": "96", "nvidia.com/gpu": "4"}},
}

# Charts inside Go modules: add-on -> path under the folder of modules.
MODULE_CHARTS = {
    "karpenter": "karpenter@v1.14.1/charts/karpenter",
    "karpenter-crd": "karpenter@v1.14.1/charts/karpenter-crd",
    "leader-worker-set": "lws@v0.9.0/charts/lws",
    "metrics-server": "metrics-server@v0.9.0/charts/metrics-server",
    "nvidia-device-plugin": "nvidia-device-plugin@v0.19.3/deployments/helm/nvidia-device-plugin",
    "envoy-gateway": "envoy-gateway@v1.2.8/charts/gateway-helm",
}


@dataclasses.dataclass(frozen=True)
class AddOn:
    name: str
    facts: dict

    @property
    def folder(self):
        return ADDON_FILES / self.name


@functools.cache
def addons():
    found = [
        AddOn(file.parent.name, yaml.safe_load(file.read_text())) for file in sorted(ADDON_FILES.glob("*/addon.yaml"))
    ]
    return {addon.name: addon for addon in found}


def fill(text, **changes):
    """Replaces ${lower_case} placeholders; ${UPPER_CASE} belongs to the program that reads the text."""
    known = {**EXAMPLE, **changes}

    def value(match):
        found = known[match[1]]
        return found if isinstance(found, str) else json.dumps(found)

    return re.sub(r"\$\{([a-z][a-z0-9_]*)\}", value, text)


def placeholders(text):
    return set(re.findall(r"\$\{([a-z][a-z0-9_]*)\}", text))


class Loader(yaml.CSafeLoader if hasattr(yaml, "CSafeLoader") else yaml.SafeLoader):
    """YAML 1.1 gives a lone `=` a meaning that nobody uses; resource definitions have it in enums, as a string."""


Loader.add_constructor("tag:yaml.org,2002:value", lambda loader, node: node.value)


def documents(text):
    """The objects of a YAML stream; Lists are opened."""
    for document in yaml.load_all(text, Loader=Loader):
        if document and document.get("kind") == "List":
            yield from document["items"]
        elif document:
            yield document


def helm(chart, release, namespace, values_file, *arguments, check=True):
    command = [
        TOOLS / "helm",
        "template",
        release,
        chart,
        "--namespace",
        namespace,
        "--kube-version",
        "1.34.4",
        "--skip-tests",
        "--api-versions",
        "monitoring.coreos.com/v1",
        "-f",
        values_file,
        *arguments,
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    if check and done.returncode != 0:
        raise RuntimeError(f"helm template {release}: {done.stderr[-3000:]}")
    return done


def by_chart(addon):
    return "manifests" not in addon.facts["source"]


def has_chart(addon):
    """Whether this machine has the chart: ours, a Go module's, or one under $SLIPWAY_CHARTS."""
    return (
        "chart_path" in addon.facts["source"]
        or (pathlib.Path(os.environ.get("SLIPWAY_CHARTS", "/nonexistent")) / addon.name / "Chart.yaml").exists()
        or (addon.name in MODULE_CHARTS and (MODULES / MODULE_CHARTS[addon.name]).exists())
    )


def chart_of(addon, scratch):
    """The folder of the add-on's chart (ours, $SLIPWAY_CHARTS/NAME, or a Go module's); None where there is none."""
    source = addon.facts["source"]
    if "chart_path" in source:
        return ROOT / source["chart_path"]
    own = os.environ.get("SLIPWAY_CHARTS")
    found = pathlib.Path(own) / addon.name if own and (pathlib.Path(own) / addon.name / "Chart.yaml").exists() else None
    if found is None and addon.name in MODULE_CHARTS and (MODULES / MODULE_CHARTS[addon.name]).exists():
        found = MODULES / MODULE_CHARTS[addon.name]
        if (found / "values.tmpl.yaml").exists():  # Envoy Gateway fills its values when it is released
            copy = scratch / addon.name
            shutil.copytree(found, copy, dirs_exist_ok=True)
            copy.chmod(0o755)
            (copy / "values.yaml").write_text(re.sub(r"\$\{\w+\}", "", (found / "values.tmpl.yaml").read_text()))
            found = copy
    return found


def own_manifests(addon, **changes):
    """Objects of files in the add-on's folder: its namespace with policies, and its manifests."""
    listed = [path for path in addon.facts["source"].get("manifests", []) if "://" not in path]
    for path in (["namespace.yaml"] if (addon.folder / "namespace.yaml").exists() else []) + listed:
        yield from documents(fill((addon.folder / path).read_text(), **changes))


def chart_manifests(addon, scratch, **changes):
    """Objects that the add-on's chart renders with our values; None where the chart is not here."""
    chart = chart_of(addon, scratch)
    if chart is None:
        return None
    values = scratch / f"{addon.name}.yaml"
    values.write_text(fill((addon.folder / "values.yaml").read_text(), **changes))
    rendered = helm(chart, addon.name, addon.facts["namespace"], values).stdout
    # Helm gives objects without a namespace to the release's; on the command line that is kubectl's part.
    return list(documents(rendered))


def pod_specs(objects):
    """(kind, name, namespace, pod spec) of every workload."""
    for item in objects:
        spec = item.get("spec") or {}
        if item["kind"] == "Pod":
            found = spec
        elif item["kind"] == "CronJob":
            found = spec["jobTemplate"]["spec"]["template"]["spec"]
        elif item["kind"] in ("Deployment", "DaemonSet", "StatefulSet", "Job", "ReplicaSet"):
            found = spec["template"]["spec"]
        else:
            continue
        yield item["kind"], item["metadata"]["name"], item["metadata"].get("namespace"), found


ADDONS = addons()
# Add-ons whose objects can all be seen here. What an absent chart makes is not judged; test_manifests.py says which.
VISIBLE = [name for name, addon in ADDONS.items() if not by_chart(addon) or has_chart(addon)]


def objects_of(name, rendered):
    """Everything that a visible add-on brings; `rendered` is the fixture that keeps rendered charts."""
    return list(own_manifests(ADDONS[name])) + (rendered(name) if by_chart(ADDONS[name]) else [])
