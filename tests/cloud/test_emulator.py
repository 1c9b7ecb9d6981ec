"""The emulated AWS itself: shapes that a real client parses, refusals, and switches that do what they say."""
import botocore.exceptions
import pytest


def code(error):
    return error.value.response["Error"]["Code"]


@pytest.fixture
def network(quiet_emulator):
    ec2, iam = quiet_emulator.client("ec2", "us-east-1"), quiet_emulator.client("iam")
    vpc = ec2.create_vpc(CidrBlock="10.9.0.0/16")["Vpc"]["VpcId"]
    subnet = lambda zone, third: ec2.create_subnet(VpcId=vpc, AvailabilityZone=f"us-east-1{zone}", CidrBlock=f"10.9.{third}.0/24")["Subnet"]["SubnetId"]
    subnets = {zone: subnet(zone, third) for third, zone in enumerate("abe")}
    role = iam.create_role(RoleName="emulated", AssumeRolePolicyDocument="{}")["Role"]["Arn"]
    yield {"vpc": vpc, "subnets": subnets, "role": role}
    iam.delete_role(RoleName="emulated")
    for subnet in subnets.values():
        ec2.delete_subnet(SubnetId=subnet)
    ec2.delete_vpc(VpcId=vpc)


def create(eks, network, zones="ab", **more):
    return eks.create_cluster(name="c", roleArn=network["role"], resourcesVpcConfig={"subnetIds": [network["subnets"][z] for z in zones]}, **more)["cluster"]


def test_a_cluster_has_a_group_of_its_own_and_takes_it_along(quiet_emulator, network):
    eks, ec2 = quiet_emulator.client("eks", "us-east-1"), quiet_emulator.client("ec2", "us-east-1")
    create(eks, network)
    eks.get_waiter("cluster_active").wait(name="c", WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    group = eks.describe_cluster(name="c")["cluster"]["resourcesVpcConfig"]["clusterSecurityGroupId"]
    assert ec2.describe_security_groups(GroupIds=[group])["SecurityGroups"][0]["VpcId"] == network["vpc"]
    eks.delete_cluster(name="c")
    eks.get_waiter("cluster_deleted").wait(name="c", WaiterConfig={"Delay": 0, "MaxAttempts": 5})
    with pytest.raises(botocore.exceptions.ClientError) as error:
        ec2.describe_security_groups(GroupIds=[group])
    assert code(error) == "InvalidGroup.NotFound"


def test_a_zone_without_control_planes_is_refused(quiet_emulator, network):
    with pytest.raises(botocore.exceptions.ClientError) as error:
        create(quiet_emulator.client("eks", "us-east-1"), network, zones="ae")
    assert code(error) == "UnsupportedAvailabilityZoneException"


def test_a_cluster_rises_by_one_minor_and_no_more(quiet_emulator, network):
    quiet_emulator.faults(cluster_polls=0)
    eks = quiet_emulator.client("eks", "us-east-1")
    create(eks, network, version="1.33")
    eks.describe_cluster(name="c")
    with pytest.raises(botocore.exceptions.ClientError) as error:
        eks.update_cluster_version(name="c", version="1.35")
    assert code(error) == "InvalidParameterException"
    eks.update_cluster_version(name="c", version="1.34")
    assert eks.describe_cluster(name="c")["cluster"]["version"] == "1.34"
    eks.delete_cluster(name="c")


def test_a_subnet_in_use_cannot_be_deleted(quiet_emulator, network):
    ec2 = quiet_emulator.client("ec2", "us-east-1")
    eni = ec2.create_network_interface(SubnetId=network["subnets"]["a"])["NetworkInterface"]["NetworkInterfaceId"]
    with pytest.raises(botocore.exceptions.ClientError) as error:
        ec2.delete_subnet(SubnetId=network["subnets"]["a"])
    assert code(error) == "DependencyViolation"
    ec2.delete_network_interface(NetworkInterfaceId=eni)


def test_a_load_balancer_holds_interfaces_until_it_is_deleted(quiet_emulator, network):
    ec2, elb = quiet_emulator.client("ec2", "us-east-1"), quiet_emulator.client("elbv2", "us-east-1")
    arn = elb.create_load_balancer(Name="nlb", Type="network", Scheme="internal", Subnets=[network["subnets"]["a"], network["subnets"]["b"]])["LoadBalancers"][0]["LoadBalancerArn"]
    held = lambda: [e for e in ec2.describe_network_interfaces(Filters=[{"Name": "vpc-id", "Values": [network["vpc"]]}])["NetworkInterfaces"] if e["Description"].startswith("ELB net/nlb/")]
    assert len(held()) == 2
    elb.delete_load_balancer(LoadBalancerArn=arn)
    assert held() == []


@pytest.mark.parametrize("service, call, expected", [
    ("ec2", "describe_vpcs", "RequestLimitExceeded"), ("eks", "list_clusters", "ThrottlingException"), ("iam", "list_roles", "Throttling"),
    ("sqs", "list_queues", "ThrottlingException"), ("s3", "list_buckets", "SlowDown"),
])
def test_throttling_speaks_each_services_protocol(quiet_emulator, service, call, expected):
    quiet_emulator.faults(throttle_share=1.0)
    with pytest.raises(botocore.exceptions.ClientError) as error:
        getattr(quiet_emulator.client(service), call)()
    assert code(error) == expected


@pytest.mark.parametrize("service, call, expected", [
    ("ec2", "describe_vpcs", "RequestExpired"), ("eks", "list_clusters", "ExpiredTokenException"), ("sts", "get_caller_identity", "ExpiredToken")])
def test_credentials_expire_after_the_given_calls(quiet_emulator, service, call, expected):
    quiet_emulator.faults(expire_after_calls=2)
    client = quiet_emulator.client(service)
    getattr(client, call)()
    with pytest.raises(botocore.exceptions.ClientError) as error:
        getattr(client, call)()
    assert code(error) == expected


def test_a_rule_fails_one_operation_as_often_as_told(quiet_emulator):
    quiet_emulator.faults(rules=[{"service": "ec2", "operation": "DescribeVpcs", "status": 500, "code": "InternalError", "times": 1}])
    ec2 = quiet_emulator.client("ec2")
    ec2.describe_subnets()
    with pytest.raises(botocore.exceptions.ClientError):
        ec2.describe_vpcs()
    ec2.describe_vpcs()


def test_tags_appear_late(quiet_emulator):
    ec2 = quiet_emulator.client("ec2")
    volume = ec2.create_volume(AvailabilityZone="us-west-2a", Size=1, TagSpecifications=[{"ResourceType": "volume", "Tags": [{"Key": "late", "Value": "yes"}]}])["VolumeId"]
    find = lambda: [v["VolumeId"] for v in ec2.describe_volumes(Filters=[{"Name": "tag:late", "Values": ["yes"]}])["Volumes"]]
    tagged = lambda: quiet_emulator.client("resourcegroupstaggingapi").get_resources(TagFilters=[{"Key": "late", "Values": ["yes"]}])["ResourceTagMappingList"]
    quiet_emulator.faults(tags_lag_calls=2)
    assert [find(), find(), find()] == [[], [], [volume]]
    assert [len(tagged()), len(tagged()), len(tagged())] == [0, 0, 1]
    ec2.delete_volume(VolumeId=volume)


def test_a_control_planes_log_group_comes_back_once_when_told(quiet_emulator):
    logs, name = quiet_emulator.client("logs"), "/aws/eks/late/cluster"
    groups = lambda: [group["logGroupName"] for group in logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]]
    logs.create_log_group(logGroupName=name)
    quiet_emulator.faults(log_group_comes_back=True)
    logs.delete_log_group(logGroupName=name)
    assert groups() == [name]
    logs.delete_log_group(logGroupName=name)
    assert groups() == []


