"""Starting, asking and ending the parts. A process is known by its number and its start time, so a reused number is not it."""

import contextlib
import os
import pathlib
import signal
import subprocess
import time

import isolation
import layout
import parts
from layout import LOGS, PIDS, Failure

READY_WITHIN_S = 120


def started_at(pid):
    """In clock ticks since the machine's start; None when there is no such process, or only its remains."""
    try:
        fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] == "Z" else fields[19]


def running(name):
    """The pid of the part, None when it does not run."""
    try:
        pid, started = (PIDS / name).read_text().split()
    except (OSError, ValueError):
        return None
    return int(pid) if started_at(pid) == started else None


def start(part):
    built = layout.built()
    node = pathlib.Path(built["node"])
    group = isolation.parts_root() / isolation.PARTS_GROUP / "cgroup.procs"
    path = [built["bin"], node / "usr/bin", node / "usr/sbin", os.environ["PATH"]]
    environment = {
        "PATH": ":".join(map(str, path)),
        "HOME": str(layout.STATE),
        "LANG": "C.UTF-8",
        "GOTRACEBACK": "single",
    }
    with (LOGS / f"{part.name}.log").open("a") as log:
        process = subprocess.Popen(
            isolation.enter([parts.program(part.name), *part.arguments]),
            cwd=layout.STATE,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            preexec_fn=lambda: group.write_text(str(os.getpid())),
        )
    # The number stays the same: nsenter becomes the part.
    (PIDS / part.name).write_text(f"{process.pid} {started_at(process.pid)}\n")
    return process


def wait_until_sound(part, process):
    deadline = time.monotonic() + READY_WITHIN_S
    while (trouble := parts.sound(part)) is not None:
        if process is not None and process.poll() is not None:
            raise Failure(f"{part.name} ended with {process.returncode}:\n{last_lines(part.name, 12)}", "tools/cluster up")
        if time.monotonic() > deadline:
            raise Failure(
                f"{part.name} did not become healthy within {READY_WITHIN_S} s: {trouble}\n{last_lines(part.name, 12)}",
                f"less {LOGS / part.name}.log",
            )
        if process is None:
            time.sleep(0.1)  # it was running before: somebody else's child cannot be waited for
        else:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(timeout=0.1)  # ask again soon, at once if it ended


def last_lines(name, count):
    try:
        lines = (LOGS / f"{name}.log").read_text(errors="replace").splitlines()
    except OSError:
        return "    (no log)"
    return "\n".join("    " + line[:300] for line in lines[-count:])


def stop(name, within_s=10):
    """Asks, then insists. A part that does not run is stopped."""
    pid = running(name)
    if pid is None:
        return False
    deadline = time.monotonic() + within_s
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signal.SIGTERM)
        isolation.wait_for_exit(pid, deadline)
        if running(name):
            os.kill(pid, signal.SIGKILL)
            isolation.wait_for_exit(pid, time.monotonic() + within_s)
    return True
