"""Every kind of server behind one door, in real pods: deployed, asked and taken away by the program, as a person does it.

vLLM, Ray Serve under KubeRay, a LeaderWorkerSet group, tritonserver and diffusers are the real ones, on processors. Text comes from
SmolLM2-135M; pictures are noise of a tiny pipeline with random weights; NVIDIA's vLLM backend for Triton is in no registry, so a
backend of the same interface, around a real vLLM, stands in (engines/vllm_backend.py). What needs a GPU or a Neuron device does not
run here: those engines with `accelerator: gpu` or `neuron`, NIM's containers, AIBrix's own operators.
"""

import base64
import concurrent.futures
import contextlib
import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request

import engine_images
import pytest
import slipway_images
from conftest import tool
from lab import Lab, worker_values

SPACE = "models-engines"
EAGER = {"maxModelLen": 1024, "enforceEager": True, "maxNumSeqs": 16}


class Engines(Lab):
    @contextlib.contextmanager
    def deployed(self, values):
        name = values["inference"]["serviceName"]
        began = time.monotonic()
        try:
            done = self.deploy(values)
            print(f"deployed after {time.monotonic() - began:.0f} s; it said:\n{done.stderr[-1500:]}")
            yield name
        except Exception:
            print(self.slipway("why", name, check=False).stdout)
            raise
        finally:
            self.slipway("undeploy", name, check=False)
            self.real.kubectl("-n", SPACE, "wait", "--for=delete", "pod", "-l", f"slipway.dev/model={name}", "--timeout=180s", check=False)

    def chat(self, name, **more):
        body = {"model": name, "max_tokens": 12, "temperature": 0, "messages": [{"role": "user", "content": "What is the capital of France?"}], **more}
        return self.ask("/v1/chat/completions", body)


@pytest.fixture(scope="module")
def lab(real, tmp_path_factory):
    slipway_images.load(real)
    engine_images.load()
    lab = Engines(real, tmp_path_factory.mktemp("engines"), "engines", SPACE)
    lab.up()
    try:
        real.apply(*engine_images.volume_objects(SPACE), namespace=SPACE)
        yield lab
    finally:
        lab.down(check=False)
        real.kubectl("delete", "pv", f"{engine_images.VOLUME}-{SPACE}", "--wait=false", check=False)


@pytest.fixture(scope="module")
def vllm(lab):
    """With its KV events and metrics on; stays while the others come and go."""
    events = {"enable_kv_cache_events": True, "publisher": "zmq", "endpoint": "tcp://*:5557", "topic": "kv"}
    values = engine_images.values("vllm", "vllm") | {"modelParameters": {**EAGER, "enablePrefixCaching": True, "kvEventsConfig": events}}
    with lab.deployed(values) as name:
        yield name


def the_verbs_work(lab, name, replicas=1, chats=True):
    """status, logs and chat of the program, and the one list of the gateway."""
    lab.wait_listed(name)
    model = next(model for model in lab.json("status")["models"] if model["id"] == name)
    assert model["state"] == "ready"
    assert len([replica for replica in model["replicas"] if replica["state"] == "ready"]) >= replicas
    assert lab.slipway("logs", name, "--tail", "20").stdout.strip()
    if chats:
        assert lab.slipway("chat", name, "--max-tokens", "8", "Hello").stdout.strip()


def it_answers(lab, name):
    answer = lab.chat(name)
    assert answer["model"] == name
    assert answer["choices"][0]["message"]["content"].strip()
    assert answer["usage"]["completion_tokens"] > 0
    events = lab.stream("/v1/chat/completions", {"model": name, "max_tokens": 12, "messages": [{"role": "user", "content": "Count to five."}]})
    assert "".join(event["choices"][0]["delta"].get("content") or "" for event in events if event["choices"]).strip()
    assert [event["choices"][0]["finish_reason"] for event in events if event["choices"]][-1] in ("stop", "length")


def test_our_worker_with_two_replicas_answers(lab):
    with lab.deployed(worker_values("worker", slipway_images.REAL, replicas=2)) as name:
        the_verbs_work(lab, name, replicas=2)
        it_answers(lab, name)
    assert name not in lab.models()


def test_a_real_vllm_answers_and_counts(lab, vllm):
    the_verbs_work(lab, vllm)
    it_answers(lab, vllm)
    assert "capital" in lab.chat(vllm, max_tokens=16)["choices"][0]["message"]["content"].lower()
    address = lab.pods(vllm)[0]["status"]["podIP"]
    text = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(f"http://{address}:8000/metrics", timeout=30).read().decode()
    counted = sum(float(line.rsplit(" ", 1)[1]) for line in text.splitlines() if line.startswith("vllm:generation_tokens_total"))
    assert counted > 0


LISTENER = """
import sys, zmq, msgspec
socket = zmq.Context().socket(zmq.SUB)
socket.connect(sys.argv[1])
socket.subscribe(b"kv")
print("listening", flush=True)
while True:
    topic, number, payload = socket.recv_multipart()
    for event in msgspec.msgpack.decode(payload)[1]:
        print(event["type"] if isinstance(event, dict) else event[0], flush=True)
"""


