"""The server: admin routes under /_emulator, faults, our services, everything else to moto."""
import collections
import json
import threading

from . import moto_fixes
from .eks import Eks
from .faults import Faults
from .guards import balancer_interfaces, check
from .inventory import everything, listing
from .small_services import Budgets, JsonService, Pricing, Quotas
from .wire import ACCOUNT, AwsError, Reply, failed, ok, read


class Tagging(JsonService):
    """The tagging API over the inventory, so that one source says what exists."""

    def __init__(self, app):
        super().__init__()
        self.app = app

    def GetResources(self, region, body):
        wanted = [(f["Key"], f.get("Values", [])) for f in body.get("TagFilters", [])]
        kinds = body.get("ResourceTypeFilters", [])
        mappings = []
        if self.app.faults.tag_query_misses("tagging" + json.dumps(body, sort_keys=True)):
            return {"ResourceTagMappingList": [], "PaginationToken": ""}
        for service, kind, arn, name, tags in everything(self.app.eks, self.app.budgets):
            # The real API has no IAM roles, budgets, aliases or access entries.
            if service in ("iam", "budgets") or kind in ("alias", "access-entry") or f":{region}:" not in arn and service != "s3":
                continue
            if kinds and service not in kinds and f"{service}:{kind}" not in kinds:
                continue
            if all(key in tags and (not values or tags[key] in values) for key, values in wanted) and tags:
                mappings.append({"ResourceARN": arn, "Tags": [{"Key": k, "Value": v} for k, v in tags.items()]})
        return {"ResourceTagMappingList": mappings, "PaginationToken": ""}


CALLER = "operator"  # the role behind every session, as with IAM Identity Center or a deploy role


def caller_identity():
    body = (f'<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult>'
            f"<Arn>arn:aws:sts::{ACCOUNT}:assumed-role/{CALLER}/session</Arn><UserId>AROAEMULATED:session</UserId><Account>{ACCOUNT}</Account>"
            "</GetCallerIdentityResult><ResponseMetadata><RequestId>c6104cbe-af31-11e0-8154-cbc7ccf896c7</RequestId></ResponseMetadata></GetCallerIdentityResponse>")
    return Reply(200, body.encode(), [("Content-Type", "text/xml")])


class Emulator:
    def __init__(self, switches=None):
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, create_backend_app
        moto_fixes.apply()
        self.moto = DomainDispatcherApplication(create_backend_app)
        self.faults = Faults(switches)
        self.eks, self.budgets, self.quotas, self.pricing = Eks(self.faults), Budgets(), Quotas(), Pricing()
        self.services = {"budgets": self.budgets, "servicequotas": self.quotas, "pricing": self.pricing, "tagging": Tagging(self)}
        self.comes_back = set()
        # A loaded test machine may lose the answer to a call; its retry then gets that answer, not a second object.
        self.answered = collections.OrderedDict()
        from moto.iam.models import iam_backends
        iam_backends[ACCOUNT]["global"].create_role(CALLER, "{}", "/", "", "", {}, "3600")
        self.lock = threading.Lock()

    def __call__(self, environ, start_response):
        path = environ.get("PATH_INFO", "/")
        if path.startswith("/_emulator/"):
            return self.admin(environ, path.removeprefix("/_emulator/"))(start_response)
        request = read(environ)
        if request is None:
            return self.moto(environ, start_response)
        try:
            params = self.eks.route(request) if request.service == "eks" else None
            refusal = self.faults.answer(request)
            if refusal is not None:
                return refusal(start_response)
            if params is not None:
                return self.eks.handle(request, params)(start_response)
            if request.invocation in self.answered:
                return self.answered[request.invocation](start_response)
            if request.service in self.services:
                return self.services[request.service].handle(request)(start_response)
            if request.service == "sts" and request.operation == "GetCallerIdentity":
                return caller_identity()(start_response)
            check(request)
            return self.pass_on(request, environ, start_response)
        except AwsError as error:
            return failed(request, error.status, error.code, error.message)(start_response)

    def pass_on(self, request, environ, start_response):
        if request.service == "ec2" and self.faults["tags_lag_calls"] and request.operation.startswith("Describe"):
            self.hide_young_tags(request, environ)
        if request.service == "s3":
            return self.moto(environ, start_response)  # bodies of any size, and every call may be repeated
        seen = {}

        def watch(status, headers, exc_info=None):
            seen["status"], seen["headers"] = int(status.split()[0]), headers

        chunks = self.moto(environ, watch)
        try:
            body = b"".join(chunks)
        finally:
            if hasattr(chunks, "close"):
                chunks.close()
        status = seen["status"]
        reply = Reply(status, body, [(k, v) for k, v in seen["headers"] if k.lower() not in ("content-length", "x-amzn-requestid")])
        if status < 400 and request.invocation and not request.operation.startswith(("Describe", "List", "Get")):
            self.answered[request.invocation] = reply
            while len(self.answered) > 500:
                self.answered.popitem(last=False)
        balancer_interfaces(request, status)
        if request.service == "logs" and request.operation == "DeleteLogGroup" and status < 400:
            self.late_logs(request)
        return reply(start_response)

    def hide_young_tags(self, request, environ):
        """A query by tag that is still to miss asks for a value that nothing has: the answer then has the right shape."""
        import io
        from urllib.parse import urlencode
        names = {key: value for key, value in request.fields.items() if key.startswith("Filter.") and key.endswith(".Name") and value.startswith("tag")}
        if not names or not self.faults.tag_query_misses("ec2" + json.dumps(request.fields, sort_keys=True)):
            return
        fields = dict(request.fields)
        for key in names:
            for other in [k for k in fields if k.startswith(key.removesuffix("Name") + "Value")]:
                fields[other] = "not-visible-yet"
        body = urlencode(fields).encode()
        environ["wsgi.input"], environ["CONTENT_LENGTH"] = io.BytesIO(body), str(len(body))

    def late_logs(self, request):
        name = request.json.get("logGroupName", "")
        if not self.faults["log_group_comes_back"] or not name.startswith("/aws/eks/") or name in self.comes_back:
            return
        from moto.logs.models import logs_backends
        self.comes_back.add(name)
        logs_backends[ACCOUNT][request.region].create_log_group(name, {})

    def admin(self, environ, path):
        method = environ["REQUEST_METHOD"]
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        try:
            value = json.loads(body) if body else {}
            if path == "health":
                return ok({"status": "ok"})
            if path == "faults":
                return ok(self.faults.set(value) if method in ("POST", "PUT") else self.faults.values)
            if path == "calls":
                if method == "DELETE":
                    self.faults.reset_counts()
                return ok({"calls": self.faults.calls, "injected": self.faults.injected})
            if path == "inventory":
                from urllib.parse import parse_qs
                tag = parse_qs(environ.get("QUERY_STRING", "")).get("tag", [None])[0]
                return ok(listing(self.eks, self.budgets, tuple(tag.split("=", 1)) if tag else None))
            if path == "quotas":
                self.quotas.set(value)
                return ok({"requests": self.quotas.requests})
            if path == "prices":
                self.pricing.add(value)
                return ok({"products": len(self.pricing.products)})
            return ok({"error": f"no {method} /_emulator/{path}"}, status=404)
        except (ValueError, KeyError, TypeError) as error:
            return Reply(400, json.dumps({"error": str(error)}).encode(), [("Content-Type", "application/json")])
