"""tools/lint-dashboards: what we ship is clean, and each kind of fault is caught with a line that says where and what to do."""
import importlib.machinery
import importlib.util
import json
import pathlib
import re
import shutil
import subprocess
import sys

import catalogue
import promql
import pytest
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
LINTER = ROOT / "tools/lint-dashboards"
loader = importlib.machinery.SourceFileLoader("lint_dashboards", str(LINTER))
lint_dashboards = importlib.util.module_from_spec(importlib.util.spec_from_loader("lint_dashboards", loader))
sys.dont_write_bytecode = True
loader.exec_module(lint_dashboards)
KNOWN = catalogue.load()


class Copy:
    """Our dashboards, alerts and runbooks in a folder of the test's own."""

    def __init__(self, folder):
        self.dashboards, self.alerts, self.runbooks = (folder / n for n in ("dashboards", "alerts", "runbooks"))
        for name, source in (("dashboards", "platform/dashboards"), ("alerts", "platform/alerts"), ("runbooks", "docs/runbooks")):
            shutil.copytree(ROOT / source, folder / name)

    def rule(self, change, name="ScrapeDown", file="self.rules.yaml"):
        path = self.alerts / file
        content = yaml.safe_load(path.read_text())
        change(next(r for g in content["groups"] for r in g["rules"] if r.get("alert") == name))
        path.write_text(yaml.safe_dump(content))

    def findings(self, promtool=None):
        return lint_dashboards.lint(self.dashboards, self.alerts, self.runbooks, promtool, KNOWN).findings


def findings_of(change, folder, promtool=None):
    """Of the service dashboard alone, changed."""
    board = json.loads((ROOT / "platform/dashboards/service.json").read_text())
    change(board)
    path = folder / "service.json"
    path.write_text(json.dumps(board))
    linter = lint_dashboards.Linter(KNOWN)
    linter.rule_names((ROOT / "platform/alerts").glob("*.rules.yaml"))
    linter.dashboard(path)
    if promtool:
        linter.with_promtool(promtool)
    return linter.findings


@pytest.fixture
def copy(tmp_path):
    return Copy(tmp_path)


def panel(board, title="Queue wait"):
    return next(p for p in board["panels"] if p["title"] == title)


def query(text):
    def change(board):
        panel(board)["targets"] = [{"refId": "A", "expr": text}]
    return change


def setting(**values):
    return lambda board: panel(board).update(values)


def top(**values):
    return lambda board: board.update(values)


def one_of(board, key, index, **values):
    board[key][index].update(values)


