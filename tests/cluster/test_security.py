"""What every add-on owes: isolation, no load balancer, exact images, no password, verified TLS. No API server needed."""

import re

import pytest
import yaml

import render
from render import ADDONS, VISIBLE, objects_of

# EKS owns this namespace: its own agents live there, and a policy of ours would cut them off.
EKS_NAMESPACE = "kube-system"
MUTABLE = re.compile(r":(latest|main|master|nightly|stable|edge|dev)$")


def own(name, kind):
    return [item for item in render.own_manifests(ADDONS[name]) if item["kind"] == kind]


NAMESPACES = {item["metadata"]["name"]: item for name in ADDONS for item in own(name, "Namespace")}
POLICIES = [item for name in ADDONS for item in own(name, "NetworkPolicy")]


@pytest.mark.parametrize("name", ADDONS)
def test_a_namespace_is_there_before_the_addon_whatever_else_is_off(name):
    facts = ADDONS[name].facts
    makers = [
        maker
        for maker in ADDONS
        if any(item["metadata"]["name"] == facts["namespace"] for item in own(maker, "Namespace"))
    ]
    if name == "opensearch-dashboards":  # needs the stack that makes its namespace, and says so
        assert makers == ["opensearch"] and "enable_ai_ml_observability_stack" in facts["notes"]
    elif facts["namespace"] != EKS_NAMESPACE and makers != [name]:
        assert any(
            ADDONS[maker].facts["enabled_by"] == facts["enabled_by"]
            and ADDONS[maker].facts["not_with_auto_mode"] == facts["not_with_auto_mode"]
            and ADDONS[maker].facts["wave"] < facts["wave"]
            for maker in makers
        )


@pytest.mark.parametrize("name", ADDONS)
def test_an_addon_lives_in_a_namespace_with_the_level_that_it_names(name):
    facts = ADDONS[name].facts
    if facts["namespace"] != EKS_NAMESPACE:
        labels = NAMESPACES[facts["namespace"]]["metadata"]["labels"]
        assert labels["pod-security.kubernetes.io/enforce"] == facts["pod_security"]["enforce"]


@pytest.mark.parametrize("namespace", NAMESPACES)
def test_a_namespace_has_pod_security_levels_and_denies_by_default(namespace):
    labels = NAMESPACES[namespace]["metadata"]["labels"]
    assert {f"pod-security.kubernetes.io/{mode}" for mode in ("enforce", "audit", "warn")} <= set(labels)
    denials = [
        policy
        for policy in POLICIES
        if policy["metadata"]["namespace"] == namespace
        and policy["spec"]["podSelector"] == {}
        and set(policy["spec"]["policyTypes"]) == {"Ingress", "Egress"}
        and not policy["spec"].get("ingress")
        and not policy["spec"].get("egress")
    ]
    assert len(denials) == 1


@pytest.mark.parametrize("name", VISIBLE)
def test_webhooks_are_reachable_from_the_api_server(name, rendered):
    addon = ADDONS[name]
    if addon.facts["namespace"] == EKS_NAMESPACE:
        return
    objects = objects_of(name, rendered)
    called = [
        hook["clientConfig"]["service"]
        for item in objects
        if item["kind"].endswith("WebhookConfiguration")
        for hook in item.get("webhooks", [])
        if hook["clientConfig"].get("service")
    ] + [item["spec"]["service"] for item in objects if item["kind"] == "APIService" and item["spec"].get("service")]
    if called:
        allowed = {
            port["port"]
            for policy in POLICIES
            if policy["metadata"] == {"name": "allow-webhooks", "namespace": addon.facts["namespace"]}
            for rule in policy["spec"]["ingress"]
            for port in rule["ports"]
        }
        assert allowed, f"{name} has webhooks or an aggregated API, and no policy lets the API server in"


