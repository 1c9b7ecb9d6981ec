"""Budgets (with tags and subscribers), service quotas and the price list: JSON services that moto has not, or not enough of."""
import datetime
import json
import threading
import uuid

from .wire import ACCOUNT, AwsError, ok


class JsonService:
    """Operations are methods; each takes and returns the API's JSON."""

    def __init__(self):
        self.lock = threading.RLock()

    def handle(self, request):
        handler = getattr(self, request.operation, None)
        if handler is None:
            raise AwsError(400, "UnknownOperationException", f"the emulator has no {request.service} {request.operation}")
        with self.lock:
            return ok(handler(request.region, request.json), content_type="application/x-amz-json-1.1")


class Budgets(JsonService):
    def __init__(self):
        super().__init__()
        self.budgets = {}  # name -> {budget, tags, notifications: [{Notification, Subscribers}]}

    def _get(self, name):
        if name not in self.budgets:
            raise AwsError(400, "NotFoundException", f"Unable to get budget: {name} - the budget doesn't exist.")
        return self.budgets[name]

    def _by_arn(self, arn):
        return self._get(arn.partition(":budget/")[2])

    def CreateBudget(self, region, body):
        budget = body["Budget"]
        if budget["BudgetName"] in self.budgets:
            raise AwsError(400, "DuplicateRecordException", "Error creating budget: the budget already exists.")
        budget.setdefault("TimePeriod", {"Start": datetime.datetime(2026, 11, 1, tzinfo=datetime.timezone.utc).timestamp(), "End": 3706473600})
        zero = {"Amount": "0.0", "Unit": budget.get("BudgetLimit", {}).get("Unit", "USD")}
        budget.setdefault("CalculatedSpend", {"ActualSpend": zero})
        if budget["BudgetType"] == "COST":
            on = ("IncludeTax", "IncludeSubscription", "IncludeRefund", "IncludeCredit", "IncludeUpfront", "IncludeRecurring",
                  "IncludeOtherSubscription", "IncludeSupport", "IncludeDiscount")
            budget.setdefault("CostTypes", {**dict.fromkeys(on, True), "UseBlended": False, "UseAmortized": False})
        self.budgets[budget["BudgetName"]] = {"budget": budget, "tags": {t["Key"]: t["Value"] for t in body.get("ResourceTags") or []},
                                              "notifications": body.get("NotificationsWithSubscribers") or []}
        return {}

    def DescribeBudget(self, region, body):
        return {"Budget": self._get(body["BudgetName"])["budget"]}

    def DescribeBudgets(self, region, body):
        return {"Budgets": [entry["budget"] for entry in self.budgets.values()]}

    def UpdateBudget(self, region, body):
        entry = self._get(body["NewBudget"]["BudgetName"])
        entry["budget"] = {**entry["budget"], **body["NewBudget"]}
        return {}

    def DeleteBudget(self, region, body):
        self._get(body["BudgetName"])
        del self.budgets[body["BudgetName"]]
        return {}

    @staticmethod
    def _same(a, b):
        return all(a.get(key) == b.get(key) for key in ("NotificationType", "ComparisonOperator", "Threshold")) and \
            a.get("ThresholdType", "PERCENTAGE") == b.get("ThresholdType", "PERCENTAGE")

    def _notification(self, body):
        for entry in self._get(body["BudgetName"])["notifications"]:
            if self._same(entry["Notification"], body["Notification"]):
                return entry
        raise AwsError(400, "NotFoundException", "the notification doesn't exist")

    def DescribeNotificationsForBudget(self, region, body):
        return {"Notifications": [{"ThresholdType": "PERCENTAGE", "NotificationState": "OK", **entry["Notification"]}
                                  for entry in self._get(body["BudgetName"])["notifications"]]}

    def DescribeSubscribersForNotification(self, region, body):
        return {"Subscribers": self._notification(body)["Subscribers"]}

    def CreateNotification(self, region, body):
        self._get(body["BudgetName"])["notifications"].append({"Notification": body["Notification"], "Subscribers": body["Subscribers"]})
        return {}

    def DeleteNotification(self, region, body):
        self._get(body["BudgetName"])["notifications"].remove(self._notification(body))
        return {}

    def CreateSubscriber(self, region, body):
        self._notification(body)["Subscribers"].append(body["Subscriber"])
        return {}

    def DeleteSubscriber(self, region, body):
        self._notification(body)["Subscribers"].remove(body["Subscriber"])
        return {}

    def ListTagsForResource(self, region, body):
        return {"ResourceTags": [{"Key": k, "Value": v} for k, v in self._by_arn(body["ResourceARN"])["tags"].items()]}

    def TagResource(self, region, body):
        self._by_arn(body["ResourceARN"])["tags"].update({t["Key"]: t["Value"] for t in body["ResourceTags"]})
        return {}

    def UntagResource(self, region, body):
        for key in body["ResourceTagKeys"]:
            self._by_arn(body["ResourceARN"])["tags"].pop(key, None)
        return {}

    def everything(self):
        for name, entry in list(self.budgets.items()):
            yield "budget", f"arn:aws:budgets::{ACCOUNT}:budget/{name}", name, entry["tags"]