QUEUE = "vllm:request_queue_time_seconds"
PLANTED = {
    "a dead metric": (query("sum(vllm:gpu_cache_usage_perc)"), "metric vllm:gpu_cache_usage_perc does not exist"),
    "a metric that vLLM renamed": (query("sum(rate(vllm:time_per_output_token_seconds_sum[5m]))"), "does not exist"),
    "a metric of the old engine": (query("sum(vllm:num_requests_swapped)"), "does not exist"),
    "a bare counter": (query("sum(vllm:num_preemptions_total)"), "is a counter and stands outside rate()"),
    "a bare bucket": (query(f"histogram_quantile(0.5, sum by (le) ({QUEUE}_bucket))"), "is a counter"),
    "a rate of a sum": (query("rate(sum(vllm:num_preemptions_total)[5m:])"), "is a counter and stands outside rate()"),
    "a rate of a gauge": (query("sum(rate(vllm:num_requests_running[5m]))"), "is a gauge inside rate()"),
    "an average of quantiles": (query(f"avg(histogram_quantile(0.99, sum by (le, instance) (rate({QUEUE}_bucket[5m]))))"),
                                "avg() of quantiles"),
    "an average over time of quantiles": (query(f"avg_over_time(histogram_quantile(0.9, sum by (le) (rate({QUEUE}_bucket[5m])))[1h:])"),
                                          "avg_over_time() of quantiles"),
    "an average of printed quantiles": (query('avg(karpenter_pods_startup_duration_seconds{quantile="0.9"})'), "of quantiles"),
    "a quantile without le": (query(f"histogram_quantile(0.9, sum by (model_name) (rate({QUEUE}_bucket[5m])))"), "without le"),
    "a histogram's name alone": (query(f"sum({QUEUE})"), "is a histogram and has no value of its own"),
    "a threshold that is no bound": (query('sum(rate(vllm:time_to_first_token_seconds_bucket{le="2.0"}[5m]))'),
                                     'le="2.0" is no bucket bound'),
    "a label that is not there": (query('sum(vllm:num_requests_running{model="m"})'), "has no label model"),
    "a group that is not there": (query("sum by (pod_name) (vllm:num_requests_running)"), "groups by pod_name"),
    "a variable that is not there": (query('sum(vllm:num_requests_running{model_name=~"$server"})'), "uses $server"),
    "no metric name": (query('sum({job="x"})'), "without a metric name"),
    "not PromQL": (query("sum(vllm:num_requests_running"), "is not PromQL"),
    "a missing unit": (lambda b: panel(b)["fieldConfig"]["defaults"].pop("unit"), "has no unit"),
    "a heatmap without a unit": (lambda b: panel(b, "Prompt length")["options"].pop("yAxis"), "has no unit"),
    "an overlap": (setting(gridPos={"x": 8, "y": 15, "w": 8, "h": 8}), "overlaps panel"),
    "a panel over the edge": (setting(gridPos={"x": 20, "y": 400, "w": 8, "h": 8}), "reaches column 28 of 24"),
    "a removed type": (setting(type="graph"), "was removed from Grafana"),
    "a type that the console lacks": (setting(type="piechart"), "is not drawn by our console"),
    "no question": (setting(description="Queue wait."), "is not a question"),
    "a data source by name": (setting(datasource={"type": "prometheus", "uid": "prom-1"}), "names a data source of its own"),
    "no targets": (setting(targets=[]), "asks nothing"),
    "two targets of one name": (setting(targets=2 * [{"refId": "A", "expr": "up"}]), "without a refId of their own"),
    "an id twice": (setting(id=2), "has the id of another panel"),
    "an old schema": (top(schemaVersion=22), "schemaVersion is 22"),
    "a hectic refresh": (top(refresh="5s"), "refreshes every 5s"),
    "no uid": (top(uid=""), "has no uid"),
    "a link that loses time": (lambda b: one_of(b, "links", 0, keepTime=False), "loses time or variables"),
    "a dead variable": (lambda b: one_of(b["templating"], "list", 2, query="label_values(ray_io_cluster_gone, model)"), "does not exist"),
    "a dead annotation": (lambda b: one_of(b["annotations"], "list", 0, expr="changes(slipway_scaled[1m])"), "does not exist"),
}


@pytest.mark.parametrize("fault", PLANTED)
def test_a_planted_fault_is_caught(fault, tmp_path):
    change, words = PLANTED[fault]
    findings = findings_of(change, tmp_path)
    found = [f for f in findings if words in f]
    assert found, f"{fault} was not caught; found: {findings}"
    where, _, advice = found[0].partition("\n")
    assert where.startswith("service.json"), where
    assert advice.strip(), "the finding does not say what to do"


def without(key, part="annotations"):
    return lambda rule: rule[part].pop(key)


RULES = {
    "no runbook": (without("runbook_url"), "has no runbook_url"),
    "a runbook that is not there": (lambda r: r["annotations"].update(runbook_url="docs/runbooks/Gone.md"), "does not exist"),
    "no console link": (without("console"), "has no console"),
    "a link to no dashboard": (lambda r: r["annotations"].update(console="http://127.0.0.1:3000/d/gone"), "leads to no dashboard"),
    "no severity": (without("severity", "labels"), "has no severity"),
    "no value": (lambda r: r["annotations"].update(description="It is down."), "does not tell the value"),
    "a dead metric": (lambda r: r.update(expr="upp == 0"), "metric upp does not exist"),
    "a metric that no panel shows": (lambda r: r.update(expr="alertmanager_silences > 100"), "no panel shows alertmanager_silences"),
}


@pytest.mark.parametrize("fault", RULES)
def test_a_planted_fault_of_a_rule_is_caught(fault, copy):
    change, words = RULES[fault]
    copy.rule(change)
    findings = copy.findings()
    assert [f for f in findings if f.startswith("self.rules.yaml: ScrapeDown") and words in f], findings


