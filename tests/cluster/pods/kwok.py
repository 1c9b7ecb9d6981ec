"""Our platform as Karpenter's build for fake nodes reads it: the EC2 catalogue as its list of machines, our node pools with its
node class, the DaemonSets of our add-ons, and the workloads of a values file bound to a row of a table.

What is translated, and why it changes no decision:
- `nodeClassRef` names a KWOKNodeClass: an EC2NodeClass says image, network and disks, and nothing about instance types.
- Labels that the AWS provider puts on every instance type (karpenter.k8s.aws/*) are requirements of every offering: the build
  ignores a pool's requirement of a key that no offering has.
- The build takes 100m and 10Mi of each machine for itself, so machines are that much larger than the catalogue's allocatable.
- Each pool has a label of the test whose value pods choose (`row`) and a taint that they tolerate: pods of two rows never share
  a node, and nobody else's pod gets one.
- Spot is offered at one and the same share of every type's on-demand price, since nobody lists spot prices: it decides the
  capacity type and never the type.
"""

import copy
import json

import yaml

import inference
import render

ROW = "test.slipway.dev/row"
TAINT = {"key": "test.slipway.dev/karpenter", "effect": "NoSchedule"}
TOLERATION = {"key": TAINT["key"], "operator": "Exists", "effect": "NoSchedule"}
ZONES = ["us-west-2a", "us-west-2b"]
SPOT_SHARE = 0.7
BUILDS_OWN = {"cpu": 100, "memory": 10}  # thousandths and MiB
GROUP = "karpenter.kwok.sh"
LIMITS = {"cpu": 100_000, "memory_gib": 1_000_000, "gpu": 1_000, "neuron": 1_000}
# As AWS ships its own add-ons; nothing of ours says it.
EKS_DAEMONS = {"vpc-cni": {"cpu": "50m"}, "kube-proxy": {"cpu": "100m"}}


def catalogue():
    return json.loads((render.PLATFORM / "catalog/ec2-instance-types.json").read_text())["instance_types"]


def offered(key, value):
    """One well-known label of a machine; Karpenter's AWS provider says DoesNotExist where a type has no such thing."""
    if value in (None, 0, ""):
        return {"key": key, "operator": "DoesNotExist"}
    return {"key": key, "operator": "In", "values": [str(value)]}


def labels(item):
    gpu, accelerator = item.get("gpu") or {}, item.get("accelerator") or {}
    facts = {
        "category": item["category"],
        "family": item["family"],
        "generation": item["generation"],
        "size": item["size"],
        "cpu": item["vcpu"],
        "memory": item["memory_mib"],
        "network-bandwidth": item["network_mbps"],
        "ebs-bandwidth": item["ebs_mbps"],
        "local-nvme": item["local_nvme_gib"],
        "gpu-name": gpu.get("name"),
        "gpu-manufacturer": gpu.get("manufacturer"),
        "gpu-count": gpu.get("count"),
        "gpu-memory": gpu.get("memory_mib"),
        "accelerator-name": accelerator.get("name"),
        "accelerator-manufacturer": accelerator.get("manufacturer"),
        "accelerator-count": accelerator.get("count"),
    }
    return [offered(f"karpenter.k8s.aws/instance-{key}", value) for key, value in facts.items()]


def instance_type(item):
    price, resources = item["on_demand_usd_per_hour_us_east_1"], dict(item["allocatable"])
    resources["cpu"] = f"{int(resources['cpu'].removesuffix('m')) + BUILDS_OWN['cpu']}m"
    resources["memory"] = f"{int(resources['memory'].removesuffix('Mi')) + BUILDS_OWN['memory']}Mi"
    offerings = [
        {
            "Price": price * share,
            "Available": True,
            "Requirements": [
                offered("karpenter.sh/capacity-type", capacity),
                offered("topology.kubernetes.io/zone", zone),
                *labels(item),
            ],
        }
        for capacity, share in (("on-demand", 1), ("spot", SPOT_SHARE))
        for zone in ZONES
    ]
    return {
        "name": item["name"],
        "offerings": offerings,
        "architecture": item["arch"],
        "operatingSystems": ["linux"],
        "resources": resources,
    }


def instance_types():
    """All that have an on-demand price: Karpenter's AWS provider offers no other on demand either."""
    return [instance_type(item) for item in catalogue() if item["on_demand_usd_per_hour_us_east_1"]]


def pool_names():
    return list(yaml.safe_load((render.PLATFORM / "charts/node-pools/values.yaml").read_text())["pools"])


def blueprint():
    """An environment that has every pool, with limits that nothing here reaches."""
    pools = ", ".join(f'"{name}" = true' for name in pool_names() if name != "general-purpose")
    limits = ", ".join(f"{key} = {value}" for key, value in LIMITS.items())
    return (
        f'name = "karpenter"\ntarget = "eks"\nnodepools = {{{pools}}}\nnode_limits = {{{limits}}}\n'
        "enable_ai_ml_observability_stack = true\nenable_aws_efa_k8s_device_plugin = true\n"
    )


