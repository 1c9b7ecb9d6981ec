"""Refusals of EC2 that moto leaves out and a take-down depends on: what is still in use cannot be deleted.

Load balancers hold interfaces in their subnets, as real ones do: `balancer_interfaces` makes and removes them around the
calls that create and delete load balancers.
"""
import re

from .wire import ACCOUNT, AwsError


def _backend(region):
    from moto.ec2.models import ec2_backends
    return ec2_backends[ACCOUNT][region]


def _violation(kind, ident, what):
    return AwsError(400, "DependencyViolation", f"The {kind} '{ident}' has dependencies and cannot be deleted. ({what})")


def check(request):
    """Raises DependencyViolation where EC2 would."""
    if request.service != "ec2":
        return
    ec2, fields = _backend(request.region), request.fields
    if request.operation == "DeleteSubnet":
        subnet = fields.get("SubnetId")
        for eni in ec2.enis.values():
            if eni.subnet.id == subnet and not _gone(eni):
                raise _violation("subnet", subnet, eni.id)
    elif request.operation == "DeleteSecurityGroup":
        group = fields.get("GroupId")
        for eni in ec2.enis.values():
            if not _gone(eni) and group in {g.id for g in eni.group_set}:
                raise _violation("resource", group, eni.id)
        for groups in ec2.groups.values():
            for other in groups.values():
                rules = [*other.ingress_rules, *other.egress_rules]
                if other.id != group and any(group == rule.source_group.get("GroupId") for rule in rules):
                    raise _violation("resource", group, f"a rule of {other.id} names it")
    elif request.operation == "DeleteVpc":
        vpc = fields.get("VpcId")
        for group in ec2.groups.get(vpc, {}).values():
            if group.name != "default":
                raise _violation("vpc", vpc, group.id)
    elif request.operation == "DeleteNetworkInterface":
        eni = ec2.enis.get(fields.get("NetworkInterfaceId"))
        if eni is not None and eni.status == "in-use":
            raise AwsError(400, "InvalidParameterValue", f"Network interface '{eni.id}' is currently in use.")
    elif request.operation == "DetachInternetGateway":
        vpc = fields.get("VpcId")
        for eni in ec2.enis.values():
            if eni.subnet.vpc_id == vpc and getattr(eni, "emulator_public", False):
                raise AwsError(400, "DependencyViolation", f"Network {vpc} has some mapped public address(es). Please unmap those public address(es) before detaching the gateway.")


def _gone(eni):
    return eni.instance is not None and eni.instance.state == "terminated"


def balancer_interfaces(request, status):
    """After a successful call to ELBv2: one interface a subnet for each load balancer, none for those that are gone."""
    if request.service != "elasticloadbalancing" or status >= 400 or request.operation not in ("CreateLoadBalancer", "DeleteLoadBalancer"):
        return
    from moto.elbv2.models import elbv2_backends
    ec2, elb = _backend(request.region), elbv2_backends[ACCOUNT][request.region]
    held = {eni.description: eni for eni in ec2.enis.values() if eni.description.startswith("ELB ")}
    wanted = {}
    for balancer in elb.load_balancers.values():
        # moto names every balancer app/...; the interface's description tells the kinds apart, as on AWS.
        kind = "net" if balancer.type == "network" else "app"
        name = re.sub(r"^.*:loadbalancer/app/", f"{kind}/", balancer.arn)
        for subnet in balancer.subnets:
            subnet_id = subnet if isinstance(subnet, str) else subnet.id
            wanted[f"ELB {name} {subnet_id}"] = (subnet_id, balancer)
    for description, eni in held.items():
        if description not in wanted:
            ec2.enis.pop(eni.id)
    for description, (subnet_id, balancer) in wanted.items():
        if description not in held:
            eni = ec2.create_network_interface(subnet_id, None, group_ids=list(balancer.security_groups or []), description=description)
            eni.status, eni.requester_managed = "in-use", True
            eni.emulator_public = balancer.scheme == "internet-facing"
