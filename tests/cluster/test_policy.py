"""checkov on everything that is rendered: 0 failed, but for findings that policy-exceptions.yaml explains."""

import fnmatch
import json
import os
import pathlib
import subprocess

import pytest
import yaml

import render
from conftest import with_namespace

CHECKOV = pathlib.Path(os.environ.get("SLIPWAY_CLUSTER_PYTHON", "/nonexistent")) / "checkov"
EXCEPTIONS = yaml.safe_load((render.ADDON_FILES / "policy-exceptions.yaml").read_text())


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
        finding for finding in failed if not any(explains(exception, finding) for exception in EXCEPTIONS)
    )
    assert not unexplained, "\n".join(" ".join(finding) for finding in unexplained)


def test_no_reason_is_stale(findings):
    here, failed = findings
    for exception in EXCEPTIONS:
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


def test_every_exception_has_a_reason():
    assert all(len(exception["reason"]) > 20 for exception in EXCEPTIONS)
