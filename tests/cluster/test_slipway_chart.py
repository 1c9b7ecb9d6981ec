"""The chart of Slipway itself: what it makes, what it may do, what it refuses, and that a real kube-apiserver takes it."""

import copy
import json
import os
import pathlib
import subprocess

import pytest
import yaml

import inference
import render
from inference import after, one

pytestmark = inference.needs_helm
CHART = render.PLATFORM / "charts/slipway"
GOLDEN = pathlib.Path(__file__).parent / "golden/slipway"
HERE, MODELS = "slipway", ["models", "chat"]
ARN = "arn:aws:acm:us-west-2:111122223333:certificate/0a1b2c3d-0000-0000-0000-000000000000"
BALANCER = {"type": "LoadBalancer", "tls": {"certificateArn": ARN}}
VARIANTS = {
    "default": {},
    "internal-nlb": {"service": BALANCER, "modelNamespaces": MODELS},
    "public-nlb": {
        "service": {**BALANCER, "scheme": "internet-facing", "loadBalancerSourceRanges": ["203.0.113.0/24"]}
    },
    "another-cloud": {"service": {"type": "LoadBalancer", "loadBalancerClass": "", "tls": {"enabled": False}}},
    "with-keys-and-monitoring": {
        "keys": {"create": True, "lines": ["sk-slip-0123456789abcdef 60 10000"], "metrics": "sk-slip-fedcba9876543210"},
        "monitoring": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}},
    },
}
each_variant = pytest.mark.parametrize("variant", VARIANTS)


class Chart:
    def __init__(self, folder):
        self.folder, self.count = folder, 0

    def write(self, values):
        self.count += 1
        file = self.folder / f"values-{self.count}.yaml"
        file.write_text(yaml.safe_dump(values))
        return file

    def __call__(self, values=None):
        return list(render.documents(render.helm(CHART, "slipway", HERE, self.write(values or {})).stdout))

    def refusal(self, values):
        done = render.helm(CHART, "slipway", HERE, self.write(values), check=False)
        assert done.returncode != 0, "helm took it"
        return done.stderr


@pytest.fixture
def chart(tmp_path):
    return Chart(tmp_path)


@pytest.fixture(scope="module")
def objects(tmp_path_factory):
    made = Chart(tmp_path_factory.mktemp("slipway-chart"))
    return {name: made(values) for name, values in VARIANTS.items()}


@pytest.fixture(scope="module")
def taken(cluster):
    """The API server with the namespaces; Slipway's own takes restricted pods only."""
    for name in [HERE, *MODELS]:
        modes = ("enforce", "warn") if name == HERE else ()
        labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in modes}
        item = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
        cluster.server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(item))
    return cluster


def named(found, kind, name):
    (item,) = [item for item in found if item["kind"] == kind and item["metadata"]["name"] == name]
    return item


def pod_of(found, part):
    return named(found, "Deployment", f"slipway-{part}")["spec"]["template"]


def container(found, part):
    (only,) = pod_of(found, part)["spec"]["containers"]
    return only


# --- it is taken


@each_variant
def test_helm_finds_nothing_to_say(chart, variant):
    command = [inference.HELM, "lint", "--strict", "--quiet", CHART, "-f", chart.write(VARIANTS[variant])]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr


@each_variant
def test_a_real_api_server_takes_every_object(taken, objects, variant):
    refusals = taken.refusals(objects[variant])
    assert not refusals, "\n".join(refusals)


def pod(found, part):
    template = pod_of(found, part)
    metadata = {"name": f"probe-{part}", "namespace": HERE, "labels": template["metadata"]["labels"]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]}


@pytest.mark.parametrize("part", ["gateway", "controller"])
def test_a_namespace_that_enforces_restricted_admits_the_pods_themselves(taken, objects, part):
    account = named(objects["default"], "ServiceAccount", f"slipway-{part}")
    taken.server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=json.dumps(account))

    def admit(item):
        arguments = ("create", "--dry-run=server", "--validate=strict", "-f", "-")
        return taken.server.kubectl(*arguments, stdin=json.dumps(item), check=False)

    item = copy.deepcopy(pod(objects["default"], part))
    done = admit(item)
    assert done.returncode == 0 and not done.stderr.strip(), done.stderr
    item["spec"]["containers"][0]["securityContext"]["allowPrivilegeEscalation"] = True
    assert "violates PodSecurity" in admit(item).stderr


