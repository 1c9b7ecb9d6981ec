"""A real Alertmanager with our template delivers to all four kinds of receiver, with their secrets from files, and says when
an alert is over. Addresses are the only thing that the test changes."""
import datetime
import http.server
import json
import os
import pathlib
import queue
import shutil
import signal
import socketserver
import subprocess
import threading
import time
import urllib.request

import pytest
import tools_of
import yaml
from test_live import free_port

FILE = pathlib.Path(__file__).resolve().parents[2] / "platform/alerts/receivers/alertmanager.yaml"
TEMPLATES = pathlib.Path("/usr/share/prometheus/alertmanager")    # built into Debian's program
LONGEST = 120    # seconds to wait for a delivery on a busy machine; nothing is measured


class Web:
    """Takes every POST as (path, authorization, body)."""

    def __init__(self):
        self.got = got = queue.Queue()

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                got.put((self.path, self.headers.get("Authorization", ""), body.decode()))
                self.send_response(202 if "enqueue" in self.path else 200)
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


class Mail:
    """As much SMTP as it takes to be handed a message."""

    def __init__(self):
        self.got = got = queue.Queue()

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                say = lambda line: self.wfile.write(line.encode() + b"\r\n")    # noqa: E731
                say("220 test")
                for line in iter(self.rfile.readline, b""):
                    word = line.decode().split()[0].upper() if line.strip() else ""
                    if word == "DATA":
                        say("354 go on")
                        message = b"".join(iter(self.rfile.readline, b".\r\n"))
                        got.put(message.decode())
                    say("221 bye" if word == "QUIT" else "250 ok")

        self.server = socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


def ours_with_addresses(folder, web, mail):
    config = yaml.safe_load(FILE.read_text())
    config["global"] |= {"smtp_smarthost": mail.address, "smtp_require_tls": False, "pagerduty_url": f"{web.url}/v2/enqueue"}
    for key in ("smtp_auth_username", "smtp_auth_password_file"):    # the mail server of the test asks for none
        config["global"].pop(key)
    for route in [config["route"], *config["route"]["routes"]]:
        route.update(group_wait="1s", group_interval="1s")
    for receiver in config["receivers"]:
        for hook in receiver.get("webhook_configs", []):
            hook["url"] = f"{web.url}/{receiver['name']}"
    (folder / "secrets").mkdir()
    for name, text in (("webhook-token", "w"), ("watchdog-token", "d"), ("slack-url", f"{web.url}/slack"), ("pagerduty-key", "k" * 32)):
        (folder / "secrets" / name).write_text(text)
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(config))


def command(program, folder, port):
    words = [program, f"--config.file={folder}/alertmanager.yaml", f"--storage.path={folder}/data", "--cluster.listen-address=",
             f"--web.listen-address=127.0.0.1:{port}"]
    if TEMPLATES.exists():
        return words
    if os.geteuid() != 0 or not shutil.which("unshare"):
        pytest.skip(f"needs {TEMPLATES}, which the package prometheus-alertmanager installs, or root to put it there for one process")
    mounted = f"mount -t tmpfs none /usr/share && mkdir -p {TEMPLATES} && cp {tools_of.CACHE}{TEMPLATES}/*.tmpl {TEMPLATES}/ && exec \"$@\""
    return ["unshare", "-m", "sh", "-c", mounted, "sh", *words]