# service, code, name, default value of a new account. Instance quotas count vCPUs.
QUOTAS = [
    ("ec2", "L-1216C47A", "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances", 5.0),
    ("ec2", "L-34B43A08", "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests", 5.0),
    ("ec2", "L-DB2E81BA", "Running On-Demand G and VT instances", 0.0),
    ("ec2", "L-3819A6DF", "All G and VT Spot Instance Requests", 0.0),
    ("ec2", "L-417A185B", "Running On-Demand P instances", 0.0),
    ("ec2", "L-7212CCBC", "All P4, P3 and P2 Spot Instance Requests", 0.0),
    ("ec2", "L-C4BD4855", "All P5 Spot Instance Requests", 0.0),
    ("ec2", "L-1945791B", "Running On-Demand Inf instances", 0.0),
    ("ec2", "L-B5D1601B", "All Inf Spot Instance Requests", 0.0),
    ("ec2", "L-2C3B7624", "Running On-Demand Trn instances", 0.0),
    ("ec2", "L-6B0D517C", "All Trn Spot Instance Requests", 0.0),
    ("ec2", "L-0263D0A3", "EC2-VPC Elastic IPs", 5.0),
    ("vpc", "L-F678F1CE", "VPCs per Region", 5.0),
    ("vpc", "L-A4707A72", "Internet gateways per Region", 5.0),
    ("vpc", "L-FE5A380F", "NAT gateways per Availability Zone", 5.0),
    ("vpc", "L-E79EC296", "VPC security groups per Region", 2500.0),
    ("vpc", "L-29B6F2EB", "Interface VPC endpoints per VPC", 50.0),
    ("eks", "L-1194D53C", "Clusters", 100.0),
    ("eks", "L-6D54EA21", "Managed node groups per cluster", 30.0),
    ("elasticloadbalancing", "L-69A177A2", "Network Load Balancers per Region", 50.0),
    ("elasticloadbalancing", "L-53DA6B97", "Application Load Balancers per Region", 50.0),
    ("ebs", "L-7A658B76", "Storage for General Purpose SSD (gp3) volumes, in TiB", 50.0),
]


class Quotas(JsonService):
    def __init__(self):
        super().__init__()
        self.defaults = {(service, code): (name, value) for service, code, name, value in QUOTAS}
        self.values, self.requests = {}, []

    def set(self, values):
        """{"ec2/L-1216C47A": 64}"""
        with self.lock:
            self.values.update({tuple(key.split("/", 1)): float(value) for key, value in values.items()})

    def _shape(self, region, key, applied=True):
        if key not in self.defaults:
            raise AwsError(400, "NoSuchResourceException", f"no quota {key[1]} of service {key[0]}")
        name, value = self.defaults[key]
        return {"ServiceCode": key[0], "ServiceName": key[0], "QuotaArn": f"arn:aws:servicequotas:{region}:{ACCOUNT}:{key[0]}/{key[1]}",
                "QuotaCode": key[1], "QuotaName": name, "Value": self.values.get(key, value) if applied else value, "Unit": "None",
                "Adjustable": True, "GlobalQuota": False, "QuotaAppliedAtLevel": "ACCOUNT"}

    def GetServiceQuota(self, region, body):
        return {"Quota": self._shape(region, (body["ServiceCode"], body["QuotaCode"]))}

    def GetAWSDefaultServiceQuota(self, region, body):
        return {"Quota": self._shape(region, (body["ServiceCode"], body["QuotaCode"]), applied=False)}

    def ListServiceQuotas(self, region, body):
        return {"Quotas": [self._shape(region, key) for key in self.defaults if key[0] == body["ServiceCode"]]}

    def ListAWSDefaultServiceQuotas(self, region, body):
        return {"Quotas": [self._shape(region, key, applied=False) for key in self.defaults if key[0] == body["ServiceCode"]]}

    def RequestServiceQuotaIncrease(self, region, body):
        shape = self._shape(region, (body["ServiceCode"], body["QuotaCode"]))
        asked = {"Id": uuid.uuid4().hex, "Status": "PENDING", "ServiceCode": shape["ServiceCode"], "ServiceName": shape["ServiceName"],
                 "QuotaCode": shape["QuotaCode"], "QuotaName": shape["QuotaName"], "DesiredValue": body["DesiredValue"]}
        self.requests.append(asked)
        return {"RequestedQuota": asked}

    def ListRequestedServiceQuotaChangeHistory(self, region, body):
        return {"RequestedQuotas": self.requests}


