"""Slipway in the cluster: two gateways of our own chart before real models in real pods.

Whatever happens to models, gateways, controller and API server under a steady load, no request that was accepted is lost and no stream
ends as if it were whole when it is not. The counts are printed (`-rP` shows them).
"""

import json
import os
import secrets
import signal
import time
import urllib.error
import urllib.request

import pytest
import slipway_images
from conftest import ROOT, STATE
from lab import worker_values
from load import Load

KEY = f"sk-test-{secrets.token_hex(16)}"
MARK = secrets.token_hex(3)
SPACE, MODELS = f"slipway-{MARK}", f"models-{MARK}"
REAL, MODEL = "smollm2", "tiny"  # one whose text means something, one for loads


def values_of_slipway():
    repository, tag = slipway_images.SLIPWAY_IMAGE.rsplit(":", 1)
    small = {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}}
    return {
        "image": {"repository": repository, "tag": tag, "pullPolicy": "Never"},
        "modelNamespaces": [MODELS],
        "keys": {"create": True, "lines": [KEY]},
        "gateway": {"resources": small},
        "controller": {"resources": small},
        "drain": {"endpointSeconds": 5, "seconds": 60},
    }


class FrontDoor:
    def __init__(self, real, folder):
        self.real, self.folder = real, folder
        self.helm = real.program.with_name("helm")

    def install(self, release, chart, values, namespace, wait=("--wait", "--timeout", "5m")):
        file = self.folder / f"{release}.json"
        file.write_text(json.dumps(values))
        self.real.run(
            self.helm, "--kubeconfig", self.real.kubeconfig, "upgrade", "--install", release, ROOT / "platform/charts" / chart,
            "-n", namespace, "-f", file, *wait,
        )

    def pods(self, namespace, selector):
        items = self.real.get(namespace, "pods", "-l", selector)["items"]
        return [item["metadata"]["name"] for item in items if "deletionTimestamp" not in item["metadata"]]

    def wait_rolled_out(self, namespace, name):
        self.real.kubectl("-n", namespace, "rollout", "status", f"deployment/{name}", "--timeout=240s")

    @property
    def address(self):
        return self.real.get(SPACE, "service/slipway-gateway")["spec"]["clusterIP"]

    def ask(self, path, body=None):
        request = urllib.request.Request(
            f"http://{self.address}:8000{path}",
            data=json.dumps(body).encode() if body else None,
            headers={"authorization": f"Bearer {KEY}", "content-type": "application/json"},
        )
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=60) as answer:
            return json.load(answer)

    def models(self):
        return {model["id"]: model for model in self.ask("/v1/models")["data"]}

    def load(self):
        return Load(self.address, 8000, KEY, MODEL)


@pytest.fixture(scope="module")
def door(real, tmp_path_factory):
    slipway_images.load(real)
    for namespace in (SPACE, MODELS):
        real.kubectl("create", "namespace", namespace)
        real.kubectl("label", "namespace", namespace, "pod-security.kubernetes.io/enforce=restricted")
    door = FrontDoor(real, tmp_path_factory.mktemp("front-door"))
    try:
        door.install(REAL, "inference", worker_values(REAL, slipway_images.REAL), MODELS)
        door.install(MODEL, "inference", worker_values(MODEL, slipway_images.TINY, 2), MODELS)
        door.install("slipway", "slipway", values_of_slipway(), SPACE)
        yield door
    finally:
        for namespace in (SPACE, MODELS):
            real.kubectl("delete", "namespace", namespace, "--timeout=180s", check=False)


def test_the_model_answers_through_the_gateway_and_nobody_without_a_key(door):
    model = door.models()[REAL]
    assert model["ready"] is True
    answer = door.ask("/v1/chat/completions", {"model": REAL, "max_tokens": 8, "messages": [{"role": "user", "content": "Hi"}]})
    assert answer["choices"][0]["message"]["content"]
    assert answer["usage"]["completion_tokens"] > 0
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{door.address}:8000/v1/models", timeout=30)
    assert refused.value.code == 401


def roll_the_model(door):
    door.real.kubectl("-n", MODELS, "rollout", "restart", f"deployment/{MODEL}")
    door.wait_rolled_out(MODELS, MODEL)


def delete_one_pod(door):
    victim = door.pods(MODELS, f"slipway.dev/model={MODEL}")[0]
    door.real.kubectl("-n", MODELS, "delete", "pod", victim, "--timeout=120s")
    door.wait_rolled_out(MODELS, MODEL)


