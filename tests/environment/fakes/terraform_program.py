"""A fake Terraform: a fixed folder of resources, a state that is written after each of them, locks and interrupted runs."""
import json
import os
import re

from world import ACCOUNT, end

NAME = "inference"
REGION = "us-west-2"
VPC = {"vpc": "aws_vpc.this"}
# address: kind, id (None: AWS invents one), attributes; an id or a "name" is unique in its kind
RESOURCES = {
    "aws_kms_key.data": ("kms/key", None, {"description": f"{NAME}: data", "state": "Enabled"}),
    "aws_kms_alias.data": ("kms/alias", f"alias/slipway/{NAME}/data", {"key": "aws_kms_key.data"}),
    "aws_vpc.this": ("ec2/vpc", None, {}),
    "aws_subnet.node": ("ec2/subnet", None, VPC),
    "aws_internet_gateway.this": ("ec2/internet-gateway", None, VPC),
    "aws_eip.nat": ("ec2/elastic-ip", None, {}),
    "aws_nat_gateway.this": ("ec2/nat-gateway", None, VPC | {"state": "available"}),
    "aws_security_group.node": ("ec2/security-group", None, VPC | {"name": f"{NAME}-node"}),
    "aws_launch_template.core": ("ec2/launch-template", None, {"name": f"{NAME}-core"}),
    "aws_cloudwatch_log_group.cluster": ("logs/log-group", f"/aws/eks/{NAME}/cluster", {}),
    "aws_iam_role.cluster": ("iam/role", f"{NAME}-{REGION}-cluster", {}),
    "aws_secretsmanager_secret.huggingface": ("secretsmanager/secret", f"slipway/{NAME}/huggingface-token", {}),
    "aws_sqs_queue.interruption": ("sqs/queue", f"https://sqs/{ACCOUNT}/{NAME}-interruption", {}),
    "aws_eks_cluster.this": ("eks/cluster", NAME, {"associations": ["a-1"]}),
    "aws_eks_node_group.core": ("eks/node-group", "core-1", {}),
}
TAGS = {"slipway.dev/environment": NAME, "slipway.dev/managed-by": "slipway"}


class Folder:
    """One -chdir: its backend's state, its saved plan."""

    def __init__(self, path, world):
        self.path, self.world = path, world
        backend = open(os.path.join(path, "backend_override.tf")).read()
        self.bucket = None
        if 'backend "s3"' in backend:
            self.bucket = re.search(r'bucket\s*=\s*"([^"]+)"', backend)[1]
        else:
            self.file = re.search(r'path\s*=\s*"([^"]+)"', backend)[1]

    def store(self):
        bucket = self.world.things.get(f"s3/bucket/{self.bucket}")
        if bucket is None:
            end(1, err=f"Error: S3 bucket {self.bucket} does not exist\n")
        return bucket["objects"]

    def state(self):
        if self.bucket:
            return json.loads(self.store().get("terraform.tfstate", "{}"))
        return json.load(open(self.file)) if os.path.exists(self.file) else {}

    def write(self, state):
        if self.bucket:
            self.store()["terraform.tfstate"] = json.dumps(state)
            return
        with open(self.file + ".new", "w") as out:
            json.dump(state, out)
        os.rename(self.file + ".new", self.file)

    def lock(self):
        """The S3 backend's lock file; a local state's lock ends with its process."""
        if not self.bucket:
            return
        held = self.store().get("terraform.tfstate.tflock")
        if held:
            end(1, err=f'Error: Error acquiring the state lock\n\nLock Info:\n  ID:        {held}\n  Who:       {self.world.data["lock_who"]}\n')
        self.store()["terraform.tfstate.tflock"] = "0c0ffee0-0000-0000-0000-000000000001"

    def unlock(self):
        if self.bucket and self.bucket in str(self.world.things):
            self.store().pop("terraform.tfstate.tflock", None)


def live_state(folder):
    """The state without what is gone, as a refresh leaves it."""
    return {address: key for address, key in folder.state().items() if key in folder.world.things}


def planned(folder, destroy):
    state = live_state(folder)
    version = json.load(open(os.path.join(folder.path, "slipway.auto.tfvars.json")))["eks_cluster_version"]
    if destroy:
        return [{"address": a, "do": "delete"} for a in reversed(RESOURCES) if a in state]
    out = [{"address": a, "do": "create"} for a in RESOURCES if a not in state]
    cluster = state.get("aws_eks_cluster.this")
    if cluster and folder.world.things[cluster].get("version") != version:
        out.append({"address": "aws_eks_cluster.this", "do": "update"})
    return out


def say(world, event):
    world.say(json.dumps(event) + "\n")


def diagnostic(world, address, summary):
    say(world, {"type": "diagnostic", "diagnostic": {"severity": "error", "summary": summary, "detail": "", "address": address}})


def create(world, state, address, version):
    kind, ident, attributes = RESOURCES[address]
    key = f"{kind}/{ident}"
    same_name = [t for t in world.of(kind) if attributes.get("name") and t.get("name") == attributes["name"]]
    if same_name or (ident and key in world.things):
        return f"creating {key}: operation error: EntityAlreadyExists: {ident or attributes['name']} already exists"
    ident = ident or world.new_id(kind.split("/")[1])
    filled = {k: state[v].split("/", 2)[2] if str(v) in RESOURCES else v for k, v in attributes.items()}
    world.make(kind, ident, dict(TAGS), **filled)
    world.count(address)
    if kind == "eks/cluster":
        world.things[f"{kind}/{ident}"]["version"] = version
    if kind == "eks/node-group":
        for number in (1, 2):
            world.make("ec2/instance", f"i-core{number}", TAGS | {"eks:nodegroup-name": ident}, vpc=state["aws_vpc.this"].split("/", 2)[2])
    state[address] = f"{kind}/{ident}"
    return None


