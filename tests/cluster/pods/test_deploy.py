"""`slipway deploy`, `models` and `top` on a real cluster: the phases of a real start with the first token at its end, and rates of requests
that were really asked. What cannot be timed is not asserted; the phases are printed (`-rP` shows them).
"""

import json
import threading
import time

import pytest
import slipway_images
from lab import worker_values
from test_reasons_why import PROGRAM, Slipway

VALUES = worker_values("tiny", slipway_images.TINY, replicas=2)


@pytest.fixture
def slipway(real, namespace, tmp_path):
    if not PROGRAM.exists():
        pytest.skip(f"needs {PROGRAM}: cmake --preset dev && cmake --build build/dev --target slipway")
    slipway_images.load(real)
    return Slipway(tmp_path, real.kubeconfig, namespace)


def deploy(slipway, folder, values):
    file = folder / "tiny.yaml"
    file.write_text(json.dumps(values))
    return json.loads(slipway.run("deploy", file, "-o", "json"))


def test_a_start_is_told_phase_by_phase_up_to_the_first_token(slipway, tmp_path):
    model = deploy(slipway, tmp_path, VALUES)
    phases = {phase["phase"]: phase for phase in model["phases"]}
    for phase in model["phases"]:
        print(f"{phase['phase']} {phase['seconds']} s, {phase['replicas']} replicas {phase['detail'] or ''}")
    assert {"scheduled", "image_pulled", "loaded", "ready"} <= phases.keys()
    assert all(phase["replicas"] == 2 for phase in model["phases"])
    assert phases["image_pulled"]["detail"] == "was on the node" or phases["image_pulled"]["bytes"]
    assert phases["ready"]["seconds"] >= phases["loaded"]["seconds"] >= 0
    assert model["state"] == "ready" and model["first_answer"]["what"] == "token"
    print(f"first token after {model['first_answer']['seconds']:.3f} s")

    (listed,) = json.loads(slipway.run("models", "-o", "json"))["models"]
    assert listed["id"] == "tiny" and len(listed["replicas"]) == 2

    again = deploy(slipway, tmp_path, VALUES)
    assert again["phases"] == [], "the replicas were ready before"
    changed = json.loads(json.dumps(VALUES))
    changed["modelParameters"]["maxNumSeqs"] = 2
    rolled = deploy(slipway, tmp_path, changed)
    assert {pod["id"] for pod in rolled["replicas"]}.isdisjoint(pod["id"] for pod in model["replicas"]), "the new ones are meant"
    assert len(rolled["replicas"]) == 2 and rolled["phases"]

    top = top_under_load(slipway)
    print(json.dumps(top))
    assert top["not_read"] == [] and top["models"][0]["waiting"] is not None


def top_under_load(slipway):
    """The first look that sees tokens, while somebody chats."""
    over = threading.Event()

    def chat():
        while not over.is_set():
            slipway.run("chat", "tiny", "Count to ten.", "--max-tokens", "400")

    chatting = threading.Thread(target=chat)
    chatting.start()
    try:
        deadline = time.monotonic() + 120
        while not (top := json.loads(slipway.run("top", "-o", "json")))["tokens_per_s"]:
            assert time.monotonic() < deadline, top
        return top
    finally:
        over.set()
        chatting.join()


def test_a_model_that_cannot_run_ends_the_wait_with_its_reason(slipway, tmp_path):
    broken = json.loads(json.dumps(VALUES))
    broken["model"] = "file:/models/absent.gguf"
    file = tmp_path / "broken.yaml"
    file.write_text(json.dumps(broken))
    slipway.run("deploy", file, code=1)
    mended = deploy(slipway, tmp_path, VALUES)
    assert mended["state"] == "ready", "replicas of the version before do not end the wait"
