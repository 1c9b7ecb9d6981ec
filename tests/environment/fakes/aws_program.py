"""A fake of the AWS CLI: the calls that Slipway makes, with AWS's refusals."""
import hashlib
import json

from world import ACCOUNT, end

REGION = "us-west-2"


class Refused(Exception):
    pass


def pairs(tags):
    return [{"Key": k, "Value": v} for k, v in sorted(tags.items())]


def named(world, kind, ident, what="ResourceNotFoundException"):
    thing = world.things.get(f"{kind}/{ident}")
    if not thing:
        raise Refused(what, f"{ident} does not exist")
    return thing


def filtered(things, given):
    """EC2's filters: by tag, by tag key, by VPC."""
    for one in given:
        name, values = one["Name"], one["Values"]
        if name.startswith("tag:"):
            things = [t for t in things if t["tags"].get(name[4:]) in values]
        elif name == "tag-key":
            things = [t for t in things if set(t["tags"]) & set(values)]
        elif name.endswith("ip-permission.group-id"):
            things = []  # no rule names a group
        elif name in ("vpc-id", "attachment.vpc-id", "resource-id"):
            things = [t for t in things if t.get("vpc") in values]
    return things


EC2 = {  # operation: kind, list, id, more attributes
    "describe-vpcs": ("ec2/vpc", "Vpcs", "VpcId", {}),
    "describe-subnets": ("ec2/subnet", "Subnets", "SubnetId", {"vpc": "VpcId"}),
    "describe-nat-gateways": ("ec2/nat-gateway", "NatGateways", "NatGatewayId", {"vpc": "VpcId", "state": "State"}),
    "describe-internet-gateways": ("ec2/internet-gateway", "InternetGateways", "InternetGatewayId", {}),
    "describe-vpc-endpoints": ("ec2/vpc-endpoint", "VpcEndpoints", "VpcEndpointId", {"vpc": "VpcId"}),
    "describe-network-interfaces": ("ec2/network-interface", "NetworkInterfaces", "NetworkInterfaceId", {"vpc": "VpcId", "state": "Status"}),
    "describe-route-tables": ("ec2/route-table", "RouteTables", "RouteTableId", {"vpc": "VpcId"}),
    "describe-security-groups": ("ec2/security-group", "SecurityGroups", "GroupId", {"vpc": "VpcId", "name": "GroupName"}),
    "describe-flow-logs": ("ec2/flow-log", "FlowLogs", "FlowLogId", {}),
    "describe-volumes": ("ec2/volume", "Volumes", "VolumeId", {"size": "Size", "state": "State"}),
    "describe-snapshots": ("ec2/snapshot", "Snapshots", "SnapshotId", {"size": "VolumeSize"}),
    "describe-addresses": ("ec2/elastic-ip", "Addresses", "AllocationId", {}),
    "describe-launch-templates": ("ec2/launch-template", "LaunchTemplates", "LaunchTemplateId", {"name": "LaunchTemplateName"}),
}
DELETE = {  # operation: kind, key of the input, error name when it is absent
    "ec2 delete-nat-gateway": ("ec2/nat-gateway", "NatGatewayId", "NatGatewayNotFound"),
    "ec2 delete-volume": ("ec2/volume", "VolumeId", "InvalidVolume.NotFound"),
    "ec2 delete-snapshot": ("ec2/snapshot", "SnapshotId", "InvalidSnapshot.NotFound"),
    "ec2 release-address": ("ec2/elastic-ip", "AllocationId", "InvalidAllocationID.NotFound"),
    "ec2 delete-subnet": ("ec2/subnet", "SubnetId", "InvalidSubnetID.NotFound"),
    "ec2 delete-route-table": ("ec2/route-table", "RouteTableId", "InvalidRouteTableID.NotFound"),
    "ec2 delete-internet-gateway": ("ec2/internet-gateway", "InternetGatewayId", "InvalidInternetGatewayID.NotFound"),
    "ec2 delete-network-interface": ("ec2/network-interface", "NetworkInterfaceId", "InvalidNetworkInterfaceID.NotFound"),
    "ec2 delete-security-group": ("ec2/security-group", "GroupId", "InvalidGroup.NotFound"),
    "ec2 delete-vpc": ("ec2/vpc", "VpcId", "InvalidVpcID.NotFound"),
    "ec2 delete-launch-template": ("ec2/launch-template", "LaunchTemplateId", "InvalidLaunchTemplateId.NotFound"),
    "elbv2 delete-load-balancer": ("elb/load-balancer", "LoadBalancerArn", "LoadBalancerNotFound"),
    "elbv2 delete-target-group": ("elb/target-group", "TargetGroupArn", "TargetGroupNotFound"),
    "eks delete-cluster": ("eks/cluster", "name", "ResourceNotFoundException"),
    "eks delete-nodegroup": ("eks/node-group", "nodegroupName", "ResourceNotFoundException"),
    "logs delete-log-group": ("logs/log-group", "logGroupName", "ResourceNotFoundException"),
    "sqs delete-queue": ("sqs/queue", "QueueUrl", "AWS.SimpleQueueService.NonExistentQueue"),
    "events delete-rule": ("events/rule", "Name", "ResourceNotFoundException"),
    "secretsmanager delete-secret": ("secretsmanager/secret", "SecretId", "ResourceNotFoundException"),
    "iam delete-role": ("iam/role", "RoleName", "NoSuchEntity"),
    "iam delete-instance-profile": ("iam/instance-profile", "InstanceProfileName", "NoSuchEntity"),
    "kms delete-alias": ("kms/alias", "AliasName", "NotFoundException"),
    "ecr delete-repository": ("ecr/repository", "repositoryName", "RepositoryNotFoundException"),
    "budgets delete-budget": ("budgets/budget", "BudgetName", "NotFoundException"),
    "s3api delete-bucket": ("s3/bucket", "Bucket", "NoSuchBucket"),
}


