"""Security controls S01-S09, S16, S19 and S20 on real plans and files, and checkov on both. A test's name carries its control."""
import json
import os
import pathlib
import re
import subprocess

import pytest

from terraform import FOLDER

FULL = {
    "name": "whole", "availability_zones_count": 2, "allowed_inbound_cidrs": ["203.0.113.7/32"], "interface_endpoints": ["ecr.api", "ecr.dkr", "sts"],
    "enable_cluster_addons": {"aws-ebs-csi-driver": True, "amazon-cloudwatch-observability": True}, "enable_s3_models_storage": True, "enable_ecr_repository": True,
    "access": {"arn:aws:iam::123456789012:role/reader": {"policy": "view", "namespaces": ["models"]}}, "monthly_budget_usd": 500,
    "budget_alert_emails": ["team@example.com"],
}
VARIANTS = {"default": {"name": "plain"}, "full": FULL, "auto": {"name": "auto", "enable_eks_auto_mode": True, "enable_s3_models_storage": True}}


@pytest.fixture(params=VARIANTS)
def plan(request, plans):
    return plans(**VARIANTS[request.param])


def resources(plan, kind, name=None):
    def walk(module):
        yield from module.get("resources", [])
        for child in module.get("child_modules", []):
            yield from walk(child)
    return [r for r in walk(plan["planned_values"]["root_module"]) if r["type"] == kind and name in (None, r["name"])]


def values(plan, kind, name=None):
    return [resource["values"] for resource in resources(plan, kind, name)]


def as_list(value):
    return value if isinstance(value, list) else [value]


def test_s01_the_endpoint_is_private_unless_ranges_are_named(plans):
    private = values(plans(**VARIANTS["default"]), "aws_eks_cluster")[0]["vpc_config"][0]
    assert private["endpoint_private_access"] and not private["endpoint_public_access"]
    limited = values(plans(**FULL), "aws_eks_cluster")[0]["vpc_config"][0]
    assert limited["endpoint_private_access"] and limited["public_access_cidrs"] == ["203.0.113.7/32"]


def test_s01_the_whole_internet_is_refused(plans):
    assert "accept_open_endpoint = true" in plans.workspace.refused(name="open", allowed_inbound_cidrs=["203.0.113.0/24", "0.0.0.0/0"])


def test_s02_all_five_control_plane_logs_are_kept_encrypted_in_a_group_made_first(plan):
    cluster = values(plan, "aws_eks_cluster")[0]
    assert set(cluster["enabled_cluster_log_types"]) == {"api", "audit", "authenticator", "controllerManager", "scheduler"}
    group = values(plan, "aws_cloudwatch_log_group", "cluster")[0]
    assert group["name"] == f"/aws/eks/{cluster['name']}/cluster" and group["retention_in_days"] == 30
    configured = {r["address"]: r for r in plan["configuration"]["root_module"]["resources"]}
    assert "aws_cloudwatch_log_group.cluster" in configured["aws_eks_cluster.this"]["depends_on"]
    assert configured["aws_cloudwatch_log_group.cluster"]["expressions"]["kms_key_id"]["references"][0] == "aws_kms_key.data.arn"


def test_s03_secrets_are_wrapped_by_a_key_that_rotates(plan):
    assert values(plan, "aws_eks_cluster")[0]["encryption_config"][0]["resources"] == ["secrets"]
    keys = values(plan, "aws_kms_key")
    assert len(keys) == 2
    assert all(key["enable_key_rotation"] and key["deletion_window_in_days"] == 7 for key in keys)
    assert len(values(plan, "aws_kms_alias")) == 2


def test_s04_access_is_by_entries_only_and_the_caller_has_its_own(plan):
    access = values(plan, "aws_eks_cluster")[0]["access_config"][0]
    assert access == {"authentication_mode": "API", "bootstrap_cluster_creator_admin_permissions": False}
    assert resources(plan, "aws_eks_access_policy_association", "caller")[0]["values"]["policy_arn"].endswith("/AmazonEKSClusterAdminPolicy")
    assert plan["planned_values"]["outputs"]["caller_role_arn"]["value"].startswith("arn:aws:")


