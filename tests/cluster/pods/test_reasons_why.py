"""`slipway why` on causes injected into a real cluster: real scheduler, kubelet and containerd. Two things are written by the
test, because only a cloud makes them: NodeClaims (the definition is Karpenter's own where its module is here) with the conditions
that Karpenter writes when EC2 refuses, and a second Node object without a kubelet, which carries a taint. What is answered is
compared with golden text (SLIPWAY_UPDATE_GOLDEN=1 rewrites it) after names and times that vary are replaced.
"""

import json
import os
import pathlib
import re
import subprocess
import time

import pytest
from conftest import ROOT

PROGRAM = pathlib.Path(os.environ.get("SLIPWAY_TEST_BIN", ROOT / "build/dev/bin")) / "slipway"
GOLDEN = pathlib.Path(__file__).resolve().parents[1] / "golden/why"
PATIENCE_S = 150  # until a real kubelet has restarted a container often enough to call it a crash loop
TAINTED = "why-tainted-node"

HANG = "import time\nwhile True: time.sleep(1)"
SERVE = "import http.server\nhttp.server.ThreadingHTTPServer(('', 8000), http.server.SimpleHTTPRequestHandler).serve_forever()"
EAT = "hoard = []\nwhile True: hoard.append(bytearray(8 << 20))"
CRASH = "print('engine 0.32.0 starts', flush=True)\nprint('ValueError: rope_scaling has no key rope_type', flush=True)\nraise SystemExit(3)"
GATED = (
    "import sys\nprint('huggingface_hub.errors.GatedRepoError: 401 Client Error. Cannot access gated repo for url '\n"
    "'https://huggingface.co/meta-llama/Llama-3.2-1B/resolve/main/config.json.', file=sys.stderr, flush=True)\nraise SystemExit(1)"
)
LOAD = "import time\nfor i in range(100000):\n  print(f'Loading safetensors checkpoint shards: {i} of 100000', flush=True)\n  time.sleep(1)"


class Slipway:
    """The program, with an environment whose models live in one namespace of the cluster."""

    def __init__(self, folder, kubeconfig, namespace):
        self.name = "lab"
        (folder / "env.tfvars").write_text(
            f'name = "lab"\ntarget = "kubernetes"\nkubeconfig = "{kubeconfig}"\nkube_namespace = "{namespace}"\n'
        )
        self.environment = {
            "HOME": str(folder),
            "SLIPWAY_HOME": str(folder / "slipway"),
            "SLIPWAY_ENVIRONMENT": "lab",
            "PATH": f"{os.environ['SLIPWAY_KUBE_TOOLS']}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "ASAN_OPTIONS": "detect_leaks=0",
        }
        self.run("up", "-f", folder / "env.tfvars")

    def run(self, *arguments, code=0):
        done = subprocess.run(
            [PROGRAM, *map(str, arguments)], env=self.environment, capture_output=True, text=True, stdin=subprocess.DEVNULL
        )
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stdout


@pytest.fixture
def slipway(real, namespace, tmp_path):
    if not PROGRAM.exists():
        pytest.skip(f"needs {PROGRAM}: cmake --preset dev && cmake --build build/dev --target slipway")
    return Slipway(tmp_path, real.kubeconfig, namespace)


def model(image, program, replicas=1, pod=None, **container):
    """A Deployment labelled as platform/charts/inference labels its own."""
    labels = {
        "app.kubernetes.io/name": "inference",
        "app.kubernetes.io/instance": "qwen",
        "app.kubernetes.io/part-of": "slipway",
        "slipway.dev/model": "qwen",
        "slipway.dev/framework": "vllm",
    }
    server = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["-c", program],
        "resources": {"requests": {"cpu": "10m", "memory": "16Mi"}},
        **container,
    }
    spec = {"terminationGracePeriodSeconds": 1, "enableServiceLinks": False, "containers": [server], **(pod or {})}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "qwen", "labels": labels},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app.kubernetes.io/instance": "qwen"}},
            "template": {"metadata": {"labels": labels, "annotations": {"slipway.dev/model-id": "Qwen/Qwen3-0.6B"}}, "spec": spec},
        },
    }


def probe(failures):
    return {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1, "failureThreshold": failures}


