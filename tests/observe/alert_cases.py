"""Cases of alert and recording rules, and promtool's test files made of them.

A case file names its rules and lists, for each alert, when it fires and when it does not, though nearly:

    - alert: KVCacheSaturated
      fires:   [{series: {SERIES: VALUES}, at: 10m, labels: {...}, says: "the description"}]
      silent:  [{why: "nobody waits", series: {...}, at: 10m}]
    - records: [slipway:x:rate5m, slipway:x:rate1h]
      gives: [{series: {...}, at: 2h, samples: {'slipway:x:rate5m{model="m"}': 1, 'slipway:x:rate1h{model="m"}': 1}}]

`interval` (1m) is the step of the values and of the evaluation. Severity, summary, links are the rule's own, with the labels
filled in: a case need not repeat them, and promtool compares them all.
"""
import dataclasses
import functools
import pathlib
import re

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ALERTS = HERE.parents[1] / "platform/alerts"


@dataclasses.dataclass
class Case:
    file: str
    rules: list      # one alert, or the recording rules that the samples are of
    kind: str        # fires, silent, gives
    number: int
    body: dict

    def __str__(self):
        return f"{self.rules[0]}-{self.kind}-{self.number}"


@functools.cache
def groups(path):
    return yaml.safe_load(path.read_text())["groups"]


def rules():
    """(file, group, rule) of every rule that we ship."""
    return [(path, group, rule) for path in sorted(ALERTS.glob("*.rules.yaml")) for group in groups(path) for rule in group["rules"]]


def cases():
    out = []
    for path in sorted((HERE / "alerts").glob("*.yaml")):
        content = yaml.safe_load(path.read_text())
        for entry in content["cases"]:
            names = [entry["alert"]] if "alert" in entry else entry["records"]
            for kind in ("fires", "silent", "gives"):
                out += [Case(content["rules"], names, kind, i + 1, body) for i, body in enumerate(entry.get(kind, []))]
    return out


def filled(text, labels):
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda m: str(labels.get(m[1], "")), text)


def expected_alert(rule, body):
    labels = body.get("labels", {})
    annotations = {key: filled(text, labels) for key, text in rule["annotations"].items()}
    annotations["description"] = body["says"]
    own = {key: filled(text, labels) for key, text in rule["labels"].items()}
    return {"exp_labels": {**labels, **own}, "exp_annotations": annotations}


def name_of(rule):
    return rule.get("alert") or rule["record"]


def run_key(case):
    """Cases of one key share a run of promtool: their file, their step, the recording rules that they need."""
    own = {name_of(r): r for g in groups(ALERTS / case.file) for r in g["rules"]}
    needed, waiting = set(), list(case.rules)
    while waiting:
        rule = own[waiting.pop()]
        if "record" in rule:
            needed.add(rule["record"])
        waiting += [n for n in set(re.findall(r"slipway:[\w:]+", rule["expr"])) & set(own) if n not in needed]
    return case.file, case.body.get("interval", "1m"), tuple(sorted(needed))


def promtool_test(case):
    test = {
        "name": str(case),
        "interval": case.body.get("interval", "1m"),
        "input_series": [{"series": series, "values": values} for series, values in case.body.get("series", {}).items()],
    }
    if case.kind == "gives":
        by_name = {}
        for labels, value in case.body["samples"].items():
            by_name.setdefault(labels.partition("{")[0], []).append({"labels": labels, "value": value})
        test["promql_expr_test"] = [{"expr": n, "eval_time": case.body["at"], "exp_samples": s} for n, s in by_name.items()]
    else:
        rule = next(r for g in groups(ALERTS / case.file) for r in g["rules"] if r.get("alert") == case.rules[0])
        alerts = [expected_alert(rule, case.body)] if case.kind == "fires" else []
        test["alert_rule_test"] = [{"eval_time": case.body["at"], "alertname": case.rules[0], "exp_alerts": alerts}]
    return test


def write_run(folder, key, of_them):
    """promtool's input for all cases of a key: the rules that they are about, cut out of our file, and the tests."""
    file, interval, needed = key
    kept = [{**g, "rules": [r for r in g["rules"] if r.get("record") in needed or [r.get("alert")] in [c.rules for c in of_them]]}
            for g in groups(ALERTS / file)]
    kept = [g for g in kept if g["rules"]]
    (folder / "rules.yaml").write_text(yaml.safe_dump({"groups": kept}))
    (folder / "test.yaml").write_text(yaml.safe_dump({
        "rule_files": ["rules.yaml"], "evaluation_interval": interval, "group_eval_order": [g["name"] for g in kept],
        "tests": [promtool_test(c) for c in of_them]}))
    return folder / "test.yaml"
