"""Everything that exists in the emulated account, by service and kind, so that a test can hold after against before.

What has ended counts as gone: terminated instances, deleted gateways. KMS keys that wait for their deletion are listed as
kms/key-pending-deletion. What AWS always has (the default VPC, AWS-managed keys and policies) is left out.
"""
from .wire import ACCOUNT


def _pairs(tags):
    """Tags as moto keeps them, as a dict: a dict, a dict of pairs (IAM), or a list in one of three spellings."""
    if isinstance(tags, dict):
        return {key: value["Value"] if isinstance(value, dict) else value for key, value in tags.items()}
    return {t.get("Key", t.get("key", t.get("TagKey"))): t.get("Value", t.get("value", t.get("TagValue"))) for t in tags or []}


def _ec2():
    from moto.ec2.models import ec2_backends
    for region, ec2 in list(ec2_backends[ACCOUNT].items()):
        default_vpcs = {vpc.id for vpc in ec2.vpcs.values() if vpc.is_default}
        ours = lambda thing: getattr(thing, "vpc_id", None) not in default_vpcs
        found = [
            ("vpc", (vpc for vpc in ec2.vpcs.values() if not vpc.is_default)),
            ("subnet", (subnet for zone in ec2.subnets.values() for subnet in zone.values() if ours(subnet))),
            ("internet-gateway", (gw for gw in ec2.internet_gateways.values() if ours(gw))),
            ("natgateway", (gw for gw in ec2.nat_gateways.values() if gw.state != "deleted")),
            ("elastic-ip", ec2.addresses),
            ("route-table", (table for table in ec2.route_tables.values() if ours(table))),
            ("security-group", (group for groups in ec2.groups.values() for group in groups.values() if ours(group))),
            ("network-interface", (eni for eni in ec2.enis.values() if eni.subnet.vpc_id not in default_vpcs or eni.status != "in-use")),
            ("instance", (i for r in ec2.reservations.values() for i in r.instances if i.state not in ("terminated", "shutting-down"))),
            ("volume", ec2.volumes.values()),
            ("snapshot", (s for s in ec2.snapshots.values() if s.owner_id == ACCOUNT and not s.from_ami)),
            ("launch-template", ec2.launch_templates.values()),
            ("vpc-flow-log", ec2.flow_logs.values()),
            ("vpc-endpoint", (e for e in ec2.vpc_end_points.values() if e.state not in ("deleted", "deleting"))),
            ("key-pair", ec2.key_pairs.values()),
        ]
        for kind, things in found:
            for thing in list(things):
                ident = getattr(thing, "allocation_id", None) or thing.id
                # moto tags addresses by allocation id.
                tags = _pairs(ec2.describe_tags(filters={"resource-id": [ident]}))
                yield "ec2", kind, f"arn:aws:ec2:{region}:{ACCOUNT}:{kind}/{ident}", ident, tags


def _iam():
    from moto.iam.models import iam_backends
    iam = iam_backends[ACCOUNT]["global"]
    for role in list(iam.roles.values()):
        if "/aws-service-role/" not in role.arn:
            yield "iam", "role", role.arn, role.name, _pairs(role.tags)
    for profile in list(iam.instance_profiles.values()):
        yield "iam", "instance-profile", profile.arn, profile.name, _pairs(profile.tags)
    for policy in list(iam.managed_policies.values()):
        if ":aws:policy/" not in policy.arn:
            yield "iam", "policy", policy.arn, policy.name, _pairs(policy.tags)
    for user in list(iam.users.values()):
        yield "iam", "user", user.arn, user.name, _pairs(user.tags)


def _kms():
    from moto.kms.models import kms_backends
    for region, kms in list(kms_backends[ACCOUNT].items()):
        for key in list(kms.keys.values()):
            if key.key_manager == "AWS":
                continue
            pending = key.key_state == "PendingDeletion"
            tags = _pairs(kms.tagger.get_tag_dict_for_resource(key.id))
            yield "kms", "key-pending-deletion" if pending else "key", key.arn, key.id, tags
            for alias in list(key.aliases.values()):
                yield "kms", "alias", f"arn:aws:kms:{region}:{ACCOUNT}:{alias.alias_name}", alias.alias_name, {}


