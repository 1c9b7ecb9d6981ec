"""Cases of alert and recording rules, and promtool's test files made of them.

A case file names its rules and lists, for each alert, when it fires and when it does not, though nearly:

    - alert: KVCacheSaturated
      fires:   [{series: {SERIES: VALUES}, at: 10m, labels: {...}, says: "the description"}]
      silent:  [{why: "nobody waits", series: {...}, at: 10m}]
    - record: slipway:x:rate5m
      gives: [{series: {...}, at: 10m, samples: {'slipway:x:rate5m{model="m"}': 1}}]

`interval` (1m) is the step of the values and of the evaluation. Severity, summary, links are the rule's own, with the labels
filled in: a case need not repeat them, and promtool compares them all.
"""
import dataclasses
import pathlib
import re

import yaml

HERE = pathlib.Path(__file__).resolve().parent
ALERTS = HERE.parents[1] / "platform/alerts"


@dataclasses.dataclass
class Case:
    file: str
    rule: str
    kind: str        # fires, silent, gives
    number: int
    body: dict

    def __str__(self):
        return f"{self.rule}-{self.kind}-{self.number}"


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
            name = entry.get("alert") or entry["record"]
            for kind in ("fires", "silent", "gives"):
                out += [Case(content["rules"], name, kind, i + 1, body) for i, body in enumerate(entry.get(kind, []))]
    return out


def filled(text, labels):
    return re.sub(r"\{\{ \$labels\.(\w+) \}\}", lambda m: str(labels.get(m[1], "")), text)


def expected_alert(rule, body):
    labels = body.get("labels", {})
    annotations = {key: filled(text, labels) for key, text in rule["annotations"].items()}
    annotations["description"] = body["says"]
    own = {key: filled(text, labels) for key, text in rule["labels"].items()}
    return {"exp_labels": {**labels, **own}, "exp_annotations": annotations}


def step(case):
    return case.body.get("interval", "1m")


def promtool_test(case):
    test = {
        "name": str(case),
        "interval": step(case),
        "input_series": [{"series": series, "values": values} for series, values in case.body.get("series", {}).items()],
    }
    if case.kind == "gives":
        name = next(iter(case.body["samples"])).partition("{")[0]
        samples = [{"labels": labels, "value": value} for labels, value in case.body["samples"].items()]
        test["promql_expr_test"] = [{"expr": name, "eval_time": case.body["at"], "exp_samples": samples}]
    else:
        rule = next(r for g in groups(ALERTS / case.file) for r in g["rules"] if r.get("alert") == case.rule)
        alerts = [expected_alert(rule, case.body)] if case.kind == "fires" else []
        test["alert_rule_test"] = [{"eval_time": case.body["at"], "alertname": case.rule, "exp_alerts": alerts}]
    return test


def promtool_file(file, interval, of_them):
    """One file of promtool for all cases of one rule file and one step: a process each would take minutes."""
    path = ALERTS / file
    return {"rule_files": [str(path)], "evaluation_interval": interval, "group_eval_order": [g["name"] for g in groups(path)],
            "tests": [promtool_test(c) for c in of_them]}