def test_privileged_namespaces_are_only_those_of_node_agents():
    privileged = {
        name
        for name, item in NAMESPACES.items()
        if item["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
    }
    assert privileged == {
        "nvidia-device-plugin",
        "dcgm-exporter",
        "neuron-system",
        "neuron-monitor",
        "efa-device-plugin",
        "fluent-bit",
        "node-exporter",
    }


@pytest.mark.parametrize("name", VISIBLE)
def test_no_addon_opens_a_load_balancer(name, rendered):
    for item in objects_of(name, rendered):
        if item["kind"] == "Service":
            assert item["spec"].get("type", "ClusterIP") == "ClusterIP", item["metadata"]["name"]
        if item["kind"] == "EnvoyProxy":
            assert item["spec"]["provider"]["kubernetes"]["envoyService"]["type"] == "ClusterIP"


@pytest.mark.parametrize("name", VISIBLE)
def test_images_have_an_exact_version(name, rendered):
    for _, pod, _, spec in render.pod_specs(objects_of(name, rendered)):
        for container in spec["containers"] + (spec.get("initContainers") or []):
            image = container["image"]
            assert not MUTABLE.search(image) and re.search(
                r":[\w.-]*\d[\w.-]*(@sha256:[0-9a-f]{64})?$", image
            ), f"{pod}: {image}"


def test_versions_are_exact():
    for name, addon in ADDONS.items():
        assert re.fullmatch(r"v?\d+(\.\d+){0,2}", addon.facts["version"]), name


PASSWORD = re.compile(
    r"(password|passwd|secret|token)\s*[:=]\s*[\"']?(admin|admin123|prom-operator|changeme|password|secret)\b", re.I
)


@pytest.mark.parametrize("name", ADDONS)
def test_no_file_carries_a_password(name):
    for file in ADDONS[name].folder.rglob("*.yaml"):
        assert not PASSWORD.search(file.read_text()), file


@pytest.mark.parametrize("name", VISIBLE)
def test_no_rendered_secret_has_a_known_password(name, rendered):
    for item in objects_of(name, rendered):
        if item["kind"] == "Secret":
            assert not any(
                "password" in key.lower() for key in {**item.get("data", {}), **item.get("stringData", {})}
            ), item["metadata"]["name"]


def secrets_made():
    """(namespace, name) of Secrets that the installer or the OpenSearch operator makes."""
    yield from (("opensearch", name) for name in ("logs-admin-password", "logs-dashboards-password", "logs-http-cert"))
    for addon in ADDONS.values():
        file = addon.folder / "secrets.yaml"
        listed = yaml.safe_load(file.read_text()) if file.exists() else {}
        for secret in listed.get("generate", []):
            yield from ((namespace, secret["name"]) for namespace in secret["namespaces"])
        yield from ((copy["to"]["namespace"], copy["to"]["name"]) for copy in listed.get("copy", []))


def references(value):
    """Names of Secrets that a pod spec reads."""
    if isinstance(value, dict):
        for key in ("secretKeyRef", "secretRef"):
            if key in value and not value[key].get("optional"):
                yield value[key]["name"]
        if isinstance(value.get("secret"), dict) and not value["secret"].get("optional"):
            yield value["secret"].get("secretName") or value["secret"].get("name")
        for inner in value.values():
            yield from references(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from references(inner)


@pytest.mark.parametrize("name", VISIBLE)
def test_secrets_that_pods_read_are_made_by_somebody(name, rendered):
    addon = ADDONS[name]
    objects = objects_of(name, rendered)
    rendered_here = {item["metadata"]["name"] for item in objects if item["kind"] == "Secret"}
    # Certificates that a controller or its install hook writes for itself.
    self_made = {
        "envoy-gateway": {"envoy-gateway"},
        "kube-prometheus-stack": {"kube-prometheus-stack-admission"},
        "keda": {"kedaorg-certs"},
    }.get(name, set())
    for _, pod, _, spec in render.pod_specs(objects):
        for secret in set(references(spec)) - rendered_here - self_made:
            assert (addon.facts["namespace"], secret) in set(
                secrets_made()
            ), f"{pod} reads Secret {secret}, which nobody makes"


def test_generated_passwords_are_long_and_random():
    for addon in ADDONS.values():
        file = addon.folder / "secrets.yaml"
        for secret in (yaml.safe_load(file.read_text()) if file.exists() else {}).get("generate", []):
            assert any("random" in key for key in secret["keys"].values())
            assert all(key["random"] >= 24 for key in secret["keys"].values() if "random" in key)


def test_tls_is_verified_wherever_it_is_spoken():
    for addon in ADDONS.values():
        for file in addon.folder.rglob("*.yaml"):
            text = file.read_text()
            assert not re.search(
                r"tls\.verify\s+off|insecureSkipTLSVerify:\s*true|tlsSkipVerify:\s*true|VERIFICATIONMODE, value: none",
                text,
                re.I,
            ), file


@pytest.mark.parametrize("name", ADDONS)
def test_no_pod_of_ours_starts_a_shell(name):
    for _, pod, _, spec in render.pod_specs(render.own_manifests(ADDONS[name])):
        for container in spec["containers"] + (spec.get("initContainers") or []):
            assert not {"sh", "bash"} & {part.rsplit("/", 1)[-1] for part in (container.get("command") or [])[:1]}, pod