class Alertmanager:
    def __init__(self, folder, web, mail):
        program, why = tools_of.find("prometheus-alertmanager")
        if not program:
            pytest.skip(why)
        ours_with_addresses(folder, web, mail)
        port = free_port()
        self.url = f"http://127.0.0.1:{port}"
        with open(folder / "log", "w", encoding="utf-8") as log:
            self.child = subprocess.Popen(command(program, folder, port), cwd=folder, stdout=log, stderr=log)
        self.log = folder / "log"

    def wait(self):
        deadline = time.monotonic() + LONGEST
        while time.monotonic() < deadline and self.child.poll() is None:
            try:
                return urllib.request.urlopen(f"{self.url}/-/ready", timeout=5).close()
            except OSError:
                time.sleep(0.2)
        raise AssertionError(self.log.read_text()[-2000:])

    def alert(self, labels, over=False):
        now = datetime.datetime.now(datetime.timezone.utc)
        alert = {"labels": labels, "startsAt": (now - datetime.timedelta(minutes=1)).isoformat(),
                 "annotations": {"summary": "m: it is broken", "description": "2 % fail", "console": "http://c/",
                                 "runbook_url": "docs/runbooks/X.md"}}
        if over:
            alert["endsAt"] = now.isoformat()
        ask = urllib.request.Request(f"{self.url}/api/v2/alerts", json.dumps([alert]).encode(), {"Content-Type": "application/json"})
        urllib.request.urlopen(ask, timeout=30).close()


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    web, mail = Web(), Mail()
    alertmanager = Alertmanager(tmp_path_factory.mktemp("alertmanager"), web, mail)
    try:
        alertmanager.wait()
        yield alertmanager, web, mail
    finally:
        alertmanager.child.send_signal(signal.SIGTERM)
        alertmanager.child.wait()
        web.server.shutdown()
        mail.server.shutdown()


def until(got, wanted):
    """Deliveries until each of `wanted` (name -> predicate) was seen."""
    seen, deadline = {}, time.monotonic() + LONGEST
    while set(seen) < set(wanted) and time.monotonic() < deadline:
        try:
            item = got.get(timeout=1)
        except queue.Empty:
            continue
        seen |= {name: item for name, fits in wanted.items() if fits(item)}
    assert set(seen) == set(wanted), f"not delivered: {set(wanted) - set(seen)}"
    return seen


def test_a_page_reaches_pagerduty_slack_and_the_webhook_and_its_end_too(world):
    alertmanager, web, _ = world
    labels = {"alertname": "AvailabilityFastBurn", "severity": "page", "model": "m"}
    alertmanager.alert(labels)
    seen = until(web.got, {
        "webhook": lambda i: i[0] == "/webhook" and json.loads(i[2])["status"] == "firing",
        "slack": lambda i: i[0] == "/slack" and "FIRING" in i[2],
        "pagerduty": lambda i: i[0] == "/v2/enqueue" and json.loads(i[2])["event_action"] == "trigger"})
    assert seen["webhook"][1] == "Bearer w"
    assert "2 % fail" in seen["slack"][2] and "docs/runbooks/X.md" in seen["slack"][2]
    paged = json.loads(seen["pagerduty"][2])
    assert paged["routing_key"] == "k" * 32 and "m: it is broken" in paged["payload"]["summary"]
    alertmanager.alert(labels, over=True)
    until(web.got, {
        "webhook": lambda i: i[0] == "/webhook" and json.loads(i[2])["status"] == "resolved",
        "slack": lambda i: i[0] == "/slack" and "RESOLVED" in i[2],
        "pagerduty": lambda i: i[0] == "/v2/enqueue" and json.loads(i[2])["event_action"] == "resolve"})


def test_a_ticket_is_a_mail_that_says_what_to_do(world):
    alertmanager, _, mail = world
    alertmanager.alert({"alertname": "AcceleratorIdleCost", "severity": "ticket", "model": "m"})
    message = until(mail.got, {"mail": lambda m: "AcceleratorIdleCost" in m})["mail"]
    assert "What to do: docs/runbooks/X.md" in message.replace("=\r\n", "") and "oncall@example.org" in message


def test_the_dead_mans_switch_goes_outside_with_its_own_token(world):
    alertmanager, web, _ = world
    alertmanager.alert({"alertname": "Watchdog", "severity": "external"})
    assert until(web.got, {"watchdog": lambda i: i[0] == "/watchdog"})["watchdog"][1] == "Bearer d"
