"""The whole `slipway up` and `slipway down` with the real Terraform and the real AWS CLI on the emulated AWS; Helm and kubectl are fakes.

kill -9 strikes at four spread records on the way up and at four on the way down; what controllers would have made is planted in between.
"""
import json
import os
import pathlib
import shutil
import sqlite3
import subprocess
import sys

import pytest

from terraform import SERVICES

ROOT = pathlib.Path(__file__).resolve().parents[2]
BIN = pathlib.Path(os.environ.get("SLIPWAY_TEST_BIN", ROOT / "build/dev/bin")) / "slipway"
NAME, REGION, KILLED = "inference", "us-west-2", -9
NEEDS = "needs {}"

sys.path.insert(0, str(ROOT / "tests/environment"))


@pytest.fixture
def place(tmp_path, quiet_emulator, plugins):
    if not BIN.exists():
        pytest.skip(NEEDS.format(f"{BIN}: cmake --build --preset dev --target slipway, or SLIPWAY_TEST_BIN"))
    if shutil.which("aws") is None:
        pytest.skip(NEEDS.format("the AWS CLI on PATH (pip install awscli)"))
    os.environ.setdefault("SLIPWAY_TEST_BIN", str(BIN.parent))
    return Place(tmp_path, quiet_emulator, plugins)


class Place:
    """A home with fake helm and kubectl, and Terraform's files pointed at the emulator."""

    def __init__(self, folder, emulator, plugins):
        from harness import PROGRAMS, fresh, settle_in
        self.folder, self.emulator = folder, emulator
        emulator.call("quotas", {"ec2/L-1216C47A": 64})  # a new account has 5
        programs = folder / "bin"
        programs.mkdir()
        for name in ("helm", "kubectl"):
            (programs / name).symlink_to(PROGRAMS / name)
        settle_in(folder, fresh())
        (folder / "env.tfvars").write_text(f'name = "{NAME}"\nregion = "{REGION}"\neks_cluster_version = "1.34"\navailability_zones_count = 2\n'
                                           'allowed_inbound_cidrs = ["203.0.113.0/24"]\nenable_aws_load_balancer_controller = true\n')
        terraform = folder / "slipway/state" / NAME / "platform/terraform"
        terraform.mkdir(parents=True)
        endpoints = "\n".join(f'    {service} = "{emulator.endpoint}"' for service in SERVICES)
        (terraform / "emulator_override.tf").write_text(
            'provider "aws" {\n  access_key = "emulated"\n  secret_key = "emulated"\n  skip_credentials_validation = true\n'
            f"  skip_metadata_api_check = true\n  s3_use_path_style = true\n  endpoints {{\n{endpoints}\n  }}\n}}\n")
        (folder / "terraformrc").write_text(f'provider_installation {{\n  filesystem_mirror {{\n    path = "{plugins}"\n  }}\n}}\n' if plugins else "")
        self.environment = {
            "HOME": str(folder), "PATH": f"{programs}:{os.environ['PATH']}", "PYENV_ROOT": os.environ.get("PYENV_ROOT", str(pathlib.Path.home() / ".pyenv")),
            "SLIPWAY_HOME": str(folder / "slipway"), "SLIPWAY_FAULT_PAUSE_MS": "200", "SLIPWAY_ADDRESS_URL": "http://127.0.0.1:1/", "NO_COLOR": "1",
            "AWS_ENDPOINT_URL": emulator.endpoint, "AWS_ACCESS_KEY_ID": "emulated", "AWS_SECRET_ACCESS_KEY": "emulated", "AWS_EC2_METADATA_DISABLED": "true",
            "TF_CLI_CONFIG_FILE": str(folder / "terraformrc"), "ASAN_OPTIONS": "detect_leaks=0"}

    def run(self, *arguments, kill_at=None):
        environment = self.environment | ({"SLIPWAY_FAULT_KILL_AT": str(kill_at)} if kill_at else {})
        return subprocess.run([str(BIN), *arguments], env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True)

    def up(self, **options):
        return self.run("up", "-f", str(self.folder / "env.tfvars"), "--yes", **options)

    def down(self, **options):
        return self.run("down", "-f", str(self.folder / "env.tfvars"), "--confirm", NAME, "-o", "json", **options)

    def last(self):
        file = self.folder / "slipway/state" / NAME / "journal.db"
        if not file.exists():
            return 0
        with sqlite3.connect(f"file:{file}?mode=ro", uri=True) as database:
            return database.execute("SELECT COALESCE(MAX(seq), 0) FROM records").fetchone()[0]

    def killed_on_the_way(self, verb, records):
        """Runs that die `records` further on each time, and one that ends."""
        for further in records:
            dead = getattr(self, verb)(kill_at=self.last() + further)
            assert dead.returncode == KILLED, dead.stdout + dead.stderr
        ran = getattr(self, verb)()
        assert ran.returncode == 0, ran.stdout + ran.stderr
        return ran