def remove(world, state, address):
    key = state[address]
    thing = world.things.get(key)
    if thing:
        inside = [t for t in world.things.values() if t.get("vpc") == thing["id"]] if thing["kind"] == "ec2/vpc" else []
        foreign = [t for t in world.things.values() if t["kind"] in ("elb/load-balancer", "ec2/network-interface") and t.get("vpc") == thing.get("vpc")]
        if inside or (thing["kind"] in ("ec2/subnet", "ec2/internet-gateway") and foreign):
            return f"deleting {key}: operation error EC2: Delete, https response error StatusCode: 400, api error DependencyViolation: in use"
        if thing["kind"] == "kms/key":
            thing["state"] = "PendingDeletion"
        else:
            world.drop(thing["kind"], thing["id"])
        if thing["kind"] == "eks/node-group":
            for t in [t for t in world.of("ec2/instance") if t["tags"].get("eks:nodegroup-name") == thing["id"]]:
                world.drop(t["kind"], t["id"])
    del state[address]
    return None


def apply(folder):
    world = folder.world
    plan = json.load(open(os.path.join(folder.path, "slipway.tfplan")))
    version = json.load(open(os.path.join(folder.path, "slipway.auto.tfvars.json")))["eks_cluster_version"]
    state = live_state(folder)
    folder.lock()
    failed = False
    for change in plan:
        address = change["address"]
        say(world, {"type": "apply_start", "hook": {"resource": {"addr": address}}})
        problem = None
        if world.faults.get("expired_in_apply") == address:
            problem = "operation error EC2: CreateVpc, https response error StatusCode: 400, api error ExpiredToken: the token has expired"
        elif world.faults.get("capacity") == address:
            problem = "operation error EKS: CreateNodegroup, https response error StatusCode: 400, api error InsufficientInstanceCapacity: none left"
        elif change["do"] == "create":
            problem = create(world, state, address, version)
        elif change["do"] == "delete":
            problem = remove(world, state, address)
        else:
            world.things[state[address]]["version"] = version
        if problem:
            diagnostic(world, address, problem)
            failed = True
            break
        world.die_if(f"after {change['do']} {address}")  # made, and not in any state
        if not world.faults.get("state_cannot_be_saved"):
            folder.write(state)
        say(world, {"type": "apply_complete", "hook": {"resource": {"addr": address}}})
    folder.unlock()
    if world.faults.pop("state_cannot_be_saved", False):
        with open(os.path.join(folder.path, "errored.tfstate"), "w") as out:
            json.dump(state, out)
        diagnostic(world, "", "Failed to save state")
        return 1
    folder.write(state)
    return 1 if failed else 0


def name_of(address):
    _, ident, attributes = RESOURCES[address]
    return ident or attributes.get("name")


def outputs(folder):
    state = live_state(folder)
    if "aws_eks_cluster.this" not in state:
        return {}
    values = {"cluster_name": NAME, "cluster_version": "1.35", "cluster_endpoint": "https://cluster.example", "cluster_certificate_authority_data": "Q0E=",
              "region": REGION, "account_id": ACCOUNT, "partition": "aws", "vpc_id": state["aws_vpc.this"].split("/", 2)[2], "node_subnet_ids": ["subnet-1"],
              "node_role_name": f"{NAME}-node", "node_role_arn": "arn", "interruption_queue_name": f"{NAME}-interruption", "node_security_group_id": "sg-1",
              "efa_security_group_id": "", "cluster_security_group_id": "sg-2", "models_bucket": "", "huggingface_secret_name": "s", "ecr_repository_url": "",
              "caller_role_arn": "arn", "kms_key_arn": "arn:key", "kms_secrets_key_arn": "arn:key2",
              "configure_kubectl": f"aws eks update-kubeconfig --region {REGION} --name {NAME}"}
    return {name: {"value": value} for name, value in values.items()}


def main(world, arguments, _):
    if arguments == ["version"]:
        end(0, "Terraform v1.11.4\non linux_amd64\n")
    path = arguments.pop(0).removeprefix("-chdir=")
    verb, rest = arguments[0], arguments[1:]
    folder = Folder(path, world)
    if verb == "init":
        if folder.bucket:
            folder.store()
        end(0)
    if verb == "plan":
        folder.lock()
        plan = planned(folder, "-destroy" in rest)
        folder.unlock()
        json.dump(plan, open(os.path.join(path, "slipway.tfplan"), "w"))
        end(2 if plan else 0)
    if verb == "show":
        plan = json.load(open(os.path.join(path, "slipway.tfplan")))
        named = [{"address": c["address"], "type": c["address"].split(".")[0], "mode": "managed",
                  "change": {"actions": [c["do"]], "after": {"name": name_of(c["address"])}}} for c in plan]
        end(0, json.dumps({"resource_changes": named}))
    if verb == "apply":
        end(apply(folder))
    if verb == "output":
        end(0, json.dumps(outputs(folder)))
    if verb == "import":
        address, ident = rest[-2:]
        state = live_state(folder)
        state[address] = f"{RESOURCES[address][0]}/{RESOURCES[address][1] or ident}"
        folder.write(state)
        world.count("import " + address)
        end(0)
    if arguments[:2] == ["state", "push"]:
        with open(os.path.join(path, rest[1])) as pushed:
            folder.write(json.load(pushed))
        world.count("state push")
        end(0)
    if verb == "force-unlock":
        folder.unlock()
        end(0)
    end(1, err=f"the fake Terraform does not know {verb}\n")
