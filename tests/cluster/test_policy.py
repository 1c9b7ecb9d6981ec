"""checkov on everything that is rendered: 0 failed, but for findings that policy-exceptions.yaml explains."""

import fnmatch
import json
import os
import pathlib
import subprocess

import pytest
import yaml

import inference
import render
import test_slipway_chart
from conftest import with_namespace

CHECKOV = pathlib.Path(os.environ.get("SLIPWAY_CLUSTER_PYTHON", "/nonexistent")) / "checkov"
EXCEPTIONS = yaml.safe_load((render.ADDON_FILES / "policy-exceptions.yaml").read_text())
# Charts that are no add-on's, each with its exceptions beside it.
CHARTS = {name: render.PLATFORM / "charts" / name for name in ("inference", "slipway")}
CHART_EXCEPTIONS = {
    name: yaml.safe_load((folder / "policy-exceptions.yaml").read_text()) for name, folder in CHARTS.items()
}
ALL_EXCEPTIONS = EXCEPTIONS + [exception for listed in CHART_EXCEPTIONS.values() for exception in listed]


@pytest.fixture(scope="module")
def findings(rendered, scratch):
    """(add-on, check, object, what it says) of every failed check, and the add-ons that were looked at."""
    if not CHECKOV.exists():
        pytest.skip("needs checkov from PyPI: ./test.sh cluster installs it")
    folder = scratch / "policy"
    here = set()
    for name, addon in render.addons().items():
        objects = list(render.own_manifests(addon))
        if render.by_chart(addon):
            chart = rendered(name)
            if chart is None:
                continue
            objects += chart
        here.add(name)
        objects = [item for item in objects if item["kind"] != "CustomResourceDefinition"]
        if objects:
            (folder / name).mkdir(parents=True)
            (folder / name / "objects.yaml").write_text(
                yaml.safe_dump_all(with_namespace(objects, addon.facts["namespace"], set()), sort_keys=False)
            )
    for name, objects in (("inference", model_objects()), ("slipway", slipway_objects(scratch))):
        here.add(name)
        (folder / name).mkdir()
        (folder / name / "objects.yaml").write_text(yaml.safe_dump_all(objects, sort_keys=False))
    done = subprocess.run(
        [
            CHECKOV,
            "--directory",
            folder,
            "--framework",
            "kubernetes",
            "--output",
            "json",
            "--quiet",
            "--soft-fail",
            "--skip-download",
        ],
        capture_output=True,
        text=True,
        check=True,
        timeout=900,
    )
    report = json.loads(done.stdout)
    reports = report if isinstance(report, list) else [report]
    assert sum(part["summary"]["passed"] for part in reports) > 500, "checkov has looked at next to nothing"
    assert sum(part["summary"]["parsing_errors"] for part in reports) == 0
    failed = {
        (check["file_path"].strip("/").split("/")[0], check["check_id"], check["resource"], check["check_name"])
        for part in reports
        for check in part["results"]["failed_checks"]
    }
    return here, failed


def model_objects():
    """What the inference chart renders for one of our models of every framework and accelerator."""
    seen = {}
    for file in sorted(inference.OURS.glob("*.yaml")):
        chosen = yaml.safe_load(file.read_text()).get("inference", {})
        seen.setdefault((chosen.get("framework", "copy"), chosen.get("accelerator", "gpu")), file)
    return [item for file in seen.values() for item in inference.objects(file)]


def slipway_objects(scratch):
    """Slipway's own chart with everything on that its values can turn on."""
    values = scratch / "slipway-values.yaml"
    values.write_text(yaml.safe_dump(test_slipway_chart.VARIANTS["internal-nlb"] | test_slipway_chart.VARIANTS["with-keys-and-monitoring"]))
    return list(render.documents(render.helm(CHARTS["slipway"], "slipway", "slipway", values).stdout))


def explains(exception, finding):
    addon, check, resource, _ = finding
    return (
        addon in exception["addons"]
        and check in exception["checks"]
        and any(fnmatch.fnmatch(resource, pattern) for pattern in exception.get("objects", ["*"]))
    )


def test_every_finding_has_a_reason(findings):
    _, failed = findings
    unexplained = sorted(
        finding
        for finding in failed
        if not any(explains(exception, finding) for exception in ALL_EXCEPTIONS)
    )
    assert not unexplained, "\n".join(" ".join(finding) for finding in unexplained)


def test_no_reason_is_stale(findings):
    here, failed = findings
    for exception in ALL_EXCEPTIONS:
        for addon in set(exception["addons"]) & here:
            used = {
                check
                for check in exception["checks"]
                if any(explains({**exception, "addons": [addon], "checks": [check]}, finding) for finding in failed)
            }
            assert used, f"{exception['reason']}: {addon} has no such finding any more"


def test_what_we_wrote_has_exceptions_for_node_agents_only():
    ours = {
        name
        for name, addon in render.addons().items()
        if "manifests" in addon.facts["source"] or "chart_path" in addon.facts["source"]
    }
    assert {name for exception in EXCEPTIONS for name in exception["addons"]} & ours <= {"neuron-monitor"}


def test_a_chart_has_exceptions_of_its_own_only():
    for name, listed in CHART_EXCEPTIONS.items():
        assert all(exception["addons"] == [name] for exception in listed)
        assert not any(name in exception["addons"] for exception in EXCEPTIONS)


def test_every_exception_has_a_reason():
    assert all(len(exception["reason"]) > 20 for exception in ALL_EXCEPTIONS)