@each_variant
def test_it_makes_what_its_golden_summary_says(objects, variant):
    lines = "\n".join(summary(objects[variant])) + "\n"
    golden = GOLDEN / f"{variant}.txt"
    if os.environ.get("SLIPWAY_UPDATE_GOLDEN") == "1":
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(lines)
    assert golden.exists(), "run with SLIPWAY_UPDATE_GOLDEN=1 and read the new file"
    assert lines == golden.read_text()


def summary(found):
    for item in sorted(found, key=lambda i: (i["kind"], i["metadata"]["namespace"], i["metadata"]["name"])):
        line = f"{item['kind']} {item['metadata']['namespace']}/{item['metadata']['name']}"
        if item["kind"] == "Deployment":
            (part,) = item["spec"]["template"]["spec"]["containers"]
            line += f" | {item['spec']['replicas']} x {part['image']} | {' '.join(part['args'])}"
        elif item["kind"] == "Role":
            line += " | " + "; ".join(
                ",".join(rule["verbs"]) + " " + ",".join(rule["resources"] + rule.get("resourceNames", []))
                for rule in item["rules"]
            )
        elif item["kind"] == "Service":
            line += f" | {item['spec']['type']} {' '.join(str(port['port']) for port in item['spec']['ports'])}"
        elif item["kind"] == "Secret":
            line += f" | {' '.join(sorted(item['stringData']))}"
        yield line


# --- rights

READ = ["get", "list", "watch"]
GATEWAY = [
    {"apiGroups": [""], "resources": ["pods"], "verbs": READ},
    {"apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": READ},
]
LOOK = ["get", "list"]
CONTROLLER = [
    {"apiGroups": [""], "resources": ["pods", "persistentvolumeclaims"], "verbs": LOOK},
    {"apiGroups": [""], "resources": ["pods/log"], "verbs": ["get"]},
    {"apiGroups": ["apps"], "resources": ["deployments", "replicasets", "statefulsets"], "verbs": LOOK},
    {"apiGroups": ["leaderworkerset.x-k8s.io"], "resources": ["leaderworkersets"], "verbs": LOOK},
    {"apiGroups": ["ray.io"], "resources": ["rayservices"], "verbs": LOOK},
    {"apiGroups": [""], "resources": ["events"], "verbs": ["list", "create", "patch"]},
]
ELECTION = [
    {"apiGroups": ["coordination.k8s.io"], "resources": ["leases"], "verbs": ["create"]},
    {
        "apiGroups": ["coordination.k8s.io"],
        "resources": ["leases"],
        "resourceNames": ["slipway-controller"],
        "verbs": ["get", "update"],
    },
]


def test_the_rights_are_exactly_these(objects):
    found = objects["internal-nlb"]
    assert not [item for item in found if item["kind"].startswith("ClusterRole")]
    rules = {
        (item["metadata"]["namespace"], item["metadata"]["name"]): item["rules"]
        for item in found
        if item["kind"] == "Role"
    }
    wanted = {(HERE, "slipway-election"): ELECTION}
    for space in MODELS:
        wanted |= {(space, "slipway-gateway"): GATEWAY, (space, "slipway-controller"): CONTROLLER}
    assert rules == wanted
    for binding in (item for item in found if item["kind"] == "RoleBinding"):
        (subject,) = binding["subjects"]
        who = "slipway-controller" if binding["metadata"]["name"] == "slipway-election" else binding["roleRef"]["name"]
        assert subject == {"kind": "ServiceAccount", "name": who, "namespace": HERE}
        assert (binding["metadata"]["namespace"], binding["roleRef"]["name"]) in wanted


