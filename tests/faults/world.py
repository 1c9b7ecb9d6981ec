"""A whole daemon with fake workers, for fault tests: start it, deploy models with faults, stream through its gateway."""
import contextlib
import hashlib
import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import sqlite3
import struct
import subprocess
import tempfile
import threading
import time

BIN = pathlib.Path(os.environ["SLIPWAY_TEST_BIN"])
PATIENCE = 60  # seconds for something that must happen


def wait_for(condition, what, seconds=PATIENCE):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        value = condition()
        if value:
            return value
        time.sleep(0.01)
    raise AssertionError(f"not within {seconds} s: {what}")


def gone(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "Z"
    except OSError:
        return True


def gguf(switches):
    """A tiny GGUF that Slipway's reader accepts; the fake worker takes its switches from it."""
    def string(s):
        return struct.pack("<Q", len(s)) + s.encode()

    keys = [string("general.architecture") + struct.pack("<I", 8) + string("llama"),
            string("fake.switches") + struct.pack("<I", 8) + string(f"fake: {switches}\n"),
            string("tokenizer.chat_template") + struct.pack("<I", 8) + string("{{ messages }}")]
    for name, value in (("block_count", 1), ("context_length", 2048), ("embedding_length", 64), ("attention.head_count", 1)):
        keys.append(string("llama." + name) + struct.pack("<II", 4, value))
    head = b"GGUF" + struct.pack("<IQQ", 3, 1, len(keys)) + b"".join(keys)
    head += string("t") + struct.pack("<IQIQ", 1, 32, 0, 0)
    return head + b"\0" * (-len(head) % 32 + 128)


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("localhost", timeout=PATIENCE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Stream(threading.Thread):
    """One streamed chat through the gateway; ends with `lines`, or with the HTTP status of a refusal."""

    def __init__(self, port, model, **body):
        super().__init__(daemon=True)
        self.body = {"model": model, "messages": [{"role": "user", "content": "x"}], "stream": True, **body}
        self.port, self.status, self.lines, self.broken, self.connection = port, None, [], None, None
        self.start()

    def run(self):
        try:
            self.connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
            self.connection.request("POST", "/v1/chat/completions", json.dumps(self.body), {"Content-Type": "application/json"})
            answer = self.connection.getresponse()
            self.status = answer.status
            while line := answer.readline():
                if line.strip():
                    self.lines.append(line.decode().strip())
        except (OSError, http.client.HTTPException) as error:
            self.broken = error
        finally:
            self.connection.close()

    @property
    def tokens(self):
        return sum('"content"' in line for line in self.lines)

    def end(self):
        self.join(PATIENCE)
        assert not self.is_alive(), "a stream hangs"
        return self

    def clean(self):
        return "data: [DONE]" in self.lines

    def failed_loudly(self):
        return not self.clean() and (self.status != 200 or self.broken is not None or any('"error"' in line for line in self.lines))


class World:
    def __init__(self, progress_timeout=2, drain=5):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="slipway-f-", dir="/tmp"))
        self.progress_timeout, self.drain = progress_timeout, drain
        self.daemon, self.port, self.url = None, 0, None
        self.files = 0

    def start(self):
        self.daemon = subprocess.Popen(
            [BIN / "fault-daemon", self.home, str(self.port), BIN / "fake-worker", str(self.progress_timeout), str(self.drain)],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        self.url = self.daemon.stdout.readline().strip()
        assert self.url.startswith("http://"), (self.url, self.daemon.stderr.read())
        self.port = int(self.url.rsplit(":", 1)[1])  # the next start takes the same one
        return self

    def close(self):
        if self.daemon and self.daemon.poll() is None:
            self.daemon.kill()
            self.daemon.wait()
        if self.daemon:
            self.daemon.stdout.close()
            self.daemon.stderr.close()
        shutil.rmtree(self.home, ignore_errors=True)

    def call(self, method, path, body=None):
        """(status, JSON) of a control call; of a stream: its last event's data."""
        with contextlib.closing(UnixConnection(self.home / "run/local.sock")) as connection:
            connection.request(method, "/control/v1/" + path, None if body is None else json.dumps(body))
            answer = connection.getresponse()
            text = answer.read().decode()
        if answer.getheader("content-type") == "text/event-stream":
            text = [line for line in text.splitlines() if line.startswith("data: ")][-1][6:]
        return answer.status, json.loads(text) if text else None

    def deploy(self, name, switches="", replicas=1):
        self.files += 1
        path = self.home / f"{name}{self.files}.gguf"
        path.write_bytes(gguf(switches))
        values = (f"model: file:{path}\ninference:\n  serviceName: {name}\n  accelerator: cpu\n  framework: llama-cpp\n"
                  f"  modelServer:\n    deployment:\n      replicas: {replicas}\n")
        return self.call("POST", "models", {"values": values, "source": "values.yaml"})

    def status(self):
        return self.call("GET", "status")[1]

    def model(self, name):
        return next((m for m in self.status()["models"] if m["id"] == name), None)

    def replicas(self, name):
        return self.model(name)["replicas"]

    def all_ready(self, name):
        model = self.model(name)
        return model is not None and model["state"] == "ready" and model["replicas"]

    def chat(self, model, content="x", **body):
        """(status, JSON) of one whole answer through the gateway."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        connection.request("POST", "/v1/chat/completions",
                           json.dumps({"model": model, "messages": [{"role": "user", "content": content}], **body}),
                           {"Content-Type": "application/json"})
        answer = connection.getresponse()
        text = answer.read().decode()
        connection.close()
        return answer.status, json.loads(text)

    def audit(self):
        """The records of the audit log, the chain walked by nothing of ours."""
        database = sqlite3.connect(f"file:{self.home / 'state/local/state.db'}?mode=ro", uri=True)
        rows = database.execute("SELECT record, hash FROM audit ORDER BY number").fetchall()
        database.close()
        records, before = [], "0" * 64
        for record, digest in rows:
            assert hashlib.blake2b(record.encode(), digest_size=32).hexdigest() == digest, record
            records.append(json.loads(record))
            assert (records[-1]["number"], records[-1]["previous"]) == (len(records), before), record
            before = digest
        return records

    def stream(self, model, **body):
        return Stream(self.port, model, **body)

    def kill(self, pid, number=signal.SIGKILL):
        os.kill(pid, number)