def in_use(world, kind, thing):
    """What AWS answers while something stands on the thing, or None."""
    vpc = thing.get("vpc")
    inside = [t for t in world.things.values() if t.get("vpc") == thing["id"]] if kind == "ec2/vpc" else []
    if inside or (kind == "eks/cluster" and world.of("eks/node-group")):
        return "ResourceInUseException" if kind == "eks/cluster" else "DependencyViolation"
    if kind in ("ec2/subnet", "ec2/internet-gateway", "ec2/security-group"):
        users = ("ec2/instance", "ec2/nat-gateway", "elb/load-balancer", "ec2/network-interface")
        if any(t.get("vpc") == vpc and t["kind"] in users for t in world.things.values()):
            return "DependencyViolation"
    if kind == "ec2/volume" and thing.get("state") == "in-use":
        return "VolumeInUse"
    if kind == "ec2/network-interface" and thing.get("owner") == "balancer":
        return "OperationNotPermitted"
    if kind == "elb/target-group" and world.of("elb/load-balancer"):
        return "ResourceInUse"
    if kind == "s3/bucket" and thing.get("objects"):
        return "BucketNotEmpty"
    return None


def after_delete(world, kind, thing):
    if kind == "elb/load-balancer":  # its interfaces go with it
        for t in [t for t in world.of("ec2/network-interface") if t.get("owner") == "balancer"]:
            world.drop(t["kind"], t["id"])
    if kind == "eks/node-group":
        for t in [t for t in world.of("ec2/instance") if t["tags"].get("eks:nodegroup-name") == thing["id"]]:
            world.drop(t["kind"], t["id"])


def delete(world, what, given):
    kind, key, absent = DELETE[what]
    thing = named(world, kind, given[key], absent)
    busy = in_use(world, kind, thing)
    if busy:
        raise Refused(busy, f"{given[key]} is in use")
    world.drop(kind, given[key])
    after_delete(world, kind, thing)
    return {}


def arn_of(thing):
    kind, ident = thing["kind"], thing["id"]
    if kind == "s3/bucket":
        return f"arn:aws:s3:::{ident}"
    if kind == "kms/key":
        return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/{ident}"
    return ident if ident.startswith("arn:") else f"arn:aws:{kind.split('/')[0]}:{REGION}:{ACCOUNT}:{kind.split('/')[1]}/{ident}"


def get_resources(world, given):
    """The tagging API: it learns of a thing some calls after it was made."""
    lag = world.faults.get("tags_lag", 0)
    found = []
    for thing in world.things.values():
        if world.data["calls"] - thing["made_at"] < lag or thing["kind"] in ("iam/role", "kms/alias"):
            continue
        if all(thing["tags"].get(f["Key"]) in f["Values"] for f in given.get("TagFilters", [])):
            found.append({"ResourceARN": arn_of(thing)})
    return {"ResourceTagMappingList": found}


