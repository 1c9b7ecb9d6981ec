"""The Alertmanager template: valid as it is, valid with one receiver alone, and without a secret in it."""
import pathlib
import re

import pytest
import yaml

FILE = pathlib.Path(__file__).resolve().parents[2] / "platform/alerts/receivers/alertmanager.yaml"
CONFIG = yaml.safe_load(FILE.read_text())
RECEIVERS = [r["name"] for r in CONFIG["receivers"]]


def check(amtool, folder, config):
    file = folder / "alertmanager.yaml"
    file.write_text(yaml.safe_dump(config))
    return amtool("check-config", file)


def only(name):
    """The template reduced to one receiver, as somebody who has no other would."""
    kept = [r for r in CONFIG["receivers"] if r["name"] == name]
    return {**CONFIG, "receivers": kept, "route": {**CONFIG["route"], "receiver": name, "routes": []}}


def test_the_whole_template_is_valid(amtool):
    done = amtool("check-config", FILE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(RECEIVERS)} receivers" in done.stdout


@pytest.mark.parametrize("name", RECEIVERS)
def test_each_receiver_is_valid_alone(name, amtool, tmp_path):
    done = check(amtool, tmp_path, only(name))
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_wrong_receiver_is_refused(amtool, tmp_path):
    config = only("slack")
    config["receivers"][0]["slack_configs"][0]["chanel"] = "#typo"
    assert check(amtool, tmp_path, config).returncode != 0


def test_every_kind_is_there():
    kinds = {key for r in CONFIG["receivers"] for key in r if key.endswith("_configs")}
    assert kinds == {"webhook_configs", "slack_configs", "email_configs", "pagerduty_configs"}


def test_secrets_are_files_and_listed():
    secret = r"\b(?:api_url|routing_key|service_key|smtp_auth_password|auth_password|credentials|bearer_token|password):"
    inline = re.findall(secret, FILE.read_text())
    assert inline == []
    readme = (FILE.parent / "README.md").read_text()
    for file in re.findall(r"secrets/[\w-]+", FILE.read_text()):
        assert f"| {file} |" in readme


@pytest.mark.parametrize("severity, receivers", [
    ("page", {"pagerduty", "slack", "webhook"}), ("warn", {"slack", "webhook"}), ("ticket", {"email", "webhook"}),
    ("info", {"webhook"})])
def test_severities_reach_who_they_should(severity, receivers, amtool):
    done = amtool("config", "routes", "test", f"--config.file={FILE}", "alertname=X", f"severity={severity}")
    assert set(done.stdout.strip().split(",")) == receivers, done.stdout + done.stderr


def test_the_dead_mans_switch_goes_only_outside(amtool):
    done = amtool("config", "routes", "test", f"--config.file={FILE}", "alertname=Watchdog", "severity=external")
    assert done.stdout.strip() == "watchdog", done.stdout + done.stderr