def test_a_finding_names_file_panel_and_what_to_do(tmp_path):
    assert findings_of(query("sum(vllm:num_requests_runing)"), tmp_path) == [
        'service.json: panel 16 "Queue wait" A: metric vllm:num_requests_runing does not exist: no recorded /metrics and no list has it\n'
        "    Use vllm:num_requests_running."]


def test_broken_json_is_a_finding_not_a_crash(copy):
    (copy.dashboards / "service.json").write_text('{"uid": ')
    assert any(f.startswith("service.json: is not JSON") for f in copy.findings())


def test_what_only_prometheus_can_tell_is_told(tmp_path, promtool):
    found = findings_of(query('sum(vllm:num_requests_running{model_name=~"("})'), tmp_path, promtool("--version").args[0])
    assert len(found) == 1 and "Prometheus cannot read it" in found[0] and 'panel 16 "Queue wait" A' in found[0], found


def test_what_we_ship_is_clean(promtool):
    done = subprocess.run([LINTER, "--promtool", promtool("--version").args[0]], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, ""), done.stdout
    assert int(done.stderr.split()[0]) > 250, done.stderr


def test_the_service_dashboard_keeps_the_references_uid_and_answers_its_panels():
    board = json.loads((ROOT / "platform/dashboards/service.json").read_text())
    assert board["uid"] == "bec31e71-3ac5-4133-b2e3-b9f75c8ab56c"
    # Of the reference: title, and the metric that answers it today (its own names of some are gone from vLLM).
    asked = {"Accelerator utilization": "ray_node_gpus_utilization", "Token throughput": "vllm:generation_tokens_total",
             "Request latency": "vllm:e2e_request_latency_seconds", "Scheduler state": "vllm:num_requests_waiting",
             "Time per output token": "vllm:request_time_per_output_token_seconds", "Cache utilization": "vllm:kv_cache_usage_perc",
             "Time to first token": "vllm:time_to_first_token_seconds", "Prompt length": "vllm:request_prompt_tokens",
             "Generation length": "vllm:request_generation_tokens", "Finish reason": "vllm:request_success_total"}
    for title, metric in asked.items():
        assert metric in json.dumps(panel(board, title)["targets"]), title
    assert panel(board, "Model logs")["type"] == "logs" and panel(board, "Ray")["type"] == "row"
    assert {v["name"] for v in board["templating"]["list"]} >= {"datasource", "logs", "model", "namespace"}


def test_every_list_names_its_source():
    for path in (ROOT / "tests/observe/metrics").glob("*.txt"):
        assert path.read_text().startswith("# source: "), path.name


def test_every_row_of_our_table_is_known():
    rows = re.findall(r'^SLIPWAY_METRIC\(\w+, "([^"]+)"', (ROOT / "src/telemetry/metrics.def").read_text(), re.M)
    assert rows and [name for name in rows if not KNOWN.find(name)] == []
    assert KNOWN.metrics["gen_ai_server_time_to_first_token_seconds"].bounds[:3] == ["0.001", "0.005", "0.01"]


def test_objectives_are_bucket_bounds():
    """Every threshold that the program declares, and every le that a rule asks for."""
    source = (ROOT / "src/telemetry/metrics.cc").read_text()
    symbols = catalogue.symbols(ROOT)
    thresholds = re.findall(r"\{Metric::(\w+), ([\d.]+)\}", source)
    assert thresholds
    for symbol, value in thresholds:
        assert catalogue.le_text(value) in KNOWN.metrics[symbols[symbol]].bounds, (symbol, value)


@pytest.mark.parametrize("text, names", [
    ("rate(a[5m]) / on (x) group_left (y) sum by (z) (b)", {"a", "b"}), ("deriv(sum(c)[10m:30s]) > bool 0 or d offset 5m", {"c", "d"}),
    ('label_replace(e{f="g}"}, "h", "$1", "i", "(.*)")', {"e"}), ("-1e6 * vector(1) and j @ end()", {"j"}), ("sum(k) by (l)", {"k"})])
def test_the_reader_of_promql_finds_the_series(text, names):
    assert {s.name for s in promql.selectors(promql.parse(text))} == names


@pytest.mark.parametrize("text", ["sum(", "a b", "rate(a)[", "a{b=~", "sum(a))", "§"])
def test_the_reader_of_promql_refuses_what_is_not(text):
    with pytest.raises(promql.SyntaxProblem):
        promql.parse(text)
