"""Each rule of platform/alerts, run by the real promtool: it fires when it should and is silent when it nearly should."""
import alert_cases
import pytest
import yaml

CASES = alert_cases.cases()
RULES = alert_cases.rules()


@pytest.fixture(scope="session")
def outcomes(promtool, tmp_path_factory):
    """What promtool said, by rule file and step."""
    out = {}
    for key in {(c.file, alert_cases.step(c)) for c in CASES}:
        file = tmp_path_factory.mktemp("rules") / "test.yaml"
        of_them = [c for c in CASES if (c.file, alert_cases.step(c)) == key]
        file.write_text(yaml.safe_dump(alert_cases.promtool_file(*key, of_them)))
        out[key] = promtool("test", "rules", file)
    return out


def said_of(case, done):
    """promtool's complaint about one case, "" where it has none. Complaints begin with the case's name."""
    text = done.stdout + done.stderr
    if done.returncode and "name: " not in text:
        return text
    return "".join(part for part in text.split("name: ")[1:] if part.startswith(f"{case},"))


@pytest.mark.parametrize("case", CASES, ids=str)
def test_case(case, outcomes):
    complaint = said_of(case, outcomes[case.file, alert_cases.step(case)])
    assert not complaint, f"{case.file}, {case.body.get('why') or case.kind}:\n{complaint}"


def test_a_wrong_case_is_seen(promtool, tmp_path):
    wrong = [c for c in CASES if str(c) in ("ScrapeDown-fires-1", "ScrapeDown-silent-1")]
    for case in wrong:
        case = alert_cases.Case(case.file, case.rule, "silent" if case.kind == "fires" else "fires", 9, {**case.body, "says": "no"})
        file = tmp_path / "test.yaml"
        file.write_text(yaml.safe_dump(alert_cases.promtool_file(case.file, "1m", [case])))
        assert said_of(case, promtool("test", "rules", file))
    sample = next(c for c in CASES if c.kind == "gives")
    changed = {labels: value + 1 for labels, value in sample.body["samples"].items()}
    case = alert_cases.Case(sample.file, sample.rule, "gives", 9, {**sample.body, "samples": changed})
    file.write_text(yaml.safe_dump(alert_cases.promtool_file(case.file, alert_cases.step(case), [case])))
    assert said_of(case, promtool("test", "rules", file))


def test_rule_files_are_valid(promtool):
    done = promtool("check", "rules", *sorted({str(path) for path, _, _ in RULES}))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("rule", [r for _, _, r in RULES], ids=lambda r: r.get("alert") or r["record"])
def test_every_rule_has_its_cases(rule):
    name = rule.get("alert") or rule["record"]
    kinds = {c.kind for c in CASES if c.rule == name}
    wanted = {"gives"} if "record" in rule else {"fires"} if name == "Watchdog" else {"fires", "silent"}
    assert kinds == wanted, f"{name} has cases {sorted(kinds)} in tests/observe/alerts, not {sorted(wanted)}"


def test_no_case_is_of_a_rule_that_is_gone():
    names = {r.get("alert") or r["record"] for _, _, r in RULES}
    assert {c.rule for c in CASES} <= names


def test_names_are_unique():
    names = [r.get("alert") or r["record"] for _, _, r in RULES]
    assert len(names) == len(set(names))
