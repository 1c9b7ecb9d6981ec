"""Where everything of the cluster lies: folders, addresses, names. No behaviour but the small helpers every file needs."""

import os
import pathlib
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
HOME = pathlib.Path.home()
CACHE = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or HOME / ".cache") / "slipway-tests"
STATE = pathlib.Path(os.environ.get("XDG_STATE_HOME") or HOME / ".local/state") / "slipway-cluster"

NAME = "slipway-cluster"  # network namespace, cgroup, containerd's label
NODE = "slipway-node"
HOST_LINK = "slipway0"  # this machine's end of the only wire into the cluster

# Three private ranges that clouds and container engines rarely hand out; `up` refuses when this machine routes one of them.
WIRE = "10.211.0.0/30"
HOST_ADDRESS = "10.211.0.1"
NODE_ADDRESS = "10.211.0.2"
PODS = "10.212.0.0/16"
SERVICES = "10.213.0.0/16"
API_SERVICE = "10.213.0.1"
DNS_SERVICE = "10.213.0.10"
DOMAIN = "cluster.local"

API_URL = f"https://{NODE_ADDRESS}:6443"
PKI = STATE / "pki"
CONFIG = STATE / "config"
LOGS = STATE / "logs"
PIDS = STATE / "pids"
CONTAINERD_SOCKET = STATE / "containerd.sock"
KUBECONFIG = STATE / "kubeconfig"
PAUSE_IMAGE = "slipway.dev/pause:1"


class Failure(Exception):
    """What failed with its evidence, and the exact next command."""

    def __init__(self, what, next_step, code=1):
        super().__init__(what)
        self.next_step, self.code = next_step, code


def say(text):
    print(text, file=sys.stderr, flush=True)


def built():
    """NAME -> folder or version of what `tools/cluster.d/build` made; empty before the first build."""
    file = CACHE / "cluster-parts"
    lines = file.read_text().splitlines() if file.exists() else []
    return dict(line.split("=", 1) for line in lines)