def test_the_kv_events_of_a_real_vllm_arrive(lab, vllm):
    address = lab.pods(vllm)[0]["status"]["podIP"]
    listener = subprocess.Popen(
        [sys.executable, "-c", LISTENER, f"tcp://{address}:5557"],
        env={**os.environ, "PYTHONPATH": str(engine_images.FOLDER / "site")}, stdout=subprocess.PIPE, text=True,
    )
    try:
        assert listener.stdout.readline().strip() == "listening"
        with concurrent.futures.ThreadPoolExecutor(1) as reader:
            seen = reader.submit(listener.stdout.readline)
            deadline = time.monotonic() + 60
            while not seen.done():  # a subscription takes effect some time after it was made
                assert time.monotonic() < deadline, "no event came"
                # Longer than a block of 128 tokens, and new each time.
                lab.chat(vllm, max_tokens=1, messages=[{"role": "user", "content": f"{time.time()} " + "the ship waits on the slipway " * 40}])
            assert seen.result().strip() == "BlockStored"
    finally:
        listener.kill()
        listener.wait()


def test_pictures_come_from_the_image_route(lab, vllm):
    values = engine_images.values("pictures", "diffusers", engine_images.PICTURE_MODEL, memory="3Gi") | {"packages": {"diffusers": []}}
    with lab.deployed(values) as name:
        the_verbs_work(lab, name, chats=False)
        assert lab.models()[vllm]["ready"] and lab.models()[name]["ready"]  # one list
        body = {"model": name, "prompt": "a ship", "size": "16x16", "n": 2, "response_format": "b64_json"}
        pictures = lab.ask("/v1/images/generations", body)["data"]
        assert [base64.b64decode(picture["b64_json"])[:8] for picture in pictures] == [b"\x89PNG\r\n\x1a\n"] * 2
        with pytest.raises(urllib.error.HTTPError) as refused:
            lab.chat(name)
        assert 400 <= refused.value.code < 500


def test_tritonserver_loads_the_repository_that_the_chart_renders(lab):
    values = engine_images.values("triton", "triton-vllm") | {"modelParameters": {"maxModelLen": 1024, "enforceEager": True}}
    with lab.deployed(values) as name:
        the_verbs_work(lab, name, chats=False)
        body = {"model": name, "prompt": "The capital of France is", "max_tokens": 8, "temperature": 0}
        answer = lab.ask("/v1/completions", body)
        assert "Paris" in answer["choices"][0]["text"], answer
        assert answer["usage"]["completion_tokens"] == 8
        events = lab.stream("/v1/completions", body)
        assert "Paris" in "".join(event["choices"][0]["text"] for event in events if event["choices"])


def test_a_group_of_two_pods_serves_one_model(lab):
    tool("operators", "lws")
    # Not eager: vLLM's runner for processors makes the buffers between two stages only when it warms up for a compiler, here one that does nothing.
    parameters = {"maxModelLen": 1024, "maxNumSeqs": 16, "compilationConfig": {"mode": 1, "backend": "eager"}, "pipelineParallelSize": 2}
    values = engine_images.values("group", "lws-vllm") | {"modelParameters": parameters}
    with lab.deployed(values) as name:
        pods = lab.real.get(SPACE, "pods", "-l", f"app.kubernetes.io/instance={name}")["items"]
        assert sorted(pod["metadata"]["name"] for pod in pods) == ["group-0", "group-0-1"]
        the_verbs_work(lab, name)
        it_answers(lab, name)


def serve_replicas(lab, name):
    """Running Serve replicas, as Ray's own dashboard tells."""
    head = lab.real.get(SPACE, "pods", "-l", f"slipway.dev/model={name},slipway.dev/role=head")["items"][0]["status"]["podIP"]
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://{head}:8265/api/serve/applications/", timeout=30) as answer:
        engine = json.load(answer)["applications"][name]["deployments"]["Engine"]
    return sum(replica["state"] == "RUNNING" for replica in engine["replicas"])


def wait_for_replicas(lab, name, wanted, within_s):
    deadline = time.monotonic() + within_s
    while serve_replicas(lab, name) != wanted:
        assert time.monotonic() < deadline, f"{serve_replicas(lab, name)} Serve replicas, {wanted} wanted"
        time.sleep(1)


def test_ray_serve_goes_from_one_replica_to_two_under_load_and_back(lab):
    tool("operators", "kuberay")
    small = {"requests": {"cpu": "50m", "memory": "512Mi"}, "limits": {"memory": "3Gi"}}
    values = engine_images.values("ray", "ray-vllm", memory="12Gi", minReplicas=1, maxReplicas=1) | {"modelParameters": EAGER}
    values["inference"]["rayOptions"] = {
        "rayVersion": "2.60.0",
        "head": small,
        "autoscaling": {
            "enabled": True,
            "actorAutoscaling": {"minActors": 1, "maxActors": 2, "targetOngoingRequests": 2, "upscaleDelaySeconds": 2, "downscaleDelaySeconds": 10},
        },
    }
    with lab.deployed(values) as name:
        the_verbs_work(lab, name)
        it_answers(lab, name)
        assert serve_replicas(lab, name) == 1
        enough = []

        def keep_asking(number):
            while not enough:
                assert lab.chat(name, max_tokens=64, messages=[{"role": "user", "content": f"Tell me story {number}."}])["choices"]

        with concurrent.futures.ThreadPoolExecutor(8) as clients:
            asking = [clients.submit(keep_asking, number) for number in range(8)]
            try:
                wait_for_replicas(lab, name, 2, within_s=300)
            finally:
                enough.append(True)
        for client in asking:
            client.result()
        wait_for_replicas(lab, name, 1, within_s=300)
        it_answers(lab, name)
