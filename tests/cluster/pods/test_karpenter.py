"""The real Karpenter, fed with our node pools and the EC2 catalogue: what it launches for every file of platform/models, as written
and with its instance type left out, against what `slipway plan` says. Nodes are objects without a kubelet (its build for fake
nodes): this proves scheduling and price order, not what EC2 has in stock.

The pods are made by the real controllers (Deployment, Job, LeaderWorkerSet, RayService); pods of NVIDIA's operator, which cannot
be had here, by kwok.nim_pod. While this runs, Karpenter also looks at other pods that are pending, and finds no pool for them.
SLIPWAY_WRITE_DOCS=1 writes the table into docs/karpenter.md.
"""

import collections
import datetime
import json
import os
import pathlib
import subprocess
import time

import pytest
import yaml
from conftest import ROOT, tool

import inference
import kwok
import render

pytestmark = inference.needs_helm
PROGRAM = pathlib.Path(os.environ.get("SLIPWAY_TEST_BIN", ROOT / "build/dev/bin")) / "slipway"
PAGE = ROOT / "docs/karpenter.md"
FILES = {file.stem: file for file in sorted(inference.OURS.glob("*.yaml"))}
NAMED, ANY = "named", "any"  # the file as written, and without its instance type
PATIENCE_S = 480
MAKERS = "deployments,jobs,leaderworkersets,rayservices,daemonsets"  # of pods
VERSION = render.ADDONS["karpenter"].facts["version"]

NO_PRICE = "the catalogue has no on-demand price of trn2.48xlarge, so nothing is offered: it needs a capacity block or a reservation"
# (file, variant) -> why the two answers differ. A difference that is not here fails, and so does one that is gone.
KNOWN = {
    ("llama-4-maverick-17b-vllm-neuron", NAMED): NO_PRICE,
    ("llama-4-scout-17b-vllm-neuron", NAMED): NO_PRICE,
}


def row_of(name, variant):
    return f"{name}.{variant}"


def amount(quantity):
    """A Kubernetes quantity in units: processors, bytes, devices."""
    text = str(quantity)
    for unit, size in (("Ki", 2**10), ("Mi", 2**20), ("Gi", 2**30), ("m", 1e-3), ("k", 1e3), ("M", 1e6), ("G", 1e9)):
        if text.endswith(unit):
            return float(text.removesuffix(unit)) * size
    return float(text)


def requests_of(template):
    """What one pod requests: its containers together, devices by their limits too."""
    total = collections.Counter()
    for container in template["spec"]["containers"]:
        resources = container.get("resources", {})
        for name, quantity in {**resources.get("limits", {}), **resources.get("requests", {})}.items():
            if name in resources.get("requests", {}) or "/" in name:
                total[name] += amount(quantity)
    return total


def in_words(total):
    words = {"cpu": "CPU", "memory": "GiB", "nvidia.com/gpu": "GPU", "aws.amazon.com/neuron": "Neuron", "vpc.amazonaws.com/efa": "EFA"}
    return ", ".join(f"{total[key] / (2**30 if key == 'memory' else 1):g} {word}" for key, word in words.items() if total[key])


