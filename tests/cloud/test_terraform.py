"""platform/terraform applied for real on the emulated AWS: made, found unchanged, destroyed, nothing left."""
import pytest

ENVIRONMENT = "slipway.dev/environment"
READER = "arn:aws:iam::123456789012:role/reader"
DEPLOYER = "arn:aws:iam::123456789012:role/deployer"

SMALL = {"name": "small", "availability_zones_count": 2}
WHOLE = {
    "name": "whole", "availability_zones_count": 4, "single_nat_gateway": False, "eks_cluster_version": "1.34",
    "allowed_inbound_cidrs": ["203.0.113.7/32", "198.51.100.0/24"], "interface_endpoints": ["ecr.api", "sts"],
    "enable_cluster_addons": {"aws-ebs-csi-driver": True, "metrics-server": True, "eks-node-monitoring-agent": True, "amazon-cloudwatch-observability": True},
    "enable_s3_models_storage": True, "s3_models_additional_buckets": ["more-models"], "enable_ecr_repository": True,
    "access": {READER: {"policy": "view", "namespaces": ["models", "logs"]}, DEPLOYER: {"policy": "admin"}},
    "monthly_budget_usd": 500, "budget_alert_emails": ["team@example.com"], "tags": {"team": "inference"},
}
AUTO = {"name": "auto", "availability_zones_count": 3, "enable_eks_auto_mode": True, "enable_s3_models_storage": True, "s3_models_bucket_create": False,
        "s3_models_bucket_name": "existing-models"}


def without_pending_keys(inventory):
    """KMS keys cannot be gone sooner than 7 days after they were asked to go."""
    return {kind: [thing["arn"] for thing in things] for kind, things in inventory.items() if kind != "kms/key-pending-deletion"}


def pending(inventory):
    return {key["name"] for key in inventory.get("kms/key-pending-deletion", [])}


def untagged(emulator, before, name):
    """What exists now, did not before, and lacks the environment's tag. AWS lets these kinds carry none of their maker's."""
    no_tags = {"kms/alias"}
    made_by_eks = {"eks/access-entry"}  # of node groups and Auto Mode
    left = {}
    for kind, things in emulator.inventory().items():
        known = {thing["arn"] for thing in before.get(kind, [])}
        for thing in things:
            if thing["arn"] in known or kind in no_tags or thing["tags"].get(ENVIRONMENT) == name:
                continue
            if kind == "ec2/security-group" and thing["tags"].get("aws:eks:cluster-name") == name or kind in made_by_eks and thing["name"].endswith("-node"):
                continue
            if kind == "ec2/route-table" and not thing["tags"] or kind == "ec2/network-interface":
                continue  # the VPC's main table; interfaces of NAT gateways and endpoints
            left.setdefault(kind, []).append(thing["name"])
    return left


@pytest.fixture
def roles(quiet_emulator):
    """Roles that the access map names: EKS refuses those that do not exist."""
    iam = quiet_emulator.client("iam")
    for name in ("reader", "deployer"):
        if name not in [role["RoleName"] for role in iam.list_roles()["Roles"]]:
            iam.create_role(RoleName=name, AssumeRolePolicyDocument="{}")


def cycle(workspace, emulator, variables, raise_to=None):
    """validate, plan, apply, no changes, (raise the version, no changes,) destroy, nothing left. Returns outputs and the inventory between."""
    before = emulator.inventory()
    workspace.variables(**variables)
    workspace.run("validate")
    assert workspace.plan(accept=(2,)).returncode == 2
    workspace.apply()
    again = workspace.plan()
    assert again.returncode == 0, f"a second apply would change something:\n{again.stdout}"
    assert untagged(emulator, before, variables["name"]) == {}
    if raise_to:
        workspace.variables(**{**variables, "eks_cluster_version": raise_to})
        workspace.apply()
        again = workspace.plan()
        assert again.returncode == 0, again.stdout
    outputs, between = workspace.outputs(), emulator.inventory(f"{ENVIRONMENT}={variables['name']}")
    workspace.destroy()
    after = emulator.inventory()
    assert without_pending_keys(after) == without_pending_keys(before)
    assert len(pending(after) - pending(before)) == 2
    return outputs, between


def test_two_zones_with_a_private_endpoint_are_made_and_leave_nothing(workspace, emulator):
    outputs, between = cycle(workspace, emulator, SMALL)
    assert outputs["configure_kubectl"] == "aws eks update-kubeconfig --region us-west-2 --name small"
    assert outputs["caller_role_arn"].startswith("arn:aws:")
    assert len(between["ec2/natgateway"]) == 1
    assert len(between["ec2/subnet"]) == 2 * 4
    assert "budgets/budget" not in between and "ecr/repository" not in between