def names(inventory):
    return sorted(f"{kind} {thing['name']}" for kind, things in inventory.items() for thing in things if kind != "kms/key-pending-deletion")


def plant(emulator):
    """What the load balancer controller, Karpenter and the CSI driver would have made, and what EKS and a backup left."""
    ec2, elb = emulator.client("ec2", REGION), emulator.client("elbv2", REGION)
    vpc = next(v["VpcId"] for v in ec2.describe_vpcs(Filters=[{"Name": "tag:slipway.dev/environment", "Values": [NAME]}])["Vpcs"])
    subnets = [s["SubnetId"] for s in ec2.describe_subnets(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["Subnets"]][:2]
    owned = [{"Key": f"kubernetes.io/cluster/{NAME}", "Value": "owned"}]
    group = ec2.create_security_group(GroupName="k8s-web", Description="web", VpcId=vpc)["GroupId"]
    ec2.create_tags(Resources=[group], Tags=owned)
    tags = [{"Key": "elbv2.k8s.aws/cluster", "Value": NAME}]
    elb.create_load_balancer(Name="k8s-web", Subnets=subnets, Type="network", Tags=tags)
    elb.create_target_group(Name="k8s-web", Protocol="TCP", Port=80, VpcId=vpc, Tags=tags)
    ec2.create_network_interface(SubnetId=subnets[0], Groups=[group])
    nodes = next(g["GroupId"] for g in ec2.describe_security_groups(Filters=[{"Name": "vpc-id", "Values": [vpc]}])["SecurityGroups"]
                 if g["GroupName"] not in ("default", "k8s-web"))
    ec2.authorize_security_group_ingress(GroupId=nodes, IpPermissions=[
        {"IpProtocol": "tcp", "FromPort": 8000, "ToPort": 8000, "UserIdGroupPairs": [{"GroupId": group}]}])
    volume = ec2.create_volume(AvailabilityZone=f"{REGION}a", Size=20, TagSpecifications=[{"ResourceType": "volume", "Tags": owned}])["VolumeId"]
    ec2.create_snapshot(VolumeId=volume, TagSpecifications=[{"ResourceType": "snapshot", "Tags": owned}])
    emulator.client("logs", REGION).create_log_group(logGroupName=f"/aws/containerinsights/{NAME}/performance")


@pytest.mark.parametrize("api_alive", [True, False])
def test_killed_at_spread_records_up_and_down_end_where_they_should(place, api_alive):
    before = names(place.emulator.inventory())
    place.killed_on_the_way("up", [3, 4, 7, 12] if api_alive else [])
    tagged = place.emulator.inventory(f"slipway.dev/environment={NAME}")
    assert len(tagged["eks/cluster"]) == 1 and len(tagged["ec2/vpc"]) == 1, tagged
    again = place.up()
    assert again.returncode == 0 and "to create" not in again.stderr, again.stderr
    plant(place.emulator)
    world = json.loads((place.folder / "world.json").read_text())
    # A load balancer's Service whose controller never lets go of it, and a set without one.
    world["objects"] |= {"Service/web/web": {"spec": {"type": "LoadBalancer"}, "finalizer": True}, "StatefulSet/web/db": {}}
    (place.folder / "world.json").write_text(json.dumps(world | {"api_alive": api_alive, "faults": {"stuck": "Service"}}))
    ran = place.killed_on_the_way("down", [2, 5, 9, 4] if api_alive else [2, 3])
    receipt = json.loads(ran.stdout)
    assert receipt["left"] == [] and not receipt["billable"]
    assert len(receipt["keys_pending_deletion"]) == 2
    assert names(place.emulator.inventory()) == before