MAY = {
    ("gateway", "models"): ["list pods", "watch endpointslices.discovery.k8s.io"],
    ("gateway", "chat"): ["get pods"],
    ("gateway", HERE): [],
    ("controller", "models"): ["list pods", "get pods/log", "create events", "list replicasets.apps"],
    ("controller", HERE): ["create leases.coordination.k8s.io", "update leases.coordination.k8s.io/slipway-controller"],
}
MAY_NOT = {
    "gateway": ["get secrets", "patch deployments.apps/scale", "delete pods", "create pods/exec", "get pods/log"],
    "controller": [
        "get secrets",
        "watch pods",
        "patch deployments.apps",
        "patch deployments.apps/scale",
        "delete deployments.apps",
        "delete pods",
        "create pods/exec",
        "update leases.coordination.k8s.io/another",
        "delete leases.coordination.k8s.io/slipway-controller",
    ],
}


def test_a_real_api_server_grants_these_rights_and_refuses_others(taken, objects):
    found = [item for item in objects["internal-nlb"] if item["kind"] in ("Role", "RoleBinding", "ServiceAccount")]
    text = "---\n".join(json.dumps(item) + "\n" for item in found)
    taken.server.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", stdin=text)

    def granted(part, space, what):
        verb, resource = what.split()
        arguments = [verb, resource]
        if resource.endswith(("/scale", "/exec", "/log")):
            arguments = [verb, resource.rsplit("/", 1)[0], "--subresource", resource.rsplit("/", 1)[1]]
        account = f"system:serviceaccount:{HERE}:slipway-{part}"
        done = taken.server.kubectl("auth", "can-i", *arguments, "--as", account, "-n", space, check=False)
        assert done.stdout.strip() in ("yes", "no"), done.stderr
        return done.stdout.strip() == "yes"

    for (part, space), allowed in MAY.items():
        for what in allowed:
            assert granted(part, space, what), f"{part} may not {what} in {space}"
    for part, refused in MAY_NOT.items():
        for space in (*MODELS, HERE, "default"):
            for what in refused:
                assert not granted(part, space, what), f"{part} may {what} in {space}"
    assert not granted("gateway", "default", "list pods") and not granted("controller", "default", "list pods")


# --- pods


@pytest.mark.parametrize("part", ["gateway", "controller"])
def test_pods_are_restricted_read_only_and_of_an_exact_image(objects, part):
    spec, only = pod_of(objects["default"], part)["spec"], container(objects["default"], part)
    assert spec["securityContext"]["runAsNonRoot"] is True and spec["securityContext"]["runAsUser"] == 65532
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert only["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert only["image"] == "slipway:0.1.0" and only["command"] == ["/usr/bin/slipway"]
    assert only["resources"]["requests"].keys() == {"cpu", "memory"} and "memory" in only["resources"]["limits"]
    assert "env" not in only and "envFrom" not in only


def test_a_mutable_tag_is_refused_and_a_digest_wins(chart):
    assert "can change under a running gateway" in chart.refusal({"image": {"tag": "latest"}})
    digest = "sha256:" + "a" * 64
    found = chart({"image": {"repository": "registry.example.org/slipway", "tag": "1", "digest": digest}})
    assert container(found, "gateway")["image"] == f"registry.example.org/slipway@{digest}"


def test_the_gateway_is_asked_for_health_and_readiness_and_has_time_to_drain(chart):
    found = chart({"drain": {"seconds": 300, "marginSeconds": 20}})
    spec, only = pod_of(found, "gateway")["spec"], container(found, "gateway")
    assert only["readinessProbe"]["httpGet"] == {"path": "/ready", "port": "http"}
    assert only["livenessProbe"]["httpGet"] == only["startupProbe"]["httpGet"] == {"path": "/health", "port": "http"}
    assert only["lifecycle"]["preStop"] == {"sleep": {"seconds": 10}}
    assert after(only["args"], "--drain") == "300" and spec["terminationGracePeriodSeconds"] == 330
    # A load balancer learns later that a target goes.
    behind = chart({"service": BALANCER})
    assert container(behind, "gateway")["lifecycle"]["preStop"] == {"sleep": {"seconds": 90}}
    assert pod_of(behind, "gateway")["spec"]["terminationGracePeriodSeconds"] == 225


@pytest.mark.parametrize("part", ["gateway", "controller"])
def test_there_are_two_apart_from_each_other_and_one_stays(objects, part):
    found = objects["default"]
    spec = named(found, "Deployment", f"slipway-{part}")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}
    labels = spec["template"]["metadata"]["labels"]
    rules = spec["template"]["spec"]["topologySpreadConstraints"]
    assert {rule["topologyKey"] for rule in rules} == {"kubernetes.io/hostname", "topology.kubernetes.io/zone"}
    budget = named(found, "PodDisruptionBudget", f"slipway-{part}")["spec"]
    assert budget["maxUnavailable"] == 1
    for selector in [rule["labelSelector"] for rule in rules] + [budget["selector"], spec["selector"]]:
        assert selector["matchLabels"].items() <= labels.items()
        assert selector["matchLabels"]["app.kubernetes.io/component"] == part


