"""In a cluster the same text: the two folders are charts, and what they render holds the files unchanged."""
import pathlib
import shutil
import subprocess

import pytest
import yaml

PLATFORM = pathlib.Path(__file__).resolve().parents[2] / "platform"
CACHE = pathlib.Path.home() / ".cache/slipway-tests"


@pytest.fixture(scope="module")
def rendered():
    helm = shutil.which("helm") or next((str(p) for p in sorted(CACHE.glob("kube-tools-*/helm"))), None)
    if not helm:
        pytest.skip("needs helm: put it on PATH, or run ./test.sh cluster once")

    def render(folder):
        words = [helm, "template", "x", str(PLATFORM / folder), "-n", "monitoring"]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return [o for o in yaml.safe_load_all(done.stdout) if o]
    return render


def test_every_rule_file_is_a_prometheus_rule_with_the_same_groups(rendered):
    files = {f"slipway-{p.name.removesuffix('.rules.yaml')}": yaml.safe_load(p.read_text())
             for p in (PLATFORM / "alerts").glob("*.rules.yaml")}
    objects = {o["metadata"]["name"]: o for o in rendered("alerts")}
    assert {name: o["spec"] for name, o in objects.items()} == files
    assert {(o["apiVersion"], o["kind"], o["metadata"]["namespace"]) for o in objects.values()} == \
        {("monitoring.coreos.com/v1", "PrometheusRule", "monitoring")}


def test_every_dashboard_is_a_config_map_with_the_sidecars_label(rendered):
    files = {p.name: p.read_text() for p in (PLATFORM / "dashboards").glob("*.json")}
    objects = rendered("dashboards")
    assert {key: text for o in objects for key, text in o["data"].items()} == files
    values = (PLATFORM / "addons/kube-prometheus-stack/values.yaml").read_text()
    assert "label: grafana_dashboard" in values and "searchNamespace: ALL" in values
    assert all(o["metadata"]["labels"]["grafana_dashboard"] == "1" for o in objects)


def test_prometheus_of_the_add_on_reads_rules_whatever_their_labels():
    values = (PLATFORM / "addons/kube-prometheus-stack/values.yaml").read_text()
    assert "ruleSelectorNilUsesHelmValues: false" in values


def test_kube_state_metrics_prints_the_model_of_a_pod():
    values = yaml.safe_load((PLATFORM / "addons/kube-prometheus-stack/values.yaml").read_text())
    assert set(values["kube-state-metrics"]["metricLabelsAllowlist"]) == {"pods=[slipway.dev/model]", "deployments=[slipway.dev/model]"}
