"""Every node pool: limits, encryption, pins, and the labels that model charts select. No API server needed."""

import json

import pytest
import yaml

import render

LABELS = yaml.safe_load((render.PLATFORM / "catalog/node-labels.yaml").read_text())


PLAIN = {"clusterName": "demo", "nodeRole": "demo-node", "kmsKeyArn": render.EXAMPLE["kms_key_arn"]}
EVERY_POOL = {pool: {"nodes": 2} for pool in LABELS["pools"]}


def pools_chart(check=True, **values):
    settings = [
        text for key, value in {**PLAIN, **values}.items() for text in ("--set-json", f"{key}={json.dumps(value)}")
    ]
    return render.helm(
        render.PLATFORM / "charts/node-pools",
        "node-pools",
        "karpenter",
        render.PLATFORM / "charts/node-pools/values.yaml",
        *settings,
        check=check,
    )


@pytest.fixture(scope="module", params=[False, True], ids=["karpenter", "auto-mode"])
def pools(request, rendered):
    objects = list(render.documents(pools_chart(nodeLimits=EVERY_POOL, autoMode=request.param).stdout))
    return {
        item["spec"]["template"]["metadata"]["labels"]["slipway.dev/pool"]: item
        for item in objects
        if item["kind"] == "NodePool"
    }


def requirement(pool, key):
    return next((item for item in pool["spec"]["template"]["spec"]["requirements"] if item["key"] == key), None)


def test_pools_and_the_table_of_labels_agree(pools):
    assert set(pools) == set(LABELS["pools"])
    for name, facts in LABELS["pools"].items():
        labels = pools[name]["spec"]["template"]["metadata"]["labels"]
        assert labels["slipway.dev/accelerator"] == facts["accelerator"]
        assert requirement(pools[name], "kubernetes.io/arch")["values"] == [facts["arch"]]
        assert requirement(pools[name], "kubernetes.io/os")["values"] == ["linux"]


@pytest.mark.parametrize("accelerator", LABELS["accelerators"])
def test_a_model_that_selects_an_accelerator_finds_a_pool(pools, accelerator):
    wanted = LABELS["accelerators"][accelerator]
    for pool in pools.values():
        offered = {
            **pool["spec"]["template"]["metadata"]["labels"],
            "kubernetes.io/arch": requirement(pool, "kubernetes.io/arch")["values"][0],
            "kubernetes.io/os": "linux",
        }
        tolerated = {toleration["key"] for toleration in wanted["tolerations"]}
        taints = {taint["key"] for taint in pool["spec"]["template"]["spec"].get("taints", [])}
        if wanted["labels"].items() <= offered.items() and taints <= tolerated:
            return
    pytest.fail(f"no pool offers {wanted}")


def test_a_pod_that_names_no_type_is_offered_the_pool_of_small_nodes_before_those_of_one_dear_type(pools):
    """Karpenter takes the heaviest pool that can hold a pod, and of equal weights the last by name, at any price."""
    prices = {
        item["name"].replace(".", "-"): item["on_demand_usd_per_hour_us_east_1"]
        for item in json.loads((render.PLATFORM / "catalog/ec2-instance-types.json").read_text())["instance_types"]
    }
    weights = {name: pool["spec"]["weight"] for name, pool in pools.items() if name.startswith("gpu")}
    heaviest_first = sorted(weights, key=lambda name: -weights[name])
    assert heaviest_first[0] == "gpu" and len(set(weights.values())) == len(weights)
    known = [price for name in heaviest_first[1:] if (price := prices[name.removeprefix("gpu-")])]
    assert known == sorted(known)


@pytest.mark.parametrize("legacy", LABELS["legacy_pools"])
def test_a_pool_name_of_the_reference_leads_to_a_pool_with_its_families(pools, legacy):
    target = LABELS["legacy_pools"][legacy]
    pool = pools[target["pool"]]
    if families := target.get("families"):
        key = next(key for key in LABELS["keys"]["instance_family"].values() if requirement(pool, key))
        assert set(families) <= set(requirement(pool, key)["values"])