def test_the_parts_are_told_their_namespaces_and_the_lease(objects):
    for part in ("gateway", "controller"):
        words = container(objects["internal-nlb"], part)["args"]
        assert words[:3] == ["serve", "--role", part]
        assert [words[i + 1] for i, word in enumerate(words) if word == "--namespace"] == MODELS
    assert after(container(objects["default"], "controller")["args"], "--lease") == "slipway-controller"
    assert after(container(objects["default"], "gateway")["args"], "--listen") == "0.0.0.0:8000"


# --- keys


@each_variant
def test_no_gateway_is_without_keys_and_they_are_a_file_that_is_renewed(objects, variant):
    spec, only = pod_of(objects[variant], "gateway")["spec"], container(objects[variant], "gateway")
    (volume,) = spec["volumes"]
    assert volume["secret"]["secretName"] == "slipway-keys" and not volume["secret"].get("optional")
    assert volume["secret"]["defaultMode"] == 0o440 and spec["securityContext"]["fsGroup"] == 65532
    (mount,) = only["volumeMounts"]
    # With subPath the kubelet would never bring a changed Secret.
    assert mount == {"name": "keys", "mountPath": "/etc/slipway/keys", "readOnly": True}
    assert after(only["args"], "--key-file") == "/etc/slipway/keys/keys"
    assert volume["secret"]["items"] == [{"key": "keys", "path": "keys"}]


def test_a_secret_is_made_only_from_keys_that_are_given(objects, chart):
    assert not [item for item in objects["default"] if item["kind"] == "Secret"]
    made = one(objects["with-keys-and-monitoring"], "Secret")["stringData"]
    assert made["keys"] == "sk-slip-0123456789abcdef 60 10000\nsk-slip-fedcba9876543210 scope=admin\n"
    assert made["metrics"] == "sk-slip-fedcba9876543210"
    assert "keys.lines" in chart.refusal({"keys": {"create": True}})
    assert "/keys/lines/0" in chart.refusal({"keys": {"create": True, "lines": ["short"]}})
    assert "/keys/lines/0" in chart.refusal({"keys": {"create": True, "lines": ["sk-slip-0123456789abcdef scope=root"]}})
    both = chart({"keys": {"create": True, "lines": ["sk-slip-0123456789abcdef 60 scope=inference,admin"]}})
    assert one(both, "Secret")["stringData"] == {"keys": "sk-slip-0123456789abcdef 60 scope=inference,admin\n"}


@pytest.mark.parametrize("kind,endpoints", [("PodMonitor", "podMetricsEndpoints"), ("ServiceMonitor", "endpoints")])
def test_prometheus_shows_a_key_from_the_secret(chart, taken, kind, endpoints):
    assert not [item for item in chart() if item["kind"].endswith("Monitor")]
    found = chart({"monitoring": {"enabled": True, "kind": kind}})
    (endpoint,) = one(found, kind)["spec"][endpoints]
    assert endpoint["authorization"] == {"type": "Bearer", "credentials": {"name": "slipway-keys", "key": "metrics"}}
    # The key that it shows reads metrics and asks no model.
    keys = {"create": True, "lines": ["sk-slip-0123456789abcdef"], "metrics": "sk-slip-fedcba9876543210"}
    secret = one(chart({"keys": keys, "monitoring": {"enabled": True, "kind": kind}}), "Secret")["stringData"]
    assert f"{secret['metrics']} scope=admin" in secret["keys"].splitlines()
    assert not taken.refusals(found)


