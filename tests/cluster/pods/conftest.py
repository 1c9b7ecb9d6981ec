"""One real cluster with real pods for the session: tools/cluster up, and down again if it was not up before."""

import json
import os
import pathlib
import subprocess
import uuid

import pytest

ROOT = pathlib.Path(__file__).resolve().parents[3]
STATE = pathlib.Path(os.environ.get("XDG_STATE_HOME") or pathlib.Path.home() / ".local/state") / "slipway-cluster"
PRECONDITION = 4  # the exit code of "this machine cannot"


def tool(*arguments, check=True):
    done = subprocess.run([ROOT / "tools/cluster", *arguments], capture_output=True, text=True, check=False)
    if check and done.returncode != 0:
        raise RuntimeError(f"tools/cluster {' '.join(arguments)} ({done.returncode}):\n{done.stdout}{done.stderr[-4000:]}")
    return done


def lines(*command):
    return subprocess.run(command, capture_output=True, text=True, check=False).stdout.splitlines()


def machine():
    """What a cluster could leave on this machine, as comparable lists."""
    return {
        "mounts": sorted(line.split(" - ")[0].split()[4] for line in pathlib.Path("/proc/self/mountinfo").read_text().splitlines()),
        "interfaces": sorted(line.split()[0] for line in lines("ip", "-br", "link")),
        "routes": sorted(lines("ip", "route", "show", "table", "all")),
        "rules": [line for line in lines("iptables-save") if not line.startswith("#")],
        "namespaces": lines("ip", "netns", "list"),
        "control groups": sorted(str(found) for found in pathlib.Path("/sys/fs/cgroup").rglob("*slipway-cluster*")),
        "folders": sorted(str(found) for place in ("/var/lib", "/var/log", "/run", "/opt") for found in pathlib.Path(place).iterdir()),
        "forwarding": pathlib.Path("/proc/sys/net/ipv4/ip_forward").read_text(),
    }


class Cluster:
    def __init__(self, kubeconfig, was_up, before):
        self.kubeconfig, self.was_up, self.before = kubeconfig, was_up, before
        self.program = pathlib.Path(os.environ["SLIPWAY_KUBE_TOOLS"]) / "kubectl"

    def run(self, *command, stdin=None, check=True):
        done = subprocess.run(list(map(str, command)), input=stdin, capture_output=True, text=True, timeout=600, check=False)
        if check and done.returncode != 0:
            raise RuntimeError(f"{' '.join(map(str, command))} failed:\n{done.stderr[-4000:]}")
        return done.stdout

    def kubectl(self, *arguments, stdin=None, check=True):
        return self.run(self.program, "--kubeconfig", self.kubeconfig, *arguments, stdin=stdin, check=check)

    def apply(self, *objects, namespace):
        text = "\n---\n".join(json.dumps(item) for item in objects)
        return self.kubectl("-n", namespace, "apply", "--server-side", "-f", "-", stdin=text)

    def get(self, namespace, kind, *more):
        return json.loads(self.kubectl("-n", namespace, "get", kind, *more, "-o", "json"))


@pytest.fixture(scope="session")
def real():
    was_up = tool("status", check=False).returncode == 0
    before = machine()
    done = tool("up", check=False)
    if done.returncode == PRECONDITION:
        pytest.skip(f"needs a machine that can run a kubelet: {done.stderr.strip()[-400:]}")
    if done.returncode != 0:
        raise RuntimeError(f"tools/cluster up ({done.returncode}):\n{done.stderr[-4000:]}")
    yield Cluster(done.stdout.strip().splitlines()[-1], was_up, before)
    if not was_up:
        tool("down")


@pytest.fixture(scope="session")
def python_image(real):
    """Debian with Python; the image every test may give a program to."""
    done = tool("image", "python", check=False)
    if done.returncode == PRECONDITION:
        pytest.skip(f"needs {done.stderr.strip()[-200:]}")
    if done.returncode != 0:
        raise RuntimeError(done.stderr[-4000:])
    return done.stdout.strip()


@pytest.fixture
def namespace(real):
    name = f"test-{uuid.uuid4().hex[:8]}"
    real.kubectl("create", "namespace", name)
    real.kubectl("-n", name, "wait", "--for=create", "serviceaccount/default", "--timeout=60s")
    yield name
    real.kubectl("delete", "namespace", name, "--wait=false")
