"""tools/cluster: real pods run, answer, are evicted and come back; killed parts are repaired; nothing is left after down."""

import json
import os
import pathlib
import signal
import select
import subprocess
import time
import urllib.error
import urllib.request

import pytest
from conftest import ROOT, STATE, machine, tool

# Answers with the pod's name.
SERVER = """
import http.server, socket
class Name(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        body = socket.gethostname().encode()
        self.send_response(200)
        self.send_header('content-length', str(len(body)))
        self.end_headers()
        self.wfile.write(body)
http.server.ThreadingHTTPServer(('', 8000), Name).serve_forever()
"""


def deployment(image, replicas):
    container = {
        "name": "server",
        "image": image,
        "imagePullPolicy": "Never",
        "args": ["-c", SERVER],
        "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
        "resources": {"requests": {"cpu": "10m", "memory": "32Mi"}, "limits": {"memory": "128Mi"}},
    }
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "hello"},
        "spec": {
            "replicas": replicas,
            "selector": {"matchLabels": {"app": "hello"}},
            "template": {
                "metadata": {"labels": {"app": "hello"}},
                "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]},
            },
        },
    }


SERVICE = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"name": "hello"},
    "spec": {"selector": {"app": "hello"}, "ports": [{"port": 80, "targetPort": 8000}]},
}


def answer(url, within_s=30):
    """Asks again while nothing listens yet: a Service's rules follow its endpoints by a moment."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline = time.monotonic() + within_s
    while True:
        try:
            with opener.open(url, timeout=10) as reply:
                return reply.read().decode()
        except (urllib.error.URLError, ConnectionError):
            if time.monotonic() > deadline:
                raise


@pytest.fixture
def hello(real, python_image, namespace):
    real.apply(deployment(python_image, 2), SERVICE, namespace=namespace)
    real.kubectl("-n", namespace, "rollout", "status", "deployment/hello", "--timeout=120s")
    return namespace


def pods(real, namespace):
    items = real.get(namespace, "pods", "-l", "app=hello")["items"]
    return {item["metadata"]["name"]: item["status"].get("podIP") for item in items if "deletionTimestamp" not in item["metadata"]}


def test_two_replicas_answer_by_pod_address_service_address_and_service_name(real, hello):
    running = pods(real, hello)
    assert len(running) == 2
    assert {answer(f"http://{address}:8000/") for address in running.values()} == set(running)
    service = real.get(hello, "service/hello")["spec"]["clusterIP"]
    assert {answer(f"http://{service}/") for _ in range(40)} == set(running)
    asking = f"import urllib.request; print(urllib.request.urlopen('http://hello.{hello}.svc.cluster.local/').read().decode())"
    assert real.kubectl("-n", hello, "exec", next(iter(running)), "--", "python3", "-c", asking).strip() in running


def test_a_pod_reaches_the_api_server_with_its_own_identity(real, hello):
    asking = (
        "import ssl, urllib.request\n"
        "folder = '/var/run/secrets/kubernetes.io/serviceaccount/'\n"
        "request = urllib.request.Request('https://kubernetes.default.svc/api',"
        " headers={'authorization': 'Bearer ' + open(folder + 'token').read()})\n"
        "print(urllib.request.urlopen(request, context=ssl.create_default_context(cafile=folder + 'ca.crt')).status)"
    )
    assert real.kubectl("-n", hello, "exec", next(iter(pods(real, hello))), "--", "python3", "-c", asking).strip() == "200"


def test_an_evicted_pod_ends_and_another_takes_its_place(real, hello):
    before = pods(real, hello)
    victim = next(iter(before))
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": victim, "namespace": hello}}
    path = f"/api/v1/namespaces/{hello}/pods/{victim}/eviction"
    real.kubectl("create", "--raw", path, "-f", "-", stdin=json.dumps(eviction))
    real.kubectl("-n", hello, "wait", "--for=delete", f"pod/{victim}", "--timeout=60s")
    real.kubectl("-n", hello, "rollout", "status", "deployment/hello", "--timeout=120s")
    after = pods(real, hello)
    assert victim not in after
    assert len(after) == 2
    assert {answer(f"http://{address}:8000/") for address in after.values()} == set(after)


def pid_of(part):
    return int((STATE / "pids" / part).read_text().split()[0])


def parts():
    return sorted(file.name for file in (STATE / "pids").iterdir())


def test_a_second_up_starts_nothing(real):
    before = {part: pid_of(part) for part in parts()}
    done = tool("up")
    assert "up already" in done.stderr
    assert {part: pid_of(part) for part in parts()} == before


@pytest.mark.parametrize("part", ["etcd", "kube-apiserver", "containerd", "kubelet", "coredns"])
def test_up_repairs_a_part_that_was_killed(real, hello, part):
    running = pods(real, hello)
    pid = pid_of(part)
    ended = os.pidfd_open(pid)
    os.kill(pid, signal.SIGKILL)
    assert has_ended(ended), f"{part} did not end"
    told = tool("status", check=False)
    assert told.returncode == 1
    assert any(line.startswith(part) and "not running" in line for line in told.stdout.splitlines())
    tool("up")
    assert pid_of(part) != pid
    assert tool("status").returncode == 0
    assert {answer(f"http://{address}:8000/") for address in running.values()} == set(running)


def has_ended(descriptor):
    try:
        return select.select([descriptor], [], [], 30)[0]
    finally:
        os.close(descriptor)


def test_everything_of_the_cluster_listens_inside_its_own_network(real):
    inside = os.stat("/run/netns/slipway-cluster").st_ino
    for part in parts():
        assert os.stat(f"/proc/{pid_of(part)}/ns/net").st_ino == inside, part
    assert machine()["rules"] == real.before["rules"]


def test_an_image_is_made_of_one_program(real, namespace):
    program = pathlib.Path(os.environ["SLIPWAY_KUBE_BIN"]) / "pause"
    assert tool("image", "slipway.dev/one-program:1", str(program), "--user", "65532").stdout.strip() == "slipway.dev/one-program:1"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "one"},
        "spec": {
            "securityContext": {"runAsNonRoot": True},
            "containers": [{"name": "one", "image": "slipway.dev/one-program:1", "imagePullPolicy": "Never"}],
        },
    }
    real.apply(pod, namespace=namespace)
    real.kubectl("-n", namespace, "wait", "--for=condition=Ready", "pod/one", "--timeout=60s")


def test_without_root_the_reason_and_the_next_command_are_told(tmp_path):
    done = subprocess.run(
        ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", ROOT / "tools/cluster", "up"],
        capture_output=True, text=True, check=False, env={**os.environ, "HOME": "/nonexistent"},
    )
    if "Permission denied" in done.stderr:
        pytest.skip("needs a checkout that every user of this machine can read")
    assert done.returncode == 4
    assert "needs root" in done.stderr
    assert "next: sudo" in done.stderr


def test_down_leaves_nothing(real):
    """The last one: it takes the cluster away."""
    if real.was_up:
        pytest.skip("needs a machine without a cluster at the start: tools/cluster down, then run this again")
    tool("down")
    assert machine() == real.before
    assert not STATE.exists()
    named = [entry for entry in pathlib.Path("/proc").glob("[0-9]*/cmdline") if str(STATE) in read(entry)]
    assert not named
    assert tool("status", check=False).returncode == 1


def read(file):
    try:
        return file.read_text(errors="replace")
    except OSError:  # it ended meanwhile
        return ""