# --- the way in


def balancer(found):
    return named(found, "Service", "slipway-gateway-balancer")


def annotation(service, name):
    return service["metadata"]["annotations"].get(f"service.beta.kubernetes.io/aws-load-balancer-{name}")


@each_variant
def test_in_the_cluster_there_is_always_the_same_address_and_no_node_port(objects, variant):
    service = named(objects[variant], "Service", "slipway-gateway")["spec"]
    assert service["type"] == "ClusterIP" and [port["port"] for port in service["ports"]] == [8000]
    if variant in ("default", "with-keys-and-monitoring"):
        assert len([item for item in objects[variant] if item["kind"] == "Service"]) == 1
    elif variant != "another-cloud":
        assert balancer(objects[variant])["spec"]["allocateLoadBalancerNodePorts"] is False


def test_an_nlb_is_internal_ends_tls_and_targets_ready_pods(objects):
    service = balancer(objects["internal-nlb"])
    assert service["spec"]["loadBalancerClass"] == "service.k8s.aws/nlb"
    assert annotation(service, "scheme") == "internal" and annotation(service, "nlb-target-type") == "ip"
    assert annotation(service, "ssl-cert") == ARN and annotation(service, "ssl-ports") == "443"
    assert "TLS13" in annotation(service, "ssl-negotiation-policy")
    assert annotation(service, "healthcheck-path") == "/ready"
    assert [port["port"] for port in service["spec"]["ports"]] == [443]


def test_tls_is_left_out_only_when_that_is_said(chart):
    assert "service.tls.certificateArn" in chart.refusal({"service": {"type": "LoadBalancer"}})
    plain = balancer(chart({"service": {"type": "LoadBalancer", "tls": {"enabled": False}}}))
    assert annotation(plain, "ssl-cert") is None
    elsewhere = {"type": "LoadBalancer", "loadBalancerClass": "example.org/lb", "tls": {"certificateArn": ARN}}
    assert "makes none" in chart.refusal({"service": elsewhere})


@pytest.mark.parametrize("wide", ["0.0.0.0/0", "0.0.0.0/1", "8.0.0.0/7", "::/0"])
def test_the_internet_is_let_in_only_when_that_is_said(chart, wide):
    public = {**BALANCER, "scheme": "internet-facing"}
    assert "service.loadBalancerSourceRanges" in chart.refusal({"service": public})
    opened = {**public, "loadBalancerSourceRanges": ["203.0.113.0/24", wide]}
    assert f"{wide}, which is the internet" in chart.refusal({"service": opened})
    meant = balancer(chart({"service": {**opened, "openToTheInternet": True}}))
    assert wide in meant["spec"]["loadBalancerSourceRanges"]


def test_a_public_nlb_names_who_may_connect(objects):
    service = balancer(objects["public-nlb"])
    assert annotation(service, "scheme") == "internet-facing"
    assert service["spec"]["loadBalancerSourceRanges"] == ["203.0.113.0/24"]


# --- network policies