def kms(world, operation, given):
    if operation == "list-aliases":
        return {"Aliases": [{"AliasName": t["id"], "TargetKeyId": t["key"]} for t in world.of("kms/alias")]}
    if operation == "list-keys":
        return {"Keys": [{"KeyId": t["id"]} for t in world.of("kms/key")]}
    if operation == "create-key":
        ident = world.new_id("key")
        world.make("kms/key", ident, {t["TagKey"]: t["TagValue"] for t in given["Tags"]}, description=given["Description"], state="Enabled")
        world.count("kms/key/" + given["Description"])
        return {"KeyMetadata": {"KeyId": ident}}
    if operation == "create-alias":
        if f"kms/alias/{given['AliasName']}" in world.things:
            raise Refused("AlreadyExistsException", "the alias exists")
        world.make("kms/alias", given["AliasName"], key=given["TargetKeyId"])
        return {}
    ident = given["KeyId"]
    if ident.startswith("alias/"):
        ident = named(world, "kms/alias", ident, "NotFoundException")["key"]
    key = named(world, "kms/key", ident.split("/")[-1], "NotFoundException")
    if operation == "describe-key":
        return {"KeyMetadata": {"KeyId": key["id"], "KeyState": key["state"], "Description": key["description"], "DeletionDate": "2026-12-01"}}
    if operation == "list-resource-tags":
        return {"Tags": [{"TagKey": k, "TagValue": v} for k, v in key["tags"].items()]}
    if operation == "schedule-key-deletion":
        if key["state"] == "PendingDeletion":
            raise Refused("KMSInvalidStateException", "is pending deletion")
        key["state"] = "PendingDeletion"
    return {}


def s3api(world, operation, given):
    if operation == "list-buckets":
        return {"Buckets": [{"Name": t["id"]} for t in world.of("s3/bucket")]}
    if operation == "create-bucket":
        if f"s3/bucket/{given['Bucket']}" in world.things:
            raise Refused("BucketAlreadyOwnedByYou", "you own it")
        world.make("s3/bucket", given["Bucket"], objects={})
        world.count("s3/bucket")
        return {}
    bucket = named(world, "s3/bucket", given["Bucket"], "404" if operation == "head-bucket" else "NoSuchBucket")
    if operation == "put-bucket-tagging":
        bucket["tags"] = {t["Key"]: t["Value"] for t in given["Tagging"]["TagSet"]}
    if operation == "get-bucket-tagging":
        return {"TagSet": pairs(bucket["tags"])}
    if operation == "list-object-versions":
        return {"Versions": [{"Key": k, "VersionId": "1"} for k in bucket["objects"]]}
    if operation == "delete-objects":
        for one in given["Delete"]["Objects"]:
            bucket["objects"].pop(one["Key"], None)
    return {}


def ec2(world, operation, given):
    filters = given.get("Filters") or given.get("Filter") or []
    if operation in EC2:
        kind, key, ident, more = EC2[operation]
        found = filtered(world.of(kind), filters)
        for ids in ("GroupIds", "RouteTableIds", "NetworkInterfaceIds"):
            if ids in given:
                found = [named(world, kind, i, "Invalid.NotFound") for i in given[ids]]
        return {key: [{ident: t["id"], "Tags": pairs(t["tags"]), **{name: t[a] for a, name in more.items() if a in t}} for t in found]}
    if operation == "describe-instances":
        return {"Reservations": [{"Instances": [{"InstanceId": t["id"], "InstanceType": t.get("type", "m6i.xlarge"), "VpcId": t.get("vpc", ""),
                                                 "State": {"Name": t.get("state", "running")}, "Tags": pairs(t["tags"])}
                                                for t in filtered(world.of("ec2/instance"), filters)]}]}
    if operation == "describe-availability-zones":
        return {"AvailabilityZones": [{"ZoneName": f"{REGION}{z}", "ZoneId": f"usw2-az{i}"} for i, z in enumerate("abcd", 1)]}
    if operation == "terminate-instances":
        for ident in given["InstanceIds"]:
            thing = named(world, "ec2/instance", ident, "InvalidInstanceID.NotFound")
            world.drop("ec2/instance", ident)
            for volume in world.of("ec2/volume"):
                if volume.get("instance") == thing["id"]:
                    volume["state"] = "available"
        return {}
    if operation == "delete-vpc-endpoints":
        for ident in given["VpcEndpointIds"]:
            world.drop("ec2/vpc-endpoint", ident)
        return {}
    if operation == "delete-flow-logs":
        for ident in given["FlowLogIds"]:
            world.drop("ec2/flow-log", ident)
        return {}
    return {}  # detach, revoke, disassociate: nothing that the world keeps