class Karpenter:
    """The operator with our pools, the workloads of every row in two namespaces, and what it made of them."""

    def __init__(self, real, folder):
        self.real, self.folder = real, folder
        self.spaces = {variant: f"karpenter-{variant}" for variant in (NAMED, ANY)}
        self.expected = collections.Counter()  # pods of a row
        self.asks = collections.defaultdict(list)  # of a row: (pods, words)
        self.pod_requests = {}  # of a row's last template
        self.made_runtime_class = False

    def objects(self, kind, *more):
        return json.loads(self.real.kubectl("get", kind, *more, "-o", "json"))["items"]

    def apply(self, items):
        text = "\n---\n".join(map(json.dumps, items))
        self.real.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def start(self):
        types = self.folder / "types.json"
        types.write_text(json.dumps(kwok.instance_types()))
        for names in (["lws", "kuberay"], ["karpenter-kwok", "--instance-types", types]):
            done = tool("operators", *names, check=False)
            assert done.returncode == 0, done.stderr[-4000:]
        classes = {item["metadata"]["name"] for item in self.objects("runtimeclasses")}
        self.made_runtime_class = "nvidia" not in classes
        self.apply(render.own_manifests(render.ADDONS["runtime-class-nvidia"]))
        self.apply(kwok.node_pools(self.folder))
        self.real.kubectl("wait", "--for=condition=Ready", "nodepools", "--all", "--timeout=60s")
        for name in self.spaces.values():
            self.real.kubectl("create", "namespace", name)
            self.real.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
            self.real.kubectl("-n", name, "create", "serviceaccount", "s3-models-sync-sa")
        self.real.apply(*kwok.daemon_sets(), namespace=self.spaces[NAMED])

    def deploy(self, variant, files):
        found = []
        for name, file in files.items():
            row = row_of(name, variant)
            for item, pods in kwok.workloads(file, row):
                found.append(item)
                for count, _, template in pods:
                    self.expected[row] += count
                    self.pod_requests[row] = requests_of(template)
                    self.asks[row].append((count, in_words(self.pod_requests[row])))
        self.real.apply(*found, namespace=self.spaces[variant])

    def launched(self):
        """row -> (pool, instance type, capacity type) of each node claim that has been launched."""
        found = collections.defaultdict(list)
        for claim in self.objects("nodeclaims"):
            labels = claim["metadata"]["labels"]
            if "node.kubernetes.io/instance-type" in labels and kwok.ROW in labels:
                facts = ("karpenter.sh/nodepool", "node.kubernetes.io/instance-type", "karpenter.sh/capacity-type")
                found[labels[kwok.ROW]].append(tuple(labels[key] for key in facts))
        return found

    def refused(self):
        """row -> what Karpenter said of a pod that it finds no node for."""
        found = {}
        for space in self.spaces.values():
            rows = {
                pod["metadata"]["name"]: (pod["spec"].get("nodeSelector") or {}).get(kwok.ROW)
                for pod in self.real.get(space, "pods")["items"]
            }
            for event in self.real.get(space, "events")["items"]:
                by = event.get("reportingComponent") or event.get("source", {}).get("component")
                if event["reason"] == "FailedScheduling" and by == "karpenter":
                    if row := rows.get(event["involvedObject"]["name"]):
                        found[row] = event["message"]
        return found

    def wait(self):
        """Until Karpenter has answered for every pod: with a node, or with a reason."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            launched, refused = self.launched(), self.refused()
            waiting = [row for row, pods in self.expected.items() if len(launched[row]) < pods and row not in refused]
            if not waiting:
                return launched, refused
            if time.monotonic() > deadline:
                log = self.real.kubectl("-n", "karpenter", "logs", "deployment/karpenter", "--tail=20", check=False)
                pytest.fail(f"no answer in {PATIENCE_S} s for {waiting[:8]} ({len(waiting)} of {len(self.expected)} rows):\n{log[-4000:]}")
            time.sleep(2)

    def forget(self, kind, label):
        """Deletes them whatever their finalisers wait for."""
        self.real.kubectl("delete", kind, "-l", label, "--wait=false", check=False)
        for _ in range(10):  # another controller may write between reading and writing
            found = json.loads(self.real.kubectl("get", kind, "-l", label, "-o", "json", check=False) or '{"items": []}')["items"]
            if not found:
                return
            bare = [{**item, "metadata": {**item["metadata"], "finalizers": []}} for item in found]
            self.real.kubectl("replace", "-f", "-", stdin="\n---\n".join(map(json.dumps, bare)), check=False)

    def stop(self):
        """Takes everything away and lets the operator rest. Its own way would drain nodes that have no kubelet, so it goes first,
        and what it left loses its finalisers."""
        quiet = {"check": False}
        spaces = list(self.spaces.values())
        self.real.kubectl("-n", "karpenter", "scale", "deployment/karpenter", "--replicas=0", **quiet)
        for space in spaces:
            self.real.kubectl("-n", space, "delete", MAKERS, "--all", "--wait=false", **quiet)
        self.real.kubectl("-n", "karpenter", "wait", "pods", "--all", "--for=delete", "--timeout=60s", **quiet)
        pools = "app.kubernetes.io/name=node-pools"
        for kind, label in (("nodepools", pools), ("kwoknodeclasses", pools), ("nodeclaims", kwok.ROW), ("nodes", kwok.ROW)):
            self.forget(kind, label)
        for space in spaces:
            self.real.kubectl("-n", space, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false", **quiet)
            self.real.kubectl("delete", "namespace", space, "--ignore-not-found", "--wait=false", **quiet)
        deadline = time.monotonic() + PATIENCE_S
        while time.monotonic() < deadline:  # controllers make pods until they have seen that their objects go
            there = self.real.kubectl("get", "namespaces", "-o", "name", **quiet).split()
            left = [space for space in spaces if f"namespace/{space}" in there]
            if not left:
                break
            for space in left:
                self.real.kubectl("-n", space, "delete", "pods", "--all", "--grace-period=0", "--force", "--wait=false", **quiet)
            time.sleep(1)
        if self.made_runtime_class:
            self.real.kubectl("delete", "runtimeclass", "nvidia", **quiet)


def variants(folder):
    """Folders with every file as it is and without its instance type."""
    out = {}
    for variant in (NAMED, ANY):
        (folder / variant).mkdir()
        for name, file in FILES.items():
            values = yaml.safe_load(file.read_text())
            text = yaml.safe_dump(kwok.without_its_type(values), sort_keys=False) if variant == ANY else file.read_text()
            (folder / variant / f"{name}.yaml").write_text(text)
        out[variant] = {name: folder / variant / f"{name}.yaml" for name in FILES}
    return out


def predictions(folder, files):
    """row -> {(pool, instance type): nodes} of `slipway plan`, and what it says where it is none."""
    (folder / "env.tfvars").write_text(kwok.blueprint())
    found, reasons = {}, {}
    for variant, its in files.items():
        done = subprocess.run(
            [PROGRAM, "plan", "-f", folder / "env.tfvars", "--models", folder / variant, "-o", "json", "--day", "2026-11-27"],
            env={"HOME": str(folder), "PATH": os.environ["PATH"], "ASAN_OPTIONS": "detect_leaks=0"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 3, f"plan: {done.returncode}\n{done.stderr}"  # 3: changes are pending
        by_file = {pathlib.Path(model["file"]).stem: model for model in json.loads(done.stdout)["models"]}
        assert set(by_file) == set(its)
        for name, model in by_file.items():
            nodes, reasons[row_of(name, variant)] = collections.Counter(), model["why"]
            for part, count in ((model, model["nodes_a_replica"] * model["replicas"]), (model["head"], 1)):
                if part and part["instance_type"]:
                    nodes[part["pool"], part["instance_type"]] += count
            found[row_of(name, variant)] = nodes
    return found, reasons


@pytest.fixture(scope="module")
def answers(real, tmp_path_factory):
    if not PROGRAM.exists():
        pytest.skip(f"needs {PROGRAM}: cmake --preset dev && cmake --build build/dev --target slipway")
    folder = tmp_path_factory.mktemp("karpenter")
    files = variants(folder)
    predicted, reasons = predictions(folder, files)
    karpenter = Karpenter(real, folder)
    try:
        karpenter.stop()  # what a run that was killed left
        karpenter.start()
        for variant in files:
            karpenter.deploy(variant, files[variant])
        launched, refused = karpenter.wait()
        claims = karpenter.objects("nodeclaims")
        yield karpenter, predicted, reasons, launched, refused, claims
    finally:
        karpenter.stop()


def cell(nodes):
    words = [f"{count} x {kind}" if count > 1 else kind for (_, kind), count in sorted(nodes.items())]
    return " + ".join(words) or "none"


def nodes_of(launched):
    return collections.Counter((pool, kind) for pool, kind, _ in launched)


def table(answers):
    karpenter, predicted, _, launched, _, _ = answers
    lines = [
        "| file | its pods ask for | `plan`: named | Karpenter: named | `plan`: any | Karpenter: any | capacity |",
        "|---|---|---|---|---|---|---|",
    ]
    notes = []
    for name in FILES:
        asks = karpenter.asks[row_of(name, NAMED)]
        cells = [name, "; ".join(f"{count} x {words}" if count > 1 else words or "nothing" for count, words in asks)]
        for variant in (NAMED, ANY):
            row = row_of(name, variant)
            mark = ""
            if (name, variant) in KNOWN:
                notes.append(KNOWN[name, variant])
                mark = f" ({sorted(set(notes), key=notes.index).index(KNOWN[name, variant]) + 1})"
            cells += [cell(predicted[row]), cell(nodes_of(launched[row])) + mark]
        capacity = sorted({kind for variant in (NAMED, ANY) for *_, kind in launched[row_of(name, variant)]})
        lines.append("| " + " | ".join([*cells, ", ".join(capacity) or "-"]) + " |")
    return lines, sorted(set(notes), key=notes.index)


def test_every_file_gets_the_node_that_plan_says(answers):
    _, predicted, reasons, launched, refused, _ = answers
    lines, notes = table(answers)
    print("\n".join([*lines, *(f"{number}. {note}" for number, note in enumerate(notes, 1))]))
    if os.environ.get("SLIPWAY_WRITE_DOCS"):
        write_page(lines, notes)
    wrong, stale = [], set(KNOWN)
    for name in FILES:
        for variant in (NAMED, ANY):
            row = row_of(name, variant)
            if predicted[row] == nodes_of(launched[row]):
                continue
            if (name, variant) in KNOWN:
                stale.discard((name, variant))
                continue
            said = refused.get(row, "")[:600]
            wrong.append(f"{row}: plan {dict(predicted[row])} ({reasons[row]}); Karpenter {dict(nodes_of(launched[row]))} {said}")
    assert not wrong, "\n".join(wrong)
    assert not stale, f"no difference any more, take these out of KNOWN: {stale}"


def test_spot_is_taken_where_the_pool_allows_it(answers):
    _, _, _, launched, _, _ = answers
    for nodes in launched.values():
        for pool, kind, capacity in nodes:
            assert capacity == ("on-demand" if pool.startswith("gpu-") else "spot"), f"{kind} of {pool} is {capacity}"


@pytest.mark.parametrize("name", ["smollm2-135m-llama-cpp", "llama-32-1b-vllm-graviton", "gpt-oss-20b-vllm", "llama-31-8b-vllm-neuron"])
def test_karpenter_leaves_room_for_the_daemons_that_plan_counts(answers, name):
    """A claim asks for its pods and for every DaemonSet that Karpenter expects there; `plan` reads that from addon.yaml."""
    karpenter, _, _, _, _, claims = answers
    (claim,) = [claim for claim in claims if claim["metadata"]["labels"][kwok.ROW] == row_of(name, NAMED)]
    accelerator = {"nvidia": "gpu"}.get(kind := claim["metadata"]["labels"]["slipway.dev/accelerator"], kind)
    arch = claim["metadata"]["labels"]["kubernetes.io/arch"]
    daemons = list(kwok.EKS_DAEMONS.values())
    for addon in render.ADDONS.values():
        its = addon.facts.get("daemons", {"accelerator": "nothing"})
        if its.get("accelerator", accelerator) == accelerator and its.get("arch", arch) == arch:
            daemons.append(its)
    asked_for = {"cpu": karpenter.pod_requests[row_of(name, NAMED)]["cpu"], "memory": karpenter.pod_requests[row_of(name, NAMED)]["memory"]}
    for key, total in asked_for.items():
        total += sum(amount(its.get(key, 0)) for its in daemons)
        assert amount(claim["spec"]["resources"]["requests"][key]) == pytest.approx(total), f"{key} of {kind}"


def write_page(lines, notes):
    """The table, under what people wrote."""
    head, marker, _ = PAGE.read_text().partition("<!-- made by tests/cluster/pods/test_karpenter.py: SLIPWAY_WRITE_DOCS=1 -->\n")
    assert marker, f"{PAGE} has lost the line after which the table stands"
    numbered = "\n".join(f"{number}. {note}." for number, note in enumerate(notes, 1))
    day = datetime.datetime.now(datetime.UTC).date()
    PAGE.write_text(f"{head}{marker}As of {day}, Karpenter {VERSION}, {len(FILES)} files.\n\n" + "\n".join(lines) + f"\n\n{numbered}\n")
