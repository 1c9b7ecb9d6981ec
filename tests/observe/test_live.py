"""A real Prometheus scrapes a world in which every series exists that our queries ask for, and evaluates our rules. Every
panel must then have data, and every rule must evaluate: what stays empty, or cannot be joined, is wrong in itself."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import time
import urllib.request

import alert_cases
import catalogue
import pytest
import tools_of
import world
import yaml

ROOT = pathlib.Path(__file__).resolve().parents[2]
LONGEST = 300    # seconds until a busy machine has scraped and evaluated a few times; nothing is measured


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def configuration(folder, port):
    for path in sorted((ROOT / "platform/alerts").glob("*.rules.yaml")):
        content = {"groups": [{**g, "interval": "1s"} for g in alert_cases.groups(path)]}
        (folder / path.name).write_text(yaml.safe_dump(content))
    targets = [{"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": "/gateway", "instance": "gateway"}},
               {"targets": [f"127.0.0.1:{port}"], "labels": {"__metrics_path__": "/replica", "instance": "replica",
                                                             "namespace": "a", "pod": "a", "slipway_dev_model": "a"}}]
    (folder / "prometheus.yml").write_text(yaml.safe_dump({
        "global": {"scrape_interval": "1s", "evaluation_interval": "1s"}, "rule_files": ["*.rules.yaml"],
        "scrape_configs": [{"job_name": "world", "honor_labels": True, "static_configs": targets}]}))


def ask(url, path):
    try:
        with urllib.request.urlopen(f"{url}/api/v1/{path}", timeout=30) as answer:
            return json.load(answer)["data"]
    except OSError:
        return None


def evaluated(url):
    """Rules' errors and the names that exist, once every group has run a few times; None before."""
    rules, names = ask(url, "rules"), ask(url, "label/__name__/values")
    if not rules or not names or "slipway:model_price:dollars_per_hour" not in names or "slipway:itl_bad:rate3d" not in names:
        return None
    return [r for g in rules["groups"] for r in g["rules"]]


@pytest.fixture(scope="module")
def live(tmp_path_factory):
    program, why = tools_of.find("prometheus")
    if not program:
        pytest.skip(why)
    folder, server, port = tmp_path_factory.mktemp("prometheus"), world.Server(catalogue.load()), free_port()
    configuration(folder, server.port)
    url = f"http://127.0.0.1:{port}"
    with open(folder / "log", "w", encoding="utf-8") as log:
        child = subprocess.Popen([program, f"--config.file={folder}/prometheus.yml", f"--storage.tsdb.path={folder}/data",
                                  f"--web.listen-address=127.0.0.1:{port}"], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + LONGEST
        while not evaluated(url):
            assert child.poll() is None and time.monotonic() < deadline, (folder / "log").read_text()[-2000:]
            time.sleep(1)
        yield url
    finally:
        child.send_signal(signal.SIGTERM)
        child.wait()
        server.close()


def test_every_rule_evaluates(live):
    broken = [f"{r['name']}: {r['lastError']}" for r in evaluated(live) if r.get("lastError")]
    assert broken == []


def test_every_panel_has_data(live):
    done = subprocess.run([ROOT / "tools/check-panels", live, "--minutes", "1"], capture_output=True, text=True, check=False,
                          env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and lines[-1].endswith(" 0 dead"), done.stdout + done.stderr
    assert [x for x in lines[:-1] if "logs are not in Prometheus" not in x] == []


def test_no_prometheus_is_said_plainly():
    done = subprocess.run([ROOT / "tools/check-panels", f"http://127.0.0.1:{free_port()}"], capture_output=True, text=True, check=False)
    assert done.returncode == 1 and "no Prometheus answers at" in done.stderr and "next:" in done.stderr
