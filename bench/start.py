#!/usr/bin/env python3
"""From `slipway up` to the first token, with everything installed and the model in the store; and the daemon at rest.

  bench/run start [--rounds 5] [--build build/release]

Each round starts an environment of its own kind (a temporary SLIPWAY_HOME, a free port), asks for a streamed answer, and
stops it. The first round fetches the model and is not counted.
"""
import argparse
import json
import os
import pathlib
import shutil
import socket
import statistics
import subprocess
import tempfile
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
REST_SECONDS = 20


def first_token(slipway, env, port):
    """Seconds from `slipway up` to the first piece of the answer."""
    started = time.monotonic()
    subprocess.run([slipway, "up", "--quiet"], env=env, check=True, stdout=subprocess.DEVNULL)
    body = {"model": "smollm2-135m", "stream": True, "max_tokens": 8, "messages": [{"role": "user", "content": "Hello"}]}
    request = urllib.request.Request(f"http://127.0.0.1:{port}/v1/chat/completions", json.dumps(body).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        for line in answer:
            if b'"content":"' in line and b'"content":""' not in line:
                break
        seconds = time.monotonic() - started
        answer.read()
    subprocess.run([slipway, "down", "--quiet"], env=env, check=True, stdout=subprocess.DEVNULL)
    return seconds


def at_rest(slipway, env):
    """(share of one core in percent, resident MB) of a daemon without workers."""
    subprocess.run([slipway, "up", "--quiet", "--no-models"], env=env, check=True, stdout=subprocess.DEVNULL)
    status = subprocess.run([slipway, "status", "-o", "json"], env=env, check=True, capture_output=True)
    pid = json.loads(status.stdout)["pid"]
    ticks = lambda: sum(int(n) for n in open(f"/proc/{pid}/stat").read().rsplit(")", 1)[1].split()[11:13])
    before = ticks()
    time.sleep(REST_SECONDS)
    percent = (ticks() - before) / os.sysconf("SC_CLK_TCK") / REST_SECONDS * 100
    resident = int(open(f"/proc/{pid}/statm").read().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 1e6
    subprocess.run([slipway, "down", "--quiet"], env=env, check=True, stdout=subprocess.DEVNULL)
    return percent, resident


def bar(name, value, limit):
    print(f"bar {name} {value:.2f} <= {limit} {'ok' if value <= limit else 'short'}")


def main():
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--rounds", type=int, default=5)
    arguments.add_argument("--build", default="build/release")
    arguments = arguments.parse_args()
    slipway = ROOT / arguments.build / "bin/slipway"
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        port = s.getsockname()[1]
    home = pathlib.Path(tempfile.mkdtemp(prefix="slipway-bench-"))
    env = {**os.environ, "SLIPWAY_HOME": str(home), "SLIPWAY_GATEWAY_PORT": str(port)}
    try:
        times = [first_token(slipway, env, port) for _ in range(arguments.rounds + 1)][1:]
        # Its own environment: the other one remembers its model.
        percent, resident = at_rest(slipway, {**env, "SLIPWAY_HOME": str(home / "rest")})
    finally:
        subprocess.run([slipway, "down", "--quiet"], env=env, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        shutil.rmtree(home, ignore_errors=True)
    median = statistics.median(times)
    print(f"up to first token, s: min {min(times):.2f}, median {median:.2f}, max {max(times):.2f} of {len(times)}")
    print(f"daemon at rest: {percent:.2f} % of a core over {REST_SECONDS} s, {resident:.1f} MB resident")
    bar("up_to_first_token_s", median, 5)
    bar("idle_cpu_percent", percent, 1)
    bar("idle_resident_mb", resident, 60)


main()
