"""Liveness and drain of a vLLM, asked from inside its container; needs nothing but Python.

    progress.py live STALL_S            exit 0 while the server answers and, with requests running, makes progress
    progress.py drain ENDPOINT_S MAX_S  return when no request runs or waits, at the latest after MAX_S

A server whose port answers may still have stopped computing. Progress is any change of the engine's counters between
two calls; what the last call saw lies in a file. PROGRESS_URL and PROGRESS_STATE are for tests.
"""

import json
import os
import sys
import time
import urllib.error
import urllib.request

URL = os.environ.get("PROGRESS_URL", "http://127.0.0.1:8000")
STATE = os.environ.get("PROGRESS_STATE", "/tmp/slipway-progress.json")
BUSY = ("vllm:num_requests_running", "vllm:num_requests_waiting")
COUNTERS = ("vllm:prompt_tokens_total", "vllm:generation_tokens_total", "vllm:iteration_tokens_total_count")


def get(path):
    with urllib.request.urlopen(URL + path, timeout=5) as answer:
        return answer.read().decode()


def sums(text):
    """Name -> sum over its series, of the names that matter here."""
    found = {}
    for line in text.splitlines():
        name = line.split("{", 1)[0].split(" ", 1)[0]
        if name in BUSY + COUNTERS:
            found[name] = found.get(name, 0.0) + float(line.rsplit(" ", 1)[1])
    return found


def live(stall_s, now):
    get("/health")
    found = sums(get("/metrics"))
    counters = [found.get(name, 0.0) for name in COUNTERS]
    since = now
    if found.get(BUSY[0], 0.0) > 0:
        try:
            with open(STATE, encoding="utf-8") as file:
                last = json.load(file)
            if last["busy"] and last["counters"] == counters:
                since = last["since"]
        except (OSError, ValueError, KeyError):
            pass  # the first call, or a torn file: measured from now
    with open(STATE, "w", encoding="utf-8") as file:
        json.dump({"busy": found.get(BUSY[0], 0.0) > 0, "counters": counters, "since": since}, file)
    if now - since > stall_s:
        print(f"{found[BUSY[0]]:.0f} requests run and nothing moved for {now - since:.0f} s", file=sys.stderr)
        return 1
    return 0


def drain(endpoint_s, max_s):
    deadline = time.monotonic() + max_s
    time.sleep(min(endpoint_s, max_s))  # until gateways have seen that this pod goes
    while time.monotonic() < deadline:
        try:
            found = sums(get("/metrics"))
        except (OSError, urllib.error.URLError):
            return 0  # it is gone already
        if not any(found.get(name, 0.0) for name in BUSY):
            return 0
        time.sleep(1)
    return 0


def main(arguments):
    if arguments[:1] == ["live"]:
        try:
            return live(float(arguments[1]), time.time())
        except (OSError, urllib.error.URLError) as error:
            print(f"{URL}: {error}", file=sys.stderr)
            return 1
    if arguments[:1] == ["drain"]:
        return drain(float(arguments[1]), float(arguments[2]))
    print(__doc__, file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