def test_four_zones_with_everything_on_are_made_raised_by_a_version_and_leave_nothing(workspace, emulator, roles):
    outputs, between = cycle(workspace, emulator, WHOLE, raise_to="1.35")
    assert outputs["cluster_version"] == "1.35"
    assert len(between["ec2/natgateway"]) == 4
    assert len(outputs["node_subnet_ids"]) == 4
    assert [thing["name"] for thing in between["budgets/budget"]] == ["slipway-whole-us-west-2"]
    assert outputs["models_bucket"] == "whole-models-123456789012-us-west-2"
    assert {thing["tags"]["team"] for thing in between["ec2/vpc"]} == {"inference"}


def test_three_zones_under_auto_mode_with_state_in_s3_are_made_and_leave_nothing(tmp_path, quiet_emulator, plugins):
    from conftest import _workspace
    from terraform import Terraform
    s3 = quiet_emulator.client("s3")
    s3.create_bucket(Bucket="state-of-auto", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    workspace = Terraform(tmp_path / "terraform", quiet_emulator.endpoint, plugins)
    workspace.use_s3_state("state-of-auto")
    workspace.init()
    outputs, between = cycle(workspace, quiet_emulator, AUTO)
    assert outputs["interruption_queue_name"] == "" and outputs["node_role_name"] == "auto-us-west-2-node"
    assert "eks/nodegroup" not in between and "sqs/queue" not in between
    assert [thing["name"] for thing in between.get("eks/addon", [])] == []
    keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket="state-of-auto").get("Contents", [])]
    assert keys == ["terraform.tfstate"], "the lock is released, the state is the only object"


# Plans only: what an apply would add is covered above.

def planned(plan, kind):
    return [change for change in plan["resource_changes"] if change["type"] == kind and change["change"]["actions"] != ["no-op"]]


@pytest.mark.parametrize("zones", [2, 3, 4])
@pytest.mark.parametrize("single", [True, False], ids=["single-nat", "nat-per-zone"])
def test_every_zone_gets_four_subnets_and_its_way_out(plans, zones, single):
    plan = plans(name="shape", availability_zones_count=zones, single_nat_gateway=single)
    assert len(planned(plan, "aws_subnet")) == 4 * zones
    assert len(planned(plan, "aws_nat_gateway")) == (1 if single else zones)
    assert len(planned(plan, "aws_route")) == zones + 1


def cidrs(plan, name):
    return [change["change"]["after"]["cidr_block"] for change in planned(plan, "aws_subnet") if change["name"] == name]


def test_the_default_address_plan_for_four_zones(plans):
    plan = plans(name="shape", availability_zones_count=4, single_nat_gateway=True)
    assert cidrs(plan, "public") == ["10.0.0.0/24", "10.0.1.0/24", "10.0.2.0/24", "10.0.3.0/24"]
    assert cidrs(plan, "private") == ["10.0.4.0/24", "10.0.5.0/24", "10.0.6.0/24", "10.0.7.0/24"]
    assert cidrs(plan, "control_plane") == ["10.0.8.0/26", "10.0.8.64/26", "10.0.8.128/26", "10.0.8.192/26"]
    assert cidrs(plan, "node") == ["100.64.0.0/17", "100.64.128.0/17", "100.65.0.0/17", "100.65.128.0/17"]


def test_one_secondary_block_is_cut_for_four_zones(plans):
    plan = plans(name="shape", secondary_cidr_blocks=["100.64.0.0/16"])
    assert cidrs(plan, "node") == ["100.64.0.0/18", "100.64.64.0/18", "100.64.128.0/18", "100.64.192.0/18"]


def test_the_zone_that_takes_no_control_plane_is_left_out(plans):
    plan = plans(name="shape", region="us-east-1", availability_zones_count=5)
    zones = {change["change"]["after"]["availability_zone"] for change in planned(plan, "aws_subnet")}
    # In the emulator us-east-1e is use1-az3.
    assert zones == {"us-east-1a", "us-east-1b", "us-east-1c", "us-east-1d", "us-east-1f"}