def test_s04_a_granted_role_gets_its_policy_in_its_namespaces(plans):
    granted = values(plans(**FULL), "aws_eks_access_policy_association", "granted")[0]
    assert granted["policy_arn"].endswith("/AmazonEKSViewPolicy") and granted["access_scope"] == [{"namespaces": ["models"], "type": "namespace"}]


def test_s05_each_component_has_a_role_that_only_pod_identity_can_hand_out(plan):
    name = values(plan, "aws_eks_cluster")[0]["name"]
    trusts = [json.loads(role["assume_role_policy"])["Statement"] for role in values(plan, "aws_iam_role", "component") + values(plan, "aws_iam_role", "karpenter_controller")]
    for statement in (s for trust in trusts for s in trust):
        assert set(as_list(statement["Action"])) == {"sts:AssumeRole", "sts:TagSession"}
        assert statement["Principal"] == {"Service": "pods.eks.amazonaws.com"}
        assert statement["Condition"]["ArnEquals"]["aws:SourceArn"].endswith(f":cluster/{name}")
    associations = values(plan, "aws_eks_pod_identity_association")
    assert len(associations) == len(trusts) and len({(a["namespace"], a["service_account"]) for a in associations}) == len(associations)


# Write actions that AWS can limit by nothing but a tag of the request.
LOOKING = re.compile(r"^[a-z0-9-]+:(Describe|Get|List|Batch(Get|Check))|^kms:Decrypt$|^sqs:ReceiveMessage$|^pricing:")


def statements_of_configuration(plan):
    """(address, statement) of all policy documents, expressions as written: unknown ARNs are references there."""
    for resource in plan["configuration"]["root_module"]["resources"]:
        if resource["type"] == "aws_iam_policy_document":
            for statement in resource["expressions"].get("statement", []):
                yield resource["address"], statement


def test_s05_no_write_action_has_every_resource(plan):
    for address, statement in statements_of_configuration(plan):
        if "key" in address:  # in a key policy "*" is the key itself
            continue
        actions = statement["actions"].get("constant_value", [])
        if statement.get("resources", {}).get("constant_value") == ["*"] and statement.get("effect", {}).get("constant_value") != "Deny":
            assert [action for action in actions if not LOOKING.match(action)] == [], f"{address} writes on *"
        assert not any(action.endswith("*") for action in actions if statement.get("effect", {}).get("constant_value") != "Deny"), f"{address} has a wildcard action"


CREATES = re.compile(r"^(ec2:(RunInstances|CreateFleet|CreateLaunchTemplate|CreateSecurityGroup|CreateTags)|elasticloadbalancing:Create(LoadBalancer|TargetGroup)|iam:CreateInstanceProfile)$")
# Things that others made and an instance is started from; a group's VPC, which is ours.
STARTED_FROM = {"StartFrom", "StartFromOwnLaunchTemplates", "SecurityGroupInOurVpc"}


def test_s05_what_is_created_must_carry_the_clusters_tag(plans):
    text = "\n".join(path.read_text() for path in FOLDER.glob("policy-*.tf"))
    for block in re.findall(r"\n  statement \{\n(.*?)\n  \}\n", text, re.S):
        sid = re.search(r'sid\s+= "(\w+)"', block).group(1)
        if sid in STARTED_FROM:
            continue
        if any(CREATES.match(action) for action in re.findall(r'"([a-z0-9]+:[A-Za-z*]+)"', block)):
            assert "aws:RequestTag/" in block or "aws:ResourceTag/" in block, f"{sid} creates without a tag condition"


def test_s06_core_nodes_take_imdsv2_with_one_hop(plans):
    for template in values(plans(**VARIANTS["default"]), "aws_launch_template"):
        assert template["metadata_options"][0]["http_tokens"] == "required"
        assert template["metadata_options"][0]["http_put_response_hop_limit"] == 1