def listing(world, service, operation, given):
    """Services whose lists are one line each."""
    cluster = world.things.get(f"eks/cluster/{given.get('name') or given.get('clusterName')}")
    if service == "eks" and not cluster:
        raise Refused("ResourceNotFoundException", "No cluster found")
    simple = {
        "elbv2 describe-load-balancers": lambda: {"LoadBalancers": [{"LoadBalancerArn": t["id"], "LoadBalancerName": t["id"][-8:], "VpcId": t["vpc"]}
                                                                    for t in world.of("elb/load-balancer")]},
        "elbv2 describe-target-groups": lambda: {"TargetGroups": [{"TargetGroupArn": t["id"], "TargetGroupName": t["id"][-8:], "VpcId": t["vpc"]}
                                                                  for t in world.of("elb/target-group")]},
        "eks describe-cluster": lambda: {"cluster": {"name": cluster["id"], "status": "ACTIVE", "endpoint": "https://cluster.example", "tags": cluster["tags"],
                                                     "certificateAuthority": {"data": "Q0E="}}},
        "eks list-nodegroups": lambda: {"nodegroups": [t["id"] for t in world.of("eks/node-group")]},
        "eks list-pod-identity-associations": lambda: {"associations": [{"associationId": a} for a in cluster.get("associations", [])]},
        "logs describe-log-groups": lambda: {"logGroups": [{"logGroupName": t["id"]} for t in world.of("logs/log-group")
                                                           if t["id"].startswith(given["logGroupNamePrefix"])]},
        "secretsmanager list-secrets": lambda: {"SecretList": [{"Name": t["id"]} for t in world.of("secretsmanager/secret")]},
        "iam list-roles": lambda: {"Roles": [{"RoleName": t["id"]} for t in world.of("iam/role")]},
        "iam list-role-tags": lambda: {"Tags": pairs(named(world, "iam/role", given["RoleName"], "NoSuchEntity")["tags"])},
        "iam list-instance-profiles": lambda: {"InstanceProfiles": [{"InstanceProfileName": t["id"], "Roles": []} for t in world.of("iam/instance-profile")]},
        "iam list-instance-profile-tags": lambda: {"Tags": pairs(named(world, "iam/instance-profile", given["InstanceProfileName"], "NoSuchEntity")["tags"])},
        "iam get-instance-profile": lambda: {"InstanceProfile": {"Roles": []}},
        "sqs list-queues": lambda: {"QueueUrls": [t["id"] for t in world.of("sqs/queue")]},
        "sqs list-queue-tags": lambda: {"Tags": named(world, "sqs/queue", given["QueueUrl"], "NonExistentQueue")["tags"]},
        "service-quotas get-service-quota": lambda: {"Quota": {"Value": world.data["quotas"].get(given["QuotaCode"], 1000.0)}},
    }
    return simple[f"{service} {operation}"]() if f"{service} {operation}" in simple else {}


def answer(world, service, operation, given):
    what = f"{service} {operation}"
    if what == "sts get-caller-identity":
        return {"Account": world.data["account"], "Arn": f"arn:aws:sts::{world.data['account']}:assumed-role/admin/me"}
    if what == "resourcegroupstaggingapi get-resources":
        return get_resources(world, given)
    if what == "ecr describe-repositories":
        raise Refused("RepositoryNotFoundException", "it does not exist")
    if what == "eks delete-pod-identity-association":
        world.things[f"eks/cluster/{given['clusterName']}"]["associations"].remove(given["associationId"])
        return {}
    if what in ("secretsmanager put-secret-value", "secretsmanager describe-secret"):
        return secret(world, operation, given)
    if what in DELETE:
        return delete(world, what, given)
    part = {"kms": kms, "s3api": s3api, "ec2": ec2}.get(service)
    return part(world, operation, given) if part else listing(world, service, operation, given)


def secret(world, operation, given):
    """A secret of Secrets Manager; of its value only the digest is kept, so that a test can look for it everywhere."""
    thing = named(world, "secretsmanager/secret", given["SecretId"])
    if operation == "put-secret-value":
        thing["digest"] = hashlib.sha256(given["SecretString"].encode()).hexdigest()
        return {"Name": thing["id"]}
    return {"ARN": "arn:aws:secretsmanager:::" + thing["id"], **({"VersionIdsToStages": {"1": ["AWSCURRENT"]}, "LastChangedDate": 1.0} if "digest" in thing else {})}


def main(world, arguments, typed):
    if arguments[:1] == ["--version"]:
        end(0, "aws-cli/2.31.0 Python/3.13 Linux\n")
    service, operation = arguments[:2]
    given = arguments[arguments.index("--cli-input-json") + 1] if "--cli-input-json" in arguments else "{}"
    given = json.loads(typed if given == "file:///dev/stdin" else given)
    called = "".join(word.capitalize() for word in operation.split("-"))
    fault = world.call(" ".join(arguments))
    try:
        if fault:
            raise Refused(*fault)
        out = json.dumps(answer(world, service, operation, given))
    except Refused as refused:
        name, message = refused.args
        end(254, err=f"\nAn error occurred ({name}) when calling the {called} operation (reached max retries: 4): {message}\n")
    end(0, out)