def test_traffic_is_what_is_named_and_nothing_else(objects):
    gateway = named(objects["internal-nlb"], "NetworkPolicy", "slipway-gateway")["spec"]
    controller = named(objects["internal-nlb"], "NetworkPolicy", "slipway-controller")["spec"]
    for part, policy in (("gateway", gateway), ("controller", controller)):
        assert policy["policyTypes"] == ["Ingress", "Egress"]
        labels = pod_of(objects["internal-nlb"], part)["metadata"]["labels"]
        assert policy["podSelector"]["matchLabels"].items() <= labels.items()
        ports = [{port["port"] for port in rule["ports"]} for rule in policy["egress"]]
        # The controller asks the API alone.
        assert ports == [{53}, {443, 6443}] + [{8000}] * (part == "gateway")
        assert all(rule["to"] for rule in policy["egress"])
        assert {"ipBlock": {"cidr": "0.0.0.0/0"}} not in [to for rule in policy["egress"] for to in rule["to"]]
    assert "ingress" not in controller, "nobody calls the controller"
    (rule,) = gateway["ingress"]
    assert rule["ports"] == [{"protocol": "TCP", "port": 8000}]
    assert {"namespaceSelector": {}} in rule["from"] and {"ipBlock": {"cidr": "10.0.0.0/8"}} in rule["from"]
    (inside,) = named(objects["default"], "NetworkPolicy", "slipway-gateway")["spec"]["ingress"]
    assert inside["from"] == [{"namespaceSelector": {}}], "without a load balancer only pods come in"


def test_gateways_reach_models_and_models_let_them_in(objects, values):
    """The two charts' policies and labels fit each other."""
    model = values({"model": "hf:a/b/c.gguf", "inference": {"serviceName": "x", "framework": "llama-cpp"}})
    labels = one(model, "Deployment")["spec"]["template"]["metadata"]["labels"]
    policy = named(objects["default"], "NetworkPolicy", "slipway-gateway")["spec"]
    (peer,) = policy["egress"][2]["to"]
    assert peer["namespaceSelector"]["matchExpressions"][0]["values"] == ["models"]
    assert [term["key"] for term in peer["podSelector"]["matchExpressions"]] == ["slipway.dev/model"]
    assert {port["port"] for port in policy["egress"][2]["ports"]} == {int(labels["slipway.dev/port"])}
    callers = one(model, "NetworkPolicy")["spec"]["ingress"][0]
    assert callers["ports"] == [{"protocol": "TCP", "port": 8000}]
    assert callers["from"][0]["namespaceSelector"] == {}
    ours = pod_of(objects["default"], "gateway")["metadata"]["labels"]
    assert callers["from"][0]["podSelector"]["matchLabels"].items() <= ours.items()


# --- schema


@pytest.mark.parametrize(
    "wrong,named_as",
    [
        ({"modelNamespace": ["models"]}, "modelNamespace"),
        ({"modelNamespaces": []}, "/modelNamespaces"),
        ({"modelNamespaces": ["Models"]}, "/modelNamespaces/0"),
        ({"gateway": {"replica": 2}}, "replica"),
        ({"gateway": {"replicas": 0}}, "/gateway/replicas"),
        ({"controller": {"threads": 2}}, "threads"),
        ({"service": {"type": "NodePort"}}, "/service/type"),
        ({"service": {"scheme": "public"}}, "/service/scheme"),
        ({"service": {"loadBalancerSourceRanges": ["office"]}}, "/service/loadBalancerSourceRanges/0"),
        ({"service": {"tls": {"certificate": ARN}}}, "certificate"),
        ({"service": {"tls": {"certificateArn": "arn:aws:iam::1:server-certificate/x"}}}, "certificateArn"),
        ({"keys": {"secret": "x"}}, "secret"),
        ({"drain": {"seconds": "120"}}, "/drain/seconds"),
        ({"image": {"digest": "abc"}}, "/image/digest"),
        ({"monitoring": {"kind": "Probe"}}, "/monitoring/kind"),
        ({"networkPolicy": {"modelPorts": []}}, "/networkPolicy/modelPorts"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_a_wrong_key_or_value_is_named(chart, wrong, named_as):
    assert named_as in chart.refusal(wrong)


def test_the_schema_knows_every_key_of_the_values_file_and_no_other():
    schema = json.loads((CHART / "values.schema.json").read_text())

    def walk(values, node, path):
        known = node.get("properties")
        if known is not None:
            assert set(known) - {"global"} == set(values), path
            for key, value in values.items():
                if isinstance(value, dict):
                    walk(value, known[key], f"{path}.{key}")

    walk(yaml.safe_load((CHART / "values.yaml").read_text()), schema, "")