def test_a_create_that_is_sent_again_gets_the_first_answer(quiet_emulator, network):
    quiet_emulator.faults(cluster_polls=0)
    eks = quiet_emulator.client("eks", "us-east-1")
    first, second = create(eks, network, clientRequestToken="one"), create(eks, network, clientRequestToken="one")
    assert first["endpoint"] == second["endpoint"] and eks.list_clusters()["clusters"] == ["c"]
    eks.delete_cluster(name="c")


def test_the_inventory_finds_by_tag(quiet_emulator):
    sqs = quiet_emulator.client("sqs")
    url = sqs.create_queue(QueueName="tagged", tags={"slipway.dev/environment": "e"})["QueueUrl"]
    assert [thing["name"] for thing in quiet_emulator.inventory("slipway.dev/environment=e")["sqs/queue"]] == ["tagged"]
    sqs.delete_queue(QueueUrl=url)
    assert quiet_emulator.inventory("slipway.dev/environment=e") == {}


def test_quotas_answer_what_was_set(quiet_emulator):
    quotas = quiet_emulator.client("service-quotas")
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]["Value"] == 0
    quiet_emulator.call("quotas", {"ec2/L-DB2E81BA": 96})
    assert quotas.get_service_quota(ServiceCode="ec2", QuotaCode="L-DB2E81BA")["Quota"]["Value"] == 96
    assert quotas.request_service_quota_increase(ServiceCode="ec2", QuotaCode="L-DB2E81BA", DesiredValue=192)["RequestedQuota"]["Status"] == "PENDING"
    quiet_emulator.call("quotas", {"ec2/L-DB2E81BA": 0})


def test_prices_are_found_by_their_attributes(quiet_emulator):
    import json
    pricing = quiet_emulator.client("pricing", "us-east-1")
    found = pricing.get_products(ServiceCode="AmazonEC2", Filters=[{"Type": "TERM_MATCH", "Field": "instanceType", "Value": "m6i.xlarge"}])["PriceList"]
    terms = json.loads(found[0])["terms"]["OnDemand"]
    assert [float(d["pricePerUnit"]["USD"]) for t in terms.values() for d in t["priceDimensions"].values()] == [0.192]


def test_an_unknown_switch_is_an_error(quiet_emulator):
    with pytest.raises(AssertionError, match="unknown switches: throttle"):
        quiet_emulator.faults(throttle=1)