def test_labels_of_the_reference_mean_the_same_here(pools):
    for label, meanings in LABELS["legacy_labels"].items():
        for pool in pools.values():
            labels = pool["spec"]["template"]["metadata"]["labels"]
            assert labels.get(label) == (
                labels["slipway.dev/accelerator"] if labels["slipway.dev/accelerator"] in meanings else None
            )


def test_every_pool_has_limits_and_a_disruption_budget(pools):
    for pool in pools.values():
        assert pool["spec"]["limits"] and pool["spec"]["disruption"]["budgets"]


@pytest.mark.parametrize(
    "values,told",
    [
        ({"nodeLimits": {}}, "nodeLimits is empty"),
        ({"nodeLimits": {"gpu": {"cpu": "96"}}, "pools.neuron.enabled": True}, "no limits for the pool 'neuron'"),
        ({"nodeLimits": {"gpus": {"cpu": "96"}}}, "names the pool 'gpus'"),
        ({"nodeLimits": {"gpu": {}}}, "minProperties"),
        ({"nodeLimits": {"gpu": {"gpus": 4}}}, "gpus"),
        ({"nodeLimits": EVERY_POOL, "amiVersion.bottlerocket": "latest"}, "amiVersion"),
        ({"nodeLimits": EVERY_POOL, "kmsKeyArn": ""}, "kmsKeyArn"),
        ({"nodeLimits": EVERY_POOL, "topologi": "spread"}, "topologi"),
    ],
)
def test_bad_values_are_refused_with_their_name(rendered, values, told):
    done = pools_chart(check=False, **values)
    assert done.returncode != 0 and told in done.stderr


def test_nodes_are_encrypted_pinned_and_keep_metadata_to_themselves(rendered):
    for family in ("bottlerocket", "al2023"):
        for item in render.documents(pools_chart(nodeLimits=EVERY_POOL, amiFamily=family).stdout):
            if item["kind"] != "EC2NodeClass":
                continue
            spec = item["spec"]
            assert all(
                volume["ebs"]["encrypted"] and volume["ebs"]["kmsKeyID"] == PLAIN["kmsKeyArn"]
                for volume in spec["blockDeviceMappings"]
            )
            assert spec["metadataOptions"] == {
                "httpEndpoint": "enabled",
                "httpProtocolIPv6": "disabled",
                "httpPutResponseHopLimit": 1,
                "httpTokens": "required",
            }
            assert "latest" not in spec["amiSelectorTerms"][0]["alias"]
            assert spec["associatePublicIPAddress"] is False
            assert (
                spec["tags"]["slipway.dev/environment"] == "demo"
                and spec["tags"]["slipway.dev/managed-by"] == "slipway"
            )


def test_topology_narrows_zones_only_where_zones_are_given(rendered):
    def zones(**values):
        first = next(
            item
            for item in render.documents(pools_chart(nodeLimits=EVERY_POOL, **values).stdout)
            if item["kind"] == "NodePool"
        )
        found = requirement(first, "topology.kubernetes.io/zone")
        return found and found["values"]

    assert zones(topology="same-zone") is None and zones(topology="spread") is None
    assert zones(topology="same-zone", zones=["us-west-2b", "us-west-2c"]) == ["us-west-2b"]
    assert zones(topology="spread", zones=["us-west-2b", "us-west-2c"]) == ["us-west-2b", "us-west-2c"]


def test_an_efa_node_has_one_ordinary_interface_and_the_devices_of_its_type(rendered):
    catalogue = {
        "gpu-p5-48xlarge": 32,
        "gpu-p5e-48xlarge": 32,
        "gpu-p5en-48xlarge": 16,
        "gpu-p6-b200-48xlarge": 8,
        "gpu-p6-b300-48xlarge": 16,
    }
    for item in render.documents(pools_chart(nodeLimits=EVERY_POOL).stdout):
        if item["kind"] == "EC2NodeClass" and item["metadata"]["name"] in catalogue:
            kinds = [interface["interfaceType"] for interface in item["spec"]["networkInterfaces"]]
            assert kinds.count("interface") == 1 and kinds.count("efa-only") == catalogue[item["metadata"]["name"]]
