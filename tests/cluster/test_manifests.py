"""A real kube-apiserver takes what we render, field by field: server-side dry run with strict validation."""

import copy

import pytest

import render
from conftest import with_namespace

# Kinds without a public definition, or whose definition this machine may lack. Everything else must be known.
NOT_VALIDATED = {
    "eks.amazonaws.com/v1/NodeClass": "EKS Auto Mode's definition is not public",
    "opensearch.org/v1/OpensearchUser": "definition only in the operator's chart: set SLIPWAY_CHARTS",
    "opensearch.org/v1/OpensearchRole": "definition only in the operator's chart: set SLIPWAY_CHARTS",
    "opensearch.org/v1/OpensearchUserRoleBinding": "definition only in the operator's chart: set SLIPWAY_CHARTS",
}
OPTIONAL_GROUPS = {"opensearch.org": "definitions: set SLIPWAY_CRDS or SLIPWAY_CHARTS"}

ALL_POOLS = {
    "general-purpose": {"cpu": "64"},
    "graviton": {"cpu": "64"},
    "gpu": {"cpu": "96", "nvidia.com/gpu": "8"},
    "neuron": {"cpu": "96", "aws.amazon.com/neuron": "8"},
    **{
        pool: {"nodes": 2}
        for pool in (
            "gpu-p5-48xlarge",
            "gpu-p5e-48xlarge",
            "gpu-p5en-48xlarge",
            "gpu-p6-b200-48xlarge",
            "gpu-p6-b300-48xlarge",
        )
    },
}
POOL_SETS = {"usual": {name: ALL_POOLS[name] for name in ("general-purpose", "gpu")}, "all": ALL_POOLS}


def accepted(cluster, objects, namespace="default"):
    """Dry-runs every object whose kind is known; an unknown kind must be one of NOT_VALIDATED."""
    objects = list(with_namespace(objects, namespace, cluster.cluster_scoped))
    unknown = {f"{item['apiVersion']}/{item['kind']}" for item in objects if not cluster.knows(item)}
    unexplained = {kind for kind in unknown - set(NOT_VALIDATED) if kind.split("/")[0] not in OPTIONAL_GROUPS}
    assert not unexplained, f"the API server knows no {sorted(unexplained)}"
    known = [item for item in objects if cluster.knows(item)]
    refusals = cluster.refusals(known) if known else []
    assert not refusals, "\n".join(refusals)
    if unknown:
        pytest.skip(
            "accepted, but not validated: "
            + "; ".join(
                f"{kind} ({NOT_VALIDATED.get(kind) or OPTIONAL_GROUPS[kind.split('/')[0]]})" for kind in sorted(unknown)
            )
        )


def pools(scratch, **changes):
    return render.chart_manifests(render.addons()["node-pools"], scratch, **changes)


@pytest.mark.parametrize("topology", ["same-zone", "spread"])
@pytest.mark.parametrize("family", ["bottlerocket", "al2023"])
@pytest.mark.parametrize("limits", POOL_SETS)
def test_node_pools_are_accepted(cluster, scratch, limits, family, topology):
    accepted(cluster, pools(scratch, node_limits=POOL_SETS[limits], ami_family=family, topology=topology))


@pytest.mark.parametrize(
    "soci,store,block,tags",
    [(True, False, "", {}), (False, True, "cr-0a1b2c", {}), (False, False, "", {"purpose": "inference"})],
)
@pytest.mark.parametrize("family", ["bottlerocket", "al2023"])
def test_node_pools_with_reservations_and_disks_are_accepted(cluster, scratch, family, soci, store, block, tags):
    accepted(
        cluster,
        pools(
            scratch,
            node_limits=ALL_POOLS,
            ami_family=family,
            enable_soci_snapshotter=soci,
            soci_snapshotter_use_instance_store=store,
            capacity_block_reservation_id=block,
            capacity_reservation_tags=tags,
            max_user_namespaces=16384,
            bottlerocket_data_disk_snapshot_id="snap-0a1b",
        ),
    )


def test_auto_mode_pools_are_accepted(cluster, scratch):
    accepted(cluster, pools(scratch, node_limits=ALL_POOLS, enable_eks_auto_mode=True))


def test_the_server_refuses_what_the_tests_would_miss(cluster, scratch):
    """The check itself can fail: an unknown field, a wrong value and a rule of the definition are each refused."""
    good = next(item for item in pools(scratch) if item["kind"] == "EC2NodeClass")
    for change in ({"subnets": []}, {"instanceStorePolicy": "RAID1"}, {"instanceProfile": "both"}):
        bad = copy.deepcopy(good)
        bad["spec"].update(change)
        assert cluster.refusals([bad]), change


@pytest.mark.parametrize("name", render.addons())
def test_own_manifests_are_accepted(cluster, name):
    addon = render.addons()[name]
    objects = list(render.own_manifests(addon))
    if not objects:
        assert render.by_chart(addon) or all("://" in path for path in addon.facts["source"]["manifests"])
        return
    accepted(cluster, objects, addon.facts["namespace"])


@pytest.mark.parametrize("name", [name for name, addon in render.addons().items() if render.by_chart(addon)])
def test_charts_with_our_values_are_accepted(cluster, rendered, name):
    objects = rendered(name)
    if objects is None:
        pytest.skip(f"chart {name} is not on this machine: put it under $SLIPWAY_CHARTS/{name}")
    accepted(cluster, objects, render.addons()[name].facts["namespace"])
