"""Each rule of platform/alerts, run by the real promtool: it fires when it should and is silent when it nearly should."""
import dataclasses

import alert_cases
import pytest
import yaml

CASES = alert_cases.cases()
RULES = alert_cases.rules()


@pytest.fixture(scope="session")
def outcomes(promtool, tmp_path_factory):
    runs, out = {}, {}
    for case in CASES:
        runs.setdefault(alert_cases.run_key(case), []).append(case)
    for key, of_them in runs.items():
        out[key] = promtool("test", "rules", alert_cases.write_run(tmp_path_factory.mktemp("rules"), key, of_them))
    return out


def said_of(case, done):
    """promtool's complaint about one case, "" where it has none. Complaints begin with the case's name."""
    text = done.stdout + done.stderr
    if done.returncode and "name: " not in text:
        return text
    return "".join(part for part in text.split("name: ")[1:] if part.startswith(f"{case},"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, outcomes):
    complaint = said_of(case, outcomes[alert_cases.run_key(case)])
    assert not complaint, f"{case.file}, {case.body.get('why') or case.kind}:\n{complaint}"


def test_a_wrong_case_is_seen(promtool, tmp_path):
    fires, silent = (next(c for c in CASES if str(c) == f"ScrapeDown-{kind}-1") for kind in ("fires", "silent"))
    gives = next(c for c in CASES if c.kind == "gives")
    off_by_one = {labels: value + 1 for labels, value in gives.body["samples"].items()}
    for wrong in (dataclasses.replace(fires, kind="silent"),
                  dataclasses.replace(silent, kind="fires", body={**silent.body, "says": "no"}),
                  dataclasses.replace(fires, body={**fires.body, "says": "another text"}),
                  dataclasses.replace(gives, body={**gives.body, "samples": off_by_one})):
        assert said_of(wrong, promtool("test", "rules", alert_cases.write_run(tmp_path, alert_cases.run_key(wrong), [wrong])))


def test_rule_files_are_valid(promtool):
    done = promtool("check", "rules", *sorted({str(path) for path, _, _ in RULES}))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", [r for _, _, r in RULES], ids=alert_cases.name_of)
def test_every_rule_has_its_cases(rule):
    name = alert_cases.name_of(rule)
    kinds = {c.kind for c in CASES if name in c.rules}
    wanted = {"gives"} if "record" in rule else {"fires"} if name == "Watchdog" else {"fires", "silent"}
    assert kinds == wanted, f"{name} has cases {sorted(kinds)} in tests/observe/alerts, not {sorted(wanted)}"


def test_no_case_is_of_a_rule_that_is_gone():
    names = {alert_cases.name_of(r) for _, _, r in RULES}
    assert {name for c in CASES for name in c.rules} <= names


def test_names_are_unique():
    names = [alert_cases.name_of(r) for _, _, r in RULES]
    assert len(names) == len(set(names))
