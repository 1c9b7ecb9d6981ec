"""The operators that Slipway's models need, in the versions of our add-ons: built from their Go modules, packed as the image
that their own manifests name, installed as pods by their own chart or manifests, with our add-on's values where there are."""

import dataclasses
import json
import os
import pathlib
import subprocess
import time

import images
import isolation
import layout
from layout import Failure, say


@dataclasses.dataclass
class Operator:
    module: str  # Go module that carries chart or manifests
    version: str
    package: str  # import path of the program
    image: str
    program_at: str  # where the manifests expect it inside the image
    namespace: str
    deployment: str


OPERATORS = {
    "lws": Operator(
        "sigs.k8s.io/lws",
        "v0.9.0",
        "sigs.k8s.io/lws/cmd",
        "registry.k8s.io/lws/lws:v0.9.0",
        "/manager",
        "lws-system",
        "lws-controller-manager",
    ),
    "kuberay": Operator(
        "github.com/ray-project/kuberay/ray-operator",
        "v1.6.1",
        "github.com/ray-project/kuberay/ray-operator",
        "quay.io/kuberay/operator:v1.6.1",
        "/manager",
        "default",
        "kuberay-operator",
    ),
    "prometheus-operator": Operator(
        "github.com/prometheus-operator/prometheus-operator",
        "v0.93.1",
        "github.com/prometheus-operator/prometheus-operator/cmd/operator",
        "quay.io/prometheus-operator/prometheus-operator:v0.93.1",
        "/bin/operator",
        "default",
        "prometheus-operator",
    ),
    "karpenter-kwok": Operator(
        "sigs.k8s.io/karpenter",
        "v1.14.1",
        "sigs.k8s.io/karpenter/kwok",
        "slipway.dev/karpenter-kwok:v1.14.1",
        "/bin/kwok",
        "karpenter",
        "karpenter",
    ),
}


INSTANCE_TYPES = layout.STATE / "instance-types"


def build(*arguments):
    done = subprocess.run(
        [layout.ROOT / "tools/cluster.d/build", *arguments], stdout=subprocess.PIPE, text=True, check=False
    )
    if done.returncode != 0:
        raise Failure(f"{arguments[1]} could not be built (above)", "tools/cluster operators " + arguments[1], done.returncode)
    return pathlib.Path(done.stdout.strip().partition("=")[2])


def parts_of(name):
    """An operator's program and the files of its module; built when they are not there yet."""
    operator = OPERATORS[name]
    return build("program", name, operator.package, operator.version), build("module", name, operator.module, operator.version)


def install(name, kubectl, instance_types=None):
    """Loads and installs one operator, and waits until its pods are ready."""
    if instance_types:  # lies where the pod's host volume looks
        INSTANCE_TYPES.mkdir(exist_ok=True)
        (INSTANCE_TYPES / "types.json").write_bytes(instance_types.read_bytes())
    operator, began = OPERATORS[name], time.monotonic()
    program, module = parts_of(name)
    if images.full_name(operator.image) not in images.loaded():
        images.load(operator.image, images.pack(operator.image, program, [operator.program_at], "65532", at=operator.program_at))
    INSTALL[name](operator, module, kubectl)
    kubectl("-n", operator.namespace, "rollout", "status", f"deployment/{operator.deployment}", "--timeout=180s")
    say(f"    {name} {operator.version}: {time.monotonic() - began:.0f} s")


def install_lws(operator, module, _kubectl):
    helm = pathlib.Path(layout.built()["tools"]) / "helm"
    values = layout.ROOT / "platform/addons/leader-worker-set/values.yaml"
    command = [helm, "upgrade", "--install", "lws", module / "charts/lws", "--namespace", operator.namespace]
    done = subprocess.run(
        [*command, "--create-namespace", "--values", values, "--set", "replicaCount=1"],
        env={**os.environ, "HOME": str(layout.STATE), "KUBECONFIG": str(layout.KUBECONFIG)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise Failure(f"helm: {done.stderr.strip()[-800:]}", "tools/cluster operators lws")


def install_kuberay(_operator, module, kubectl):
    kubectl("apply", "--server-side", "--force-conflicts", "-k", module / "config/default")


def install_prometheus(_operator, module, kubectl):
    kubectl("apply", "--server-side", "--force-conflicts", "-f", module / "bundle.yaml")


def install_karpenter(operator, module, kubectl):
    """Its build for fake nodes: real decisions of the real scheduler, nodes that are only objects."""
    for folder in ("pkg/apis/crds", "kwok/apis/crds"):
        kubectl("apply", "--server-side", "--force-conflicts", "-f", module / folder)
    objects = "\n---\n".join(map(json.dumps, karpenter_objects(operator)))
    kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=objects)


def karpenter_objects(operator):
    metadata = {"name": operator.deployment, "namespace": operator.namespace}
    environment = {
        "SYSTEM_NAMESPACE": operator.namespace,
        "KARPENTER_SERVICE": operator.deployment,
        "CLUSTER_NAME": layout.NAME,
        "DISABLE_LEADER_ELECTION": "true",
        "METRICS_PORT": "8080",
        "HEALTH_PROBE_PORT": "8081",
        "CPU_REQUESTS": "1000m",
        "MEMORY_LIMIT": "1073741824",
    }
    volumes, mounts, annotations = [], [], {}
    own_types = INSTANCE_TYPES / "types.json"
    if own_types.exists():  # else the few hundred that the build carries
        environment["INSTANCE_TYPES_FILE_PATH"] = "/types/types.json"
        volumes = [{"name": "types", "hostPath": {"path": str(INSTANCE_TYPES), "type": "Directory"}}]
        mounts = [{"name": "types", "mountPath": "/types", "readOnly": True}]
        annotations = {"slipway.dev/instance-types": images.digest_of(own_types)}  # another list, another pod
    container = {
        "name": "controller",
        "image": operator.image,
        "imagePullPolicy": "IfNotPresent",
        "env": [{"name": key, "value": value} for key, value in environment.items()],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8081}, "periodSeconds": 2},
        "volumeMounts": mounts,
        # Without a request it gets two thousandths of a processor's weight: beside a compiler it never becomes ready.
        "resources": {"requests": {"cpu": "500m", "memory": "512Mi"}},
    }
    labels = {"app.kubernetes.io/name": "karpenter"}
    pod = {"serviceAccountName": operator.deployment, "containers": [container], "volumes": volumes}
    yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": operator.namespace}}
    yield {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}
    yield {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": "karpenter-kwok"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "cluster-admin"},
        "subjects": [{"kind": "ServiceAccount", **metadata}],
    }
    yield {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata,
        "spec": {
            "replicas": 1,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels, "annotations": annotations}, "spec": pod},
        },
    }


INSTALL = {
    "lws": install_lws,
    "kuberay": install_kuberay,
    "prometheus-operator": install_prometheus,
    "karpenter-kwok": install_karpenter,
}
