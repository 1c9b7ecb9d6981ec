"""Operators built from their own modules: what they make of our kind of objects really runs."""

import pytest
from conftest import tool


@pytest.fixture(scope="module")
def lws(real):
    return tool("operators", "lws")


def test_a_group_of_two_is_made_by_the_leader_worker_set_controller(real, lws, python_image, namespace):
    pod = {
        "terminationGracePeriodSeconds": 1,
        "containers": [
            {
                "name": "server",
                "image": python_image,
                "imagePullPolicy": "Never",
                "args": ["-m", "http.server", "8000"],
                "readinessProbe": {"httpGet": {"path": "/", "port": 8000}, "periodSeconds": 1},
            }
        ],
    }
    group = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "metadata": {"name": "group"},
        "spec": {"replicas": 1, "leaderWorkerTemplate": {"size": 2, "workerTemplate": {"spec": pod}}},
    }
    real.apply(group, namespace=namespace)
    real.kubectl("-n", namespace, "wait", "--for=condition=Available", "leaderworkerset/group", "--timeout=120s")
    pods = {item["metadata"]["name"]: item for item in real.get(namespace, "pods")["items"]}
    assert set(pods) == {"group-0", "group-0-1"}
    leader = pods["group-0-1"]["spec"]["containers"][0]["env"]
    assert {"LWS_LEADER_ADDRESS", "LWS_GROUP_SIZE"} <= {variable["name"] for variable in leader}
    asking = f"import urllib.request; print(urllib.request.urlopen('http://group-0.group.{namespace}:8000/').status)"
    assert real.kubectl("-n", namespace, "exec", "group-0-1", "--", "python3", "-c", asking).strip() == "200"
