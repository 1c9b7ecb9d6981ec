"""How AWS speaks: which service and operation a request is for, and errors in the shape that its client understands."""
import io
import json
import re
import uuid
from dataclasses import dataclass, field
from urllib.parse import parse_qs

ACCOUNT = "123456789012"


@dataclass
class Request:
    service: str
    region: str
    access_key: str
    method: str
    path: str  # still percent-encoded: an ARN in a path has slashes of its own
    query: dict
    body: bytes
    operation: str = ""
    fields: dict = field(default_factory=dict)  # of query-protocol requests
    invocation: str = ""  # the SDK's id of a call; its retries have the same

    @property
    def json(self):
        return json.loads(self.body) if self.body.strip() else {}


def read(environ):
    """Parses what is needed to route, and leaves the body readable for moto. None when the request is not signed."""
    scope = re.search(r"Credential=([^/]+)/\d+/([^/]+)/([^/]+)/aws4_request", environ.get("HTTP_AUTHORIZATION", ""))
    if scope is None:
        return None
    access_key, region, service = scope.groups()
    target = environ.get("HTTP_X_AMZ_TARGET", "")
    body = b""
    if service != "s3":
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        environ["wsgi.input"] = io.BytesIO(body)
    raw = environ.get("RAW_URI") or environ.get("REQUEST_URI") or environ.get("PATH_INFO", "/")
    request = Request(service, region, access_key, environ["REQUEST_METHOD"], raw.split("?")[0],
                      parse_qs(environ.get("QUERY_STRING", "")), body)
    request.invocation = environ.get("HTTP_AMZ_SDK_INVOCATION_ID", "")
    if target:
        request.operation = target.rpartition(".")[2]
    elif service not in ("s3", "eks"):
        request.fields = {key: values[0] for key, values in parse_qs(body.decode("utf-8", "replace"), keep_blank_values=True).items()}
        request.operation = request.fields.get("Action", "")
    else:
        request.operation = request.method
    return request


class AwsError(Exception):
    def __init__(self, status, code, message):
        super().__init__(message)
        self.status, self.code, self.message = status, code, message


@dataclass
class Reply:
    status: int
    body: bytes
    headers: list

    def __call__(self, start_response):
        start_response(f"{self.status} {'OK' if self.status < 400 else 'Error'}",
                       [*self.headers, ("Content-Length", str(len(self.body))), ("x-amzn-RequestId", str(uuid.uuid4()))])
        return [self.body]


def ok(value, status=200, content_type="application/json"):
    return Reply(status, json.dumps(value).encode(), [("Content-Type", content_type)])


def _xml(text):
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def failed(request, status, code, message):
    """The error as the request's protocol has it: EC2 XML, S3 XML, query XML, JSON with __type, REST-JSON with a header."""
    code_, text, request_id = _xml(code), _xml(message), uuid.uuid4()
    if request.service == "ec2":
        body = f"<Response><Errors><Error><Code>{code_}</Code><Message>{text}</Message></Error></Errors><RequestID>{request_id}</RequestID></Response>"
        return Reply(status, body.encode(), [("Content-Type", "text/xml")])
    if request.service == "s3":
        body = f"<Error><Code>{code_}</Code><Message>{text}</Message><RequestId>{request_id}</RequestId></Error>"
        return Reply(status, body.encode(), [("Content-Type", "application/xml")])
    if request.fields:
        kind = "Receiver" if status >= 500 else "Sender"
        body = (f"<ErrorResponse><Error><Type>{kind}</Type><Code>{code_}</Code><Message>{text}</Message></Error>"
                f"<RequestId>{request_id}</RequestId></ErrorResponse>")
        return Reply(status, body.encode(), [("Content-Type", "text/xml")])
    body = json.dumps({"__type": code, "message": message}).encode()
    return Reply(status, body, [("Content-Type", "application/x-amz-json-1.1"), ("x-amzn-errortype", code)])
