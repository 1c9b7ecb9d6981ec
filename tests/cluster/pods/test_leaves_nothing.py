"""`slipway down` on a cluster that is somebody's own: what we made is gone, and nothing else was touched.

Every object of every resource type is listed before `up` and after `down`, namespaces that are ours and not ours alike.
"""

import json
import secrets
import time

import pytest
import slipway_images
from lab import Lab, worker_values

SPACE = f"theirs-{secrets.token_hex(3)}"
# They come and go by themselves, or only repeat the state of others.
IGNORED = {"events", "events.events.k8s.io", "componentstatuses", "leases.coordination.k8s.io"}


def listing(real):
    """What identifies each object -> everything that somebody wrote into it (no status, no version)."""
    kinds = sorted(set(real.kubectl("api-resources", "--verbs=list", "-o", "name").split()) - IGNORED)
    found = {}
    for item in json.loads(real.kubectl("get", ",".join(kinds), "--all-namespaces", "-o", "json", "--ignore-not-found") or '{"items": []}')["items"]:
        meta = item["metadata"]
        item.pop("status", None)
        for noise in ("resourceVersion", "managedFields"):
            meta.pop(noise, None)
        found[f"{item['apiVersion']} {item['kind']} {meta.get('namespace', '')}/{meta['name']} {meta.get('uid')}"] = json.dumps(item, sort_keys=True)
    return found


@pytest.fixture
def theirs(real):
    """A namespace with things in it before we come."""
    real.kubectl("create", "namespace", SPACE)
    real.kubectl("-n", SPACE, "wait", "--for=create", "serviceaccount/default", "configmap/kube-root-ca.crt", "--timeout=60s")
    real.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "theirs"}, "data": {"note": "not ours"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs"}, "stringData": {"word": "not ours"}},
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "theirs"}, "spec": {"selector": {"app": "theirs"}, "ports": [{"port": 80}]}},
        namespace=SPACE,
    )
    yield
    real.kubectl("delete", "namespace", SPACE, "--wait=false")


def differences(before, after):
    return {
        "left behind": sorted(set(after) - set(before)),
        "taken away": sorted(set(before) - set(after)),
        "changed": [f"{name}: {before[name]} -> {after[name]}" for name in sorted(set(before) & set(after)) if before[name] != after[name]],
    }


def test_down_takes_away_what_was_made_and_nothing_else(real, theirs, tmp_path):
    slipway_images.load(real)
    lab = Lab(real, tmp_path, "leaves-nothing", SPACE)
    before = listing(real)
    try:
        lab.up()
        lab.slipway("secret", "set", "hf-token", "--file", "-", stdin="hf_not_a_real_token\n")
        lab.deploy(worker_values("first", slipway_images.TINY, replicas=2))
        absent = worker_values("never-ready", slipway_images.TINY)
        absent["inference"]["modelServer"]["image"]["tag"] = "absent"
        lab.deploy(absent, "--no-wait")
        made = differences(before, listing(real))["left behind"]
        print(f"{len(before)} objects before; up and deploy made {len(made)}:", *made, sep="\n  ")
        assert len(made) > 20
    finally:
        print(lab.down().stdout)
    nothing = {"left behind": [], "taken away": [], "changed": []}
    deadline = time.monotonic() + 180
    while (found := differences(before, listing(real))) != nothing and time.monotonic() < deadline:
        time.sleep(2)  # what Kubernetes itself still takes away: pods that drain, a namespace that empties
    assert found == nothing
    assert not any((tmp_path / "state").rglob("cluster.json")), "the environment is still known"