def node_pools(scratch):
    """The chart's pools, and a node class for each."""
    plain = {"cpu": str(LIMITS["cpu"]), "memory": f"{LIMITS['memory_gib']}Gi"}
    device = {"nvidia.com/gpu": str(LIMITS["gpu"]), "aws.amazon.com/neuron": str(LIMITS["neuron"])}
    values = scratch / "node-pools.json"
    settings = {
        "clusterName": "demo",
        "nodeRole": "demo-node",
        "kmsKeyArn": render.EXAMPLE["kms_key_arn"],
        # All pools in one zone, as `topology = "same-zone"` says. With two, Karpenter starts the pods of one group of a
        # LeaderWorkerSet in both, though a required affinity keeps them together, and then further nodes (docs/karpenter.md).
        "zones": ZONES,
        "topology": "same-zone",
        "nodeLimits": {name: {**plain, **device} for name in pool_names()},
    }
    values.write_text(json.dumps(settings))
    done = render.helm(render.PLATFORM / "charts/node-pools", "node-pools", "karpenter", values)
    for item in render.documents(done.stdout):
        if item["kind"] == "NodePool":
            template = item["spec"]["template"]["spec"]
            template["nodeClassRef"] = {"group": GROUP, "kind": "KWOKNodeClass", "name": item["metadata"]["name"]}
            template["requirements"].append({"key": ROW, "operator": "Exists"})
            template.setdefault("taints", []).append(TAINT)
            yield item
        elif item["kind"] == "EC2NodeClass":
            metadata = {key: item["metadata"][key] for key in ("name", "labels")}
            yield {"apiVersion": f"{GROUP}/v1alpha1", "kind": "KWOKNodeClass", "metadata": metadata}


def values_of(addon):
    return yaml.safe_load(render.fill((render.ADDON_FILES / addon / "values.yaml").read_text()))


def daemon_sets():
    """What our add-ons run on nodes, by their values; kept off nodes that are not Karpenter's."""
    exporter = values_of("kube-prometheus-stack")["prometheus-node-exporter"]
    asked = {name: values_of(name) for name in ("fluent-bit", "dcgm-exporter", "efa-device-plugin")}
    asked["node-exporter"] = exporter
    (monitor,) = [item for item in render.own_manifests(render.ADDONS["neuron-monitor"]) if item["kind"] == "DaemonSet"]
    spec = monitor["spec"]["template"]["spec"]
    asked["neuron-monitor"] = {**spec, "resources": spec["containers"][0]["resources"]}
    for name, requests in EKS_DAEMONS.items():
        asked[name] = {"resources": {"requests": requests}, "tolerations": [{"operator": "Exists"}]}
    for name, values in asked.items():
        karpenters = {"key": "karpenter.sh/nodepool", "operator": "Exists"}
        affinity = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchExpressions": [karpenters]}]}}
        container = {"name": "daemon", "image": "slipway.dev/never-pulled", "imagePullPolicy": "Never"}
        pod = {
            "nodeSelector": values.get("nodeSelector") or {},
            "tolerations": [*values.get("tolerations", []), TOLERATION],
            "affinity": {"nodeAffinity": affinity},
            "containers": [{**container, "resources": {"requests": values["resources"]["requests"]}}],
        }
        yield {
            "apiVersion": "apps/v1",
            "kind": "DaemonSet",
            "metadata": {"name": name},
            "spec": {
                "selector": {"matchLabels": {"daemon": name}},
                "template": {"metadata": {"labels": {"daemon": name}}, "spec": pod},
            },
        }


def without_its_type(values):
    """The same model, for whatever instance type holds it."""
    out = copy.deepcopy(values)
    for part in (
        out.get("inference", {}).get("modelServer", {}).get("deployment", {}),
        out.get("s3ModelCopy", {}),
        out.get("nimService", {}),
        out.get("nimCache", {}),
    ):
        part.pop("instanceType", None)
        (part.get("nodeSelector") or {}).pop("node.kubernetes.io/instance-type", None)
    return out


def nim_pod(item):
    """The pod that NVIDIA's operator, which is in no registry that this machine reaches, makes of its resource."""
    spec = item["spec"]
    container = {"name": "nim", "image": "slipway.dev/never-pulled", "imagePullPolicy": "Never"}
    pod = {
        "nodeSelector": spec["nodeSelector"],
        "tolerations": spec["tolerations"],
        "containers": [{**container, "resources": spec.get("resources", {})}],
    }
    name = f"{item['kind'].lower()}-{item['metadata']['name']}"
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"row": "nim"}}, "spec": pod}


def templates(item):
    return [("", item)] if item["kind"] == "Pod" else list(inference.pods(item))


def count_of(item, role):
    """Pods of one template."""
    spec = item["spec"]
    if item["kind"] == "LeaderWorkerSet":
        return spec["replicas"] * (1 if role == "leader" else spec["leaderWorkerTemplate"]["size"] - 1)
    if item["kind"] == "RayService":
        return 1 if role == "head" else spec["rayClusterConfig"]["workerGroupSpecs"][0]["replicas"]
    return spec.get("replicas", 1)


def workloads(values_file, row):
    """(object, [(pods, role, template)]) of a values file, its pods bound to a row and to the test's nodes."""
    for item in inference.objects(values_file):
        if item["kind"] in ("NIMService", "NIMCache"):
            item = nim_pod(item)
        if not templates(item):
            continue
        item = copy.deepcopy(item)
        item["metadata"].pop("namespace", None)
        if item["kind"] == "Job":  # named after the release, which is the same for every file
            item["metadata"]["name"] = values_file.stem.replace(".", "-")
        found = []
        for role, template in templates(item):
            spec = template["spec"]
            spec.setdefault("nodeSelector", {})[ROW] = row
            spec.setdefault("tolerations", []).append(TOLERATION)
            found.append((count_of(item, role), role, template))
        yield item, found