def _regional():
    from moto.autoscaling.models import autoscaling_backends
    from moto.ecr.models import ecr_backends
    from moto.elb.models import elb_backends
    from moto.elbv2.models import elbv2_backends
    from moto.events.models import events_backends
    from moto.logs.models import logs_backends
    from moto.secretsmanager.models import secretsmanager_backends
    from moto.sqs.models import sqs_backends
    for region, logs in list(logs_backends[ACCOUNT].items()):
        for group in list(logs.groups.values()):
            yield "logs", "log-group", group.arn, group.name, _pairs(logs.list_tags_for_resource(group.arn))
    for region, sqs in list(sqs_backends[ACCOUNT].items()):
        for queue in list(sqs.queues.values()):
            yield "sqs", "queue", queue.queue_arn, queue.name, _pairs(queue.tags)
    for region, events in list(events_backends[ACCOUNT].items()):
        for bus in list(events.event_buses.values()):
            for rule in list(bus.rules.values()):
                yield "events", "rule", rule.arn, rule.name, _pairs(events.tagger.get_tag_dict_for_resource(rule.arn))
    for region, secrets in list(secretsmanager_backends[ACCOUNT].items()):
        for secret in list(secrets.secrets.values()):
            yield "secretsmanager", "secret", secret.arn, secret.name, _pairs(secret.tags)
    for region, ecr in list(ecr_backends[ACCOUNT].items()):
        for repository in list(ecr.repositories.values()):
            yield "ecr", "repository", repository.arn, repository.name, _pairs(ecr.tagger.get_tag_dict_for_resource(repository.arn))
    for region, elb in list(elbv2_backends[ACCOUNT].items()):
        for balancer in list(elb.load_balancers.values()):
            yield "elasticloadbalancing", "loadbalancer", balancer.arn, balancer.name, _pairs(elb.tagging_service.get_tag_dict_for_resource(balancer.arn))
        for group in list(elb.target_groups.values()):
            yield "elasticloadbalancing", "targetgroup", group.arn, group.name, _pairs(elb.tagging_service.get_tag_dict_for_resource(group.arn))
    for region, elb in list(elb_backends[ACCOUNT].items()):
        for balancer in list(elb.load_balancers.values()):
            yield "elasticloadbalancing", "classic", f"arn:aws:elasticloadbalancing:{region}:{ACCOUNT}:loadbalancer/{balancer.name}", balancer.name, _pairs(balancer.tags)
    for region, scaling in list(autoscaling_backends[ACCOUNT].items()):
        for group in list(scaling.autoscaling_groups.values()):
            yield "autoscaling", "group", group.arn, group.name, _pairs(group.tags)


def _s3():
    from moto.s3.models import s3_backends
    for _, s3 in list(s3_backends[ACCOUNT].items()):
        for bucket in list(s3.buckets.values()):
            yield "s3", "bucket", bucket.arn, bucket.name, _pairs(s3.tagger.get_tag_dict_for_resource(bucket.arn))


def everything(eks, budgets):
    for source in (_ec2(), _iam(), _kms(), _regional(), _s3()):
        yield from source
    for kind, arn, name, tags in eks.everything():
        yield "eks", kind, arn, name, dict(tags)
    for kind, arn, name, tags in budgets.everything():
        yield "budgets", kind, arn, name, dict(tags)


def listing(eks, budgets, tag=None):
    """{"service/kind": [{arn, name, tags}]}, sorted; with tag=(key, value) only what carries it."""
    found = {}
    for service, kind, arn, name, tags in everything(eks, budgets):
        if tag is None or tags.get(tag[0]) == tag[1]:
            found.setdefault(f"{service}/{kind}", []).append({"arn": arn, "name": name, "tags": tags})
    return {key: sorted(found[key], key=lambda thing: thing["arn"]) for key in sorted(found)}