def injected(image):
    """name -> (kind of the first cause, objects)."""
    weights = {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": "weights"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "absent", "resources": {"requests": {"storage": "1Gi"}}},
    }
    apart = {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app.kubernetes.io/instance": "qwen"}}}
            ]
        }
    }
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "team"}, "spec": {"hard": {"pods": "0"}}}
    wants_token = [{"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {"name": "hf-token", "key": "HF_TOKEN"}}}]
    other = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "hf-token"}, "stringData": {"other": "x"}}
    gpu = {"resources": {"requests": {"cpu": "10m"}, "limits": {"nvidia.com/gpu": "1"}}}
    not_ready = [{"key": f"node.kubernetes.io/{key}", "operator": "Exists"} for key in ("not-ready", "unreachable", "network-unavailable")]
    return {
        "no-node-fits-cpu": ("no_node_fits", [model(image, HANG, resources={"requests": {"cpu": "1000"}})]),
        "no-node-fits-label": ("no_node_fits", [model(image, HANG, pod={"nodeSelector": {"slipway.dev/accelerator": "nvidia"}})]),
        "taint": ("taint", [model(image, HANG, pod={"nodeSelector": {"why": "tainted"}, "tolerations": not_ready})]),
        "quota-of-the-namespace": ("quota", [quota, model(image, HANG)]),
        "quota-of-the-account": ("quota", [model(image, HANG, **gpu)]),
        "capacity": ("capacity", [model(image, HANG, **gpu)]),
        "image-pull": ("image_pull", [model("registry.invalid/vllm-openai:v0.32.0", HANG)]),
        "missing-secret": ("missing_secret", [model(image, HANG, env=wants_token)]),
        "missing-key": ("missing_secret", [other, model(image, HANG, env=wants_token)]),
        "missing-mounted-secret": (
            "missing_secret",
            [
                model(
                    image,
                    HANG,
                    pod={"volumes": [{"name": "key", "secret": {"secretName": "ngc-api"}}]},
                    volumeMounts=[{"name": "key", "mountPath": "/key"}],
                )
            ],
        ),
        "gated-model": ("gated_model", [model(image, GATED)]),
        "out-of-memory": (
            "out_of_memory",
            [model(image, EAT, resources={"requests": {"cpu": "10m", "memory": "48Mi"}, "limits": {"memory": "48Mi"}})],
        ),
        "crash-loop": ("crash_loop", [model(image, CRASH)]),
        "slow-start": ("slow_start", [model(image, LOAD, startupProbe=probe(3600))]),
        "volume-pending": (
            "volume_pending",
            [
                weights,
                model(
                    image,
                    HANG,
                    pod={"volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": "weights"}}]},
                    volumeMounts=[{"name": "weights", "mountPath": "/weights"}],
                ),
            ],
        ),
        "topology": ("topology", [model(image, SERVE, replicas=2, pod={"affinity": apart}, readinessProbe=probe(3))]),
        "ready": ("ready", [model(image, SERVE, readinessProbe=probe(3))]),
    }


NAMES = list(injected("x"))
CLAIM_REASONS = {
    "quota-of-the-account": (
        "Failed to create fleet: VcpuLimitExceeded: You have requested more vCPU capacity than your current vCPU limit of 0 allows "
        "for the instance bucket that the specified instance type belongs to."
    ),
    "capacity": (
        "Failed to create fleet: InsufficientInstanceCapacity: We currently do not have sufficient g6e.2xlarge capacity in the "
        "Availability Zone you requested (us-west-2a)."
    ),
}


def node_claim_definition():
    """Karpenter's own, else one that holds any NodeClaim."""
    own = pathlib.Path(os.environ.get("SLIPWAY_KUBE_MODULES", "/nonexistent")) / "karpenter@v1.14.1/pkg/apis/crds/karpenter.sh_nodeclaims.yaml"
    if own.exists():
        return own.read_text()
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}, "subresources": {"status": {}}}
    names = {"kind": "NodeClaim", "plural": "nodeclaims", "singular": "nodeclaim", "listKind": "NodeClaimList"}
    return json.dumps(
        {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {"name": "nodeclaims.karpenter.sh"},
            "spec": {"group": "karpenter.sh", "names": names, "scope": "Cluster", "versions": [version]},
        }
    )


@pytest.fixture
def refused_node_claim(real, request):
    """A NodeClaim whose launch EC2 refused, as Karpenter would leave it for a moment. Written by the test."""
    text = CLAIM_REASONS.get(request.node.callspec.params["name"])
    if text is None:
        yield
        return
    was_there = "nodeclaims.karpenter.sh" in real.kubectl("get", "crd", "-o", "name")
    if not was_there:
        real.kubectl("apply", "--server-side", "-f", "-", stdin=node_claim_definition())
        real.kubectl("wait", "--for=condition=Established", "crd/nodeclaims.karpenter.sh", "--timeout=60s")
    requirement = {"key": "kubernetes.io/arch", "operator": "In", "values": ["amd64"]}
    claim = {
        "apiVersion": "karpenter.sh/v1",
        "kind": "NodeClaim",
        "metadata": {"name": "gpu-x7f2q", "labels": {"karpenter.sh/nodepool": "gpu"}},
        "spec": {
            "nodeClassRef": {"group": "karpenter.k8s.aws", "kind": "EC2NodeClass", "name": "default"},
            "requirements": [requirement],
        },
    }
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    condition = {"type": "Launched", "status": "False", "reason": "LaunchFailed", "message": text, "lastTransitionTime": now}
    real.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(claim))
    real.kubectl(
        "patch", "nodeclaim", "gpu-x7f2q", "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"conditions": [condition]}})
    )
    yield
    real.kubectl("delete", "nodeclaim", "gpu-x7f2q", "--wait=true")
    if not was_there:
        real.kubectl("delete", "crd", "nodeclaims.karpenter.sh")