def _product(service, sku, attributes, unit, price, description):
    offer = f"{sku}.JRTCKXETXF"
    return {"product": {"sku": sku, "productFamily": attributes.pop("productFamily"), "attributes": {"servicecode": service, **attributes}},
            "serviceCode": service, "version": "20261101000000", "publicationDate": "2026-11-01T00:00:00Z",
            "terms": {"OnDemand": {offer: {"sku": sku, "offerTermCode": "JRTCKXETXF", "effectiveDate": "2026-11-01T00:00:00Z", "termAttributes": {},
                      "priceDimensions": {f"{offer}.6YS6EN2CT7": {"rateCode": f"{offer}.6YS6EN2CT7", "unit": unit, "description": description,
                                          "beginRange": "0", "endRange": "Inf", "appliesTo": [], "pricePerUnit": {"USD": f"{price:.10f}"}}}}}}}


class Pricing(JsonService):
    """GetProducts with TERM_MATCH filters over a small list; `add` takes further products in the price list's own shape."""

    def __init__(self):
        super().__init__()
        ec2 = lambda type_, price, region="us-west-2": _product("AmazonEC2", "SKU" + type_.replace(".", "").upper(), {
            "productFamily": "Compute Instance", "instanceType": type_, "regionCode": region, "location": "US West (Oregon)", "operatingSystem": "Linux",
            "tenancy": "Shared", "capacitystatus": "Used", "preInstalledSw": "NA", "marketoption": "OnDemand"}, "Hrs", price, f"${price} per On Demand Linux {type_} Instance Hour")
        self.products = [
            ec2("m5.large", 0.096), ec2("m6i.xlarge", 0.192), ec2("m7i.xlarge", 0.2016), ec2("g5.2xlarge", 1.212), ec2("g6.2xlarge", 0.9776), ec2("g6e.2xlarge", 2.24208),
            _product("AmazonEKS", "SKUEKSSTANDARD", {"productFamily": "Compute", "regionCode": "us-west-2", "usagetype": "USW2-AmazonEKS-Hours:perCluster"}, "Hours", 0.10, "Amazon EKS cluster usage in US West (Oregon)"),
            _product("AmazonEKS", "SKUEKSEXTENDED", {"productFamily": "Compute", "regionCode": "us-west-2", "usagetype": "USW2-AmazonEKS-Hours:extendedSupport"}, "Hours", 0.50, "Amazon EKS extended support usage in US West (Oregon)"),
            _product("AmazonEC2", "SKUNATHOURS", {"productFamily": "NAT Gateway", "regionCode": "us-west-2", "usagetype": "USW2-NatGateway-Hours"}, "Hrs", 0.045, "$0.045 per NAT Gateway Hour"),
            _product("AmazonEC2", "SKUGP3", {"productFamily": "Storage", "regionCode": "us-west-2", "volumeApiName": "gp3", "usagetype": "USW2-EBS:VolumeUsage.gp3"}, "GB-Mo", 0.08, "$0.08 per GB-month of General Purpose (gp3) provisioned storage"),
        ]

    def add(self, products):
        with self.lock:
            self.products += products

    def DescribeServices(self, region, body):
        return {"FormatVersion": "aws_v1", "Services": [{"ServiceCode": code, "AttributeNames": []} for code in sorted({p["serviceCode"] for p in self.products})]}

    def GetProducts(self, region, body):
        wanted = [(f["Field"], f["Value"]) for f in body.get("Filters", [])]
        hits = [p for p in self.products if p["serviceCode"] == body["ServiceCode"]
                and all({"productFamily": p["product"]["productFamily"], **p["product"]["attributes"]}.get(key) == value for key, value in wanted)]
        return {"FormatVersion": "aws_v1", "PriceList": [json.dumps(p) for p in hits]}