def evict_every_pod(door):
    for victim in door.pods(MODELS, f"slipway.dev/model={MODEL}"):
        eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": victim, "namespace": MODELS}}
        deadline = time.monotonic() + 180
        while True:  # the budget lets one go at a time
            try:
                door.real.kubectl(
                    "create", "--raw", f"/api/v1/namespaces/{MODELS}/pods/{victim}/eviction", "-f", "-", stdin=json.dumps(eviction)
                )
                break
            except RuntimeError as refused:
                assert "disruption budget" in str(refused), refused
                assert time.monotonic() < deadline, refused
                time.sleep(1)
        door.real.kubectl("-n", MODELS, "wait", "--for=delete", f"pod/{victim}", "--timeout=120s")
    door.wait_rolled_out(MODELS, MODEL)


def restart_one_gateway(door):
    victim = door.pods(SPACE, "app.kubernetes.io/component=gateway")[0]
    door.real.kubectl("-n", SPACE, "delete", "pod", victim, "--timeout=120s")
    door.wait_rolled_out(SPACE, "slipway-gateway")


def restart_the_controller(door):
    door.real.kubectl("-n", SPACE, "rollout", "restart", "deployment/slipway-controller")
    door.wait_rolled_out(SPACE, "slipway-controller")


def stop_the_api_server_for_a_minute(door):
    pid = int((STATE / "pids/kube-apiserver").read_text().split()[0])
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(60)
    finally:
        os.kill(pid, signal.SIGCONT)
    door.real.kubectl("get", "--raw", "/readyz")


@pytest.mark.parametrize(
    "happening",
    [
        roll_the_model,
        delete_one_pod,
        evict_every_pod,
        restart_one_gateway,
        restart_the_controller,
        stop_the_api_server_for_a_minute,
    ],
    ids=lambda happening: happening.__name__,
)
def test_no_request_is_lost_and_no_stream_ends_as_if_it_were_whole(door, happening):
    with door.load() as load:
        load.wait_for(answered=100, complete=2)
        happening(door)
        load.wait_for(answered=100, complete=2)
    print(f"{happening.__name__}: {load.report()}")
    for line in load.failures[:20]:
        print(line)
    assert load.counts["failed"] == 0
    assert load.counts["silent"] == 0
    assert load.counts["cut"] == 0


def test_a_new_key_of_the_secret_is_taken_without_a_restart(door):
    before = door.pods(SPACE, "app.kubernetes.io/component=gateway")
    fresh = f"sk-test-{secrets.token_hex(16)}"
    patch = json.dumps({"stringData": {"keys": f"{KEY}\n{fresh}\n"}})
    door.real.kubectl("-n", SPACE, "patch", "secret", "slipway-keys", "-p", patch)
    request = urllib.request.Request(f"http://{door.address}:8000/v1/models", headers={"authorization": f"Bearer {fresh}"})
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    deadline, taken = time.monotonic() + 240, 0
    while taken < 6:  # the kubelet renews mounted Secrets about once a minute, in each pod for itself
        try:
            opener.open(request, timeout=30).close()
            taken += 1
        except urllib.error.HTTPError as refused:
            assert refused.code == 401
            taken = 0
            assert time.monotonic() < deadline, "the key is still refused"
            time.sleep(1)
    assert door.pods(SPACE, "app.kubernetes.io/component=gateway") == before


def test_the_controller_writes_down_why_a_model_is_not_ready(door):
    values = worker_values("absent", slipway_images.TINY)
    values["inference"]["modelServer"]["image"]["tag"] = "absent"
    door.install("absent", "inference", values, MODELS, wait=())
    deadline = time.monotonic() + 180
    while not (said := door.real.get(MODELS, "events", "--field-selector", "reason=Why")["items"]):
        assert time.monotonic() < deadline, "no Event says why"
        time.sleep(2)
    assert said[0]["involvedObject"]["name"].startswith("absent-")
    assert "slipway-worker:absent cannot be pulled" in said[0]["message"]
    assert said[0]["source"]["component"] == "slipway"


def test_a_replica_is_found_when_it_is_ready_and_left_when_it_goes(door):
    """How long each takes is printed: between what the API server says and what the gateways say."""
    name = "second"
    door.install(name, "inference", worker_values(name, slipway_images.TINY), MODELS)
    seen = time.monotonic()
    while not all(door.models().get(name, {}).get("ready") for _ in range(6)):
        assert time.monotonic() - seen < 60
        time.sleep(0.05)
    print(f"found {time.monotonic() - seen:.2f} s after helm saw it ready")
    door.real.kubectl("-n", MODELS, "scale", f"deployment/{name}", "--replicas=0")
    pod = f"slipway.dev/model={name}"
    while door.pods(MODELS, pod):
        time.sleep(0.02)
    going = time.monotonic()
    while any(door.models().get(name, {}).get("ready") for _ in range(6)):
        assert time.monotonic() - going < 60
        time.sleep(0.05)
    print(f"left {time.monotonic() - going:.2f} s after its termination began")
    with pytest.raises(urllib.error.HTTPError) as refused:
        door.ask("/v1/chat/completions", {"model": name, "messages": [{"role": "user", "content": "Hi"}]})
    assert refused.value.code in (404, 503)