def test_s07_ports_are_enumerated_everywhere_but_in_the_efa_group(plan):
    rules = resources(plan, "aws_vpc_security_group_ingress_rule") + resources(plan, "aws_vpc_security_group_egress_rule")
    assert rules
    for rule in rules:
        value = rule["values"]
        if rule["name"] == "efa":
            assert value["ip_protocol"] == "-1" and not value.get("cidr_ipv4")
            continue
        assert value["ip_protocol"] in ("tcp", "udp") and value["from_port"] and value["to_port"], rule["address"]
        assert value["from_port"] == value["to_port"] or (value["from_port"], value["to_port"]) == (1024, 65535), rule["address"]
        if value.get("cidr_ipv4") == "0.0.0.0/0":
            assert rule["type"].endswith("egress_rule") and value["from_port"] == 443


def test_s07_exactly_one_group_carries_the_cluster_tag(plan):
    name = values(plan, "aws_eks_cluster")[0]["name"]
    tagged = [group["name"] for group in resources(plan, "aws_security_group") if f"kubernetes.io/cluster/{name}" in (group["values"]["tags"] or {})]
    assert tagged == ["node"]


def test_s08_flow_logs_are_on_the_default_group_is_closed_and_s3_needs_no_nat(plan):
    assert values(plan, "aws_flow_log")[0]["traffic_type"] == "ALL"
    closed = values(plan, "aws_default_security_group")[0]
    assert not closed.get("ingress") and not closed.get("egress")
    assert [endpoint["vpc_endpoint_type"] for endpoint in values(plan, "aws_vpc_endpoint", "s3")] == ["Gateway"]


def test_s08_interface_endpoints_are_made_for_what_is_named(plans):
    assert {e["service_name"] for e in values(plans(**FULL), "aws_vpc_endpoint", "interface")} == {f"com.amazonaws.us-west-2.{s}" for s in ("ecr.api", "ecr.dkr", "sts")}


def test_s09_every_volume_bucket_and_repository_is_encrypted(plans):
    full = plans(**FULL)
    disks = [disk["ebs"][0] for template in values(full, "aws_launch_template") for disk in template["block_device_mappings"]]
    assert len(disks) == 2 and all(disk["encrypted"] in (True, "true") for disk in disks)
    configured = {r["address"]: r.get("expressions", {}) for r in full["configuration"]["root_module"]["resources"]}
    assert values(full, "aws_s3_bucket_server_side_encryption_configuration")[0]["rule"][0]["apply_server_side_encryption_by_default"][0]["sse_algorithm"] == "aws:kms"
    assert values(full, "aws_ecr_repository")[0]["encryption_configuration"][0]["encryption_type"] == "KMS"
    assert values(full, "aws_sqs_queue")[0]["sqs_managed_sse_enabled"] is True
    assert "aws_kms_key.secrets.arn" in configured["aws_secretsmanager_secret.huggingface"]["kms_key_id"]["references"]


def test_s16_terraform_holds_no_secret(plan):
    kinds = {resource["type"] for resource in plan["planned_values"]["root_module"]["resources"]}
    assert "aws_secretsmanager_secret_version" not in kinds and "random_password" not in kinds
    assert values(plan, "aws_secretsmanager_secret")[0]["recovery_window_in_days"] == 0
    assert not [name for name in plan["configuration"]["root_module"]["variables"] if re.search(r"token|password|secret", name)]


def test_s19_the_folder_has_no_backend_of_its_own():
    text = "\n".join(path.read_text() for path in FOLDER.glob("*.tf"))
    assert not re.search(r'backend\s+"', text)