@pytest.fixture
def tainted_node(real, request):
    """A Node object that no kubelet stands behind: the scheduler looks at its labels and taints all the same."""
    if request.node.callspec.params["name"] != "taint":
        yield
        return
    labels = {"why": "tainted", "kubernetes.io/hostname": TAINTED}
    taint = {"key": "dedicated", "value": "team-a", "effect": "NoSchedule"}
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": TAINTED, "labels": labels}, "spec": {"taints": [taint]}}
    real.kubectl("apply", "-f", "-", stdin=json.dumps(node))
    room = {"cpu": "4", "memory": "8Gi", "pods": "10"}
    real.kubectl(
        "patch", "node", TAINTED, "--subresource=status", "--type=merge", "-p", json.dumps({"status": {"capacity": room, "allocatable": room}})
    )
    yield
    real.kubectl("delete", "node", TAINTED)


VARYING = [
    (r"qwen-[0-9a-f]{6,10}-[a-z0-9]{5}", "qwen-POD"),
    (r"qwen-[0-9a-f]{6,10}\b", "qwen-SET"),
    (r"test-[0-9a-f]{8}", "NAMESPACE"),
    (r", (\d+(\.\d+)? (ms|s|min|h) ?)+ago", ", TIME ago"),
    (r"runs for (\d+(\.\d+)? (ms|s|min|h) ?)+of", "runs for TIME of"),
    (r"newest line is (\d+(\.\d+)? (ms|s|min|h) ?)+old", "newest line is TIME old"),
    (r"shards: \d+", "shards: N"),
    (r"restarted \d+ times?", "restarted N times"),
    (r"\d+/\d+ nodes are available", "N/N nodes are available"),
    (r"the largest node has \d+", "the largest node has N"),
    (r"\d+\.\d+\.\d+\.\d+(:\d+)?", "ADDRESS"),
    (r"back-off \d+\w+ ", "back-off TIME "),
    (r"container server: (ErrImagePull|ImagePullBackOff): .*", "container server: ErrImagePull: WORDS"),
    (r"Failed to pull image .*", "Failed to pull image: WORDS"),  # how a machine's resolver says that nobody is there
    (r"( +log: Loading safetensors [^\n]*\n)+", "            log: Loading safetensors checkpoint shards: N of 100000\n"),
    (r"\(combined from similar events\): ", ""),
]


def normal(text):
    for pattern, word in VARYING:
        text = re.sub(pattern, word, text)
    return text


def golden(name, text):
    file = GOLDEN / f"{name}.txt"
    if os.environ.get("SLIPWAY_UPDATE_GOLDEN"):
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return file.read_text()


def has_settled(kind, causes):
    """What comes on the way is over: a container that ended once before kubelet backs off, a replica beside it that still starts."""
    first = causes[0]
    if first["kind"] != kind or any(cause["kind"] == "starting" for cause in causes):
        return False
    words = " ".join(first["evidence"])
    seen = {"crash_loop": "restarted", "out_of_memory": "restarted", "gated_model": "restarted", "slow_start": "Unhealthy",
            "image_pull": "Failed to pull"}
    return seen.get(kind, "") in words


def settled(slipway, kind):
    """Asks until the first cause is of that kind; what was answered last is the test's evidence otherwise."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        answer = json.loads(slipway.run("why", "qwen", "-o", "json"))
        if has_settled(kind, answer["causes"]):
            return answer
        assert time.monotonic() < deadline, json.dumps(answer, indent=1)
        time.sleep(1)  # between two looks


@pytest.mark.parametrize("name", NAMES)
def test_the_right_answer(real, python_image, namespace, slipway, refused_node_claim, tainted_node, name):
    kind, objects = injected(python_image)[name]
    real.apply(*objects, namespace=namespace)
    answer = settled(slipway, kind)
    text = normal(slipway.run("why", "qwen"))
    assert text == golden(name, text)
    for cause in answer["causes"]:
        assert cause["sentence"] and (cause["next"] or cause["kind"] == "ready")
        assert cause["evidence"] or cause["kind"] in ("ready", "starting")


def test_a_replica_may_be_asked_for_by_its_name(real, python_image, namespace, slipway):
    real.apply(model(python_image, SERVE, replicas=2, readinessProbe=probe(3)), namespace=namespace)
    real.kubectl("-n", namespace, "rollout", "status", "deployment/qwen", "--timeout=120s")
    pods = [pod["metadata"]["name"] for pod in real.get(namespace, "pods")["items"]]
    answer = json.loads(slipway.run("why", pods[0], "-o", "json"))
    assert answer["ready"] == answer["replicas_wanted"] == 1
    assert json.loads(slipway.run("why", "Qwen/Qwen3-0.6B", "-o", "json"))["ready"] == 2


def test_a_name_that_nothing_has_is_an_error(slipway):
    slipway.run("why", "nobody", code=1)