@pytest.mark.parametrize("variables, message", [
    ({"region": "eu-central-1", "availability_zones_count": 4}, "eu-central-1 offers EKS 3: eu-central-1a, eu-central-1b, eu-central-1c. Set availability_zones_count = 3"),
    ({"availability_zones_count": 7}, "availability_zones_count must be 2 to 6"),
    ({"vpc_cidr": "100.65.0.0/16"}, "Two of these ranges overlap: vpc_cidr 100.65.0.0/16"),
    ({"secondary_cidr_blocks": ["10.0.0.0/20"]}, "Two of these ranges overlap: vpc_cidr 10.0.0.0/16, secondary_cidr_blocks 10.0.0.0/20"),
    ({"vpc_cidr": "172.20.0.0/16"}, "the cluster's Service range 172.20.0.0/16"),
    ({"vpc_cidr": "10.0.0.0/23"}, "vpc_cidr 10.0.0.0/23 is too small for 4 zones of a /24 public"),
    ({"vpc_cidr": "10.0.0.7/16"}, "has bits set behind its prefix; the range it lies in starts at 10.0.0.0"),
    ({"allowed_inbound_cidrs": ["0.0.0.0/0"]}, "opens the Kubernetes API to the whole internet"),
    ({"eks_cluster_version": "1.35.1"}, "eks_cluster_version must be a minor version that EKS runs"),
    ({"name": "Not_A_Name"}, "name must be 2 to 28 lower-case letters"),
    ({"enable_cluster_addons": {"core-dns": True}}, "Unknown: core-dns."),
    ({"enable_cluster_addons": {"vpc-cni": False}}, "vpc-cni, kube-proxy, coredns and eks-pod-identity-agent cannot be false"),
    ({"access": {"arn:aws:sts::123456789012:assumed-role/a/b": {"policy": "view"}}}, "not of assumed-role sessions"),
    ({"access": {READER: {"policy": "root"}}}, "policy in access must be one of: admin, admin-view, cluster-admin, edit, view."),
    ({"core_node_instance_types": ["m6i.xlarge", "m7g.xlarge"]}, "names m7g.xlarge, which is not an x86 type"),
    ({"core_node_count": 9}, "core_node_max (8) must not be below core_node_count (9)"),
    ({"enable_s3_models_storage": True, "s3_models_bucket_create": False}, "needs s3_models_bucket_name"),
    ({"interface_endpoints": ["s3"]}, "S3 has its free gateway endpoint already"),
])
def test_bad_input_is_refused_in_our_words(plans, variables, message):
    assert message in plans.workspace.refused(**{"name": "bad", **variables})


def test_a_blueprint_is_planned_by_hand_with_a_warning_for_what_only_slipway_reads(plans, tmp_path):
    blueprint = tmp_path / "env.tfvars"
    blueprint.write_text("""
name                             = "inference-cluster"
enable_kuberay_operator          = true
enable_ai_ml_observability_stack = true
availability_zones_count         = 4
solution_id                      = "SO9615"
enable_cluster_addons = {
  coredns                   = true
  aws-ebs-csi-driver        = false
  eks-node-monitoring-agent = false
}
""")
    (plans.workspace.folder / "test.auto.tfvars.json").unlink(missing_ok=True)
    done = plans.workspace.run("plan", "-no-color", "-input=false", f"-var-file={blueprint}")
    assert 'Value for undeclared variable' in done.stdout and "inference-cluster" in done.stdout
    assert " to add, 0 to change, 0 to destroy." in done.stdout


def test_an_open_endpoint_is_taken_when_it_is_meant(plans):
    plan = plans(name="open", availability_zones_count=2, allowed_inbound_cidrs=["0.0.0.0/0"], accept_open_endpoint=True)
    vpc = planned(plan, "aws_eks_cluster")[0]["change"]["after"]["vpc_config"][0]
    assert vpc["endpoint_public_access"] and vpc["public_access_cidrs"] == ["0.0.0.0/0"]


def test_throttled_calls_and_server_errors_do_not_stop_an_apply(workspace, emulator):
    emulator.faults(throttle_share=0.1, server_error_share=0.1, seed=7)
    workspace.variables(name="rough", availability_zones_count=2, enable_eks_auto_mode=True)
    before = emulator.inventory()
    workspace.apply()
    injected = emulator.call("calls")["injected"]
    assert injected["throttled"] > 10 and injected["server_error"] > 10
    workspace.destroy()
    assert without_pending_keys(emulator.inventory()) == without_pending_keys(before)


def test_expired_credentials_stop_an_apply_and_a_new_key_finishes_it(workspace, emulator):
    workspace.variables(name="tired", availability_zones_count=2, enable_eks_auto_mode=True)
    before = emulator.inventory()
    # The SDK takes EC2's RequestExpired for a clock that is off and tries again; 25 times would take minutes.
    workspace.use_key("emulated", max_retries=2)
    emulator.faults(expire_after_calls=150)
    with pytest.raises(AssertionError, match="(?i)expired"):
        workspace.apply()
    workspace.use_key("renewed")
    workspace.apply()
    assert workspace.plan().returncode == 0
    workspace.destroy()
    assert without_pending_keys(emulator.inventory()) == without_pending_keys(before)


def test_a_node_group_without_capacity_fails_with_the_reason_of_aws(workspace, emulator):
    workspace.variables(name="full", availability_zones_count=2)
    emulator.faults(nodegroup_failure="AsgInstanceLaunchFailures")
    with pytest.raises(AssertionError, match="InsufficientInstanceCapacity"):
        workspace.apply()
    emulator.faults(nodegroup_failure="")
    workspace.destroy()