def test_s19_state_in_s3_is_encrypted_and_locked(tmp_path, quiet_emulator, plugins):
    from terraform import Terraform
    s3 = quiet_emulator.client("s3")
    s3.create_bucket(Bucket="state-of-s19", CreateBucketConfiguration={"LocationConstraint": "us-west-2"})
    workspace = Terraform(tmp_path / "terraform", quiet_emulator.endpoint, plugins)
    workspace.use_s3_state("state-of-s19")
    workspace.init()
    s3.put_object(Bucket="state-of-s19", Key="terraform.tfstate.tflock", Body=json.dumps({
        "ID": "6d1e", "Operation": "OperationTypeApply", "Info": "", "Who": "someone@elsewhere", "Version": "1.11.4", "Created": "2026-11-24T00:00:00Z", "Path": "state-of-s19/terraform.tfstate"}))
    workspace.variables(name="locked")
    with pytest.raises(AssertionError, match="someone@elsewhere"):
        workspace.plan()


def test_s20_terraform_and_provider_are_pinned_with_checksums():
    text = (FOLDER / "versions.tf").read_text()
    assert re.search(r'version\s*= "= 5\.100\.0"', text) and "required_version" in text
    lock = (FOLDER / ".terraform.lock.hcl").read_text()
    assert 'version     = "5.100.0"' in lock and lock.count('"zh:') >= 14 and lock.count('"h1:') >= 1
    assert not re.search(r'^module "', "\n".join(path.read_text() for path in FOLDER.glob("*.tf")), re.M)


def test_every_taggable_resource_carries_the_environments_tags(plan):
    name = values(plan, "aws_eks_cluster")[0]["name"]
    for resource in plan["planned_values"]["root_module"]["resources"]:
        if "tags_all" in resource["values"]:
            assert resource["values"]["tags_all"].get("slipway.dev/environment") == name, resource["address"]
            assert resource["values"]["tags_all"].get("slipway.dev/managed-by") == "slipway", resource["address"]
    for template in values(plan, "aws_launch_template"):
        specifications = {s["resource_type"]: s["tags"] for s in template["tag_specifications"]}
        assert set(specifications) == {"instance", "volume", "network-interface"}
        assert all(tags["slipway.dev/environment"] == name for tags in specifications.values())


def test_iam_names_carry_the_region(plan):
    names = [role["name"] for role in values(plan, "aws_iam_role")]
    assert names and all("-us-west-2-" in name for name in names)


# checkov, the outside opinion. Its exceptions stand in the files, each with a reason.

def checkov(*arguments):
    program = os.environ.get("SLIPWAY_CHECKOV") or str(pathlib.Path.home() / ".cache/slipway-tests/cloud/checkov/bin/checkov")
    if not pathlib.Path(program).exists():
        pytest.skip("needs checkov, which tools/cloud-setup installs")
    environment = {**os.environ, "LOG_LEVEL": "ERROR", "CHECKOV_RUN_SCA_PACKAGE_SCAN": "false"}
    done = subprocess.run([program, "--compact", "--quiet", "--skip-download", "-o", "json", *arguments], capture_output=True, text=True, env=environment)
    assert done.stdout.strip(), done.stderr[-2000:]
    report = json.loads(done.stdout)
    return report[0] if isinstance(report, list) else report


def findings(report):
    return sorted(f"{check['check_id']} {check['resource']} {check['check_name']}" for check in report["results"]["failed_checks"])


def test_s21_checkov_finds_nothing_in_the_folder():
    report = checkov("-d", str(FOLDER), "--framework", "terraform")
    assert findings(report) == []
    assert report["summary"]["passed"] > 100


@pytest.mark.parametrize("variant", VARIANTS)
def test_s21_checkov_finds_nothing_in_the_plan(plans, tmp_path, variant):
    (tmp_path / "plan.json").write_text(json.dumps(plans(**VARIANTS[variant])))
    report = checkov("-f", str(tmp_path / "plan.json"), "--framework", "terraform_plan", "--repo-root-for-plan-enrichment", str(FOLDER))
    assert findings(report) == []
    assert report["summary"]["passed"] > 50


def test_s21_every_exception_from_checkov_has_a_reason():
    skips = [line for path in FOLDER.glob("*.tf") for line in path.read_text().splitlines() if "checkov:skip" in line]
    assert skips and all(re.search(r"checkov:skip=CKV2?_AWS_\d+:.{20,}", line) for line in skips)
