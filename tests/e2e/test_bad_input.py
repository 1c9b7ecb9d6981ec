"""One table of bad inputs: each gets a coded error, the reason, a next step and the exit code of the contract, and nothing
is half-changed."""
import json
import socket

import pytest
from conftest import EMBEDDED

VALUES = "model: HuggingFaceTB/SmolLM2-135M-Instruct\ninference:\n  serviceName: bad\n  accelerator: gpu\n  framework: vllm\n"

FILES = [  # name, values text, exit code, error code, words that must appear
    ("unknown key", VALUES.replace("framework", "framwork"), 2, "E1004", ["framwork", "framework", ":5:"]),
    ("wrong type", VALUES + "  modelServer:\n    deployment:\n      replicas: many\n", 2, "E1005", ["replicas", ":8:", "^"]),
    ("bad value", VALUES.replace("vllm", "vlllm"), 2, "E1006", ["vlllm", "vllm"]),
    ("syntax", VALUES + "  x: [1\n", 2, "E1003", ["^"]),
    ("missing model", VALUES.replace("model: HuggingFaceTB/SmolLM2-135M-Instruct\n", ""), 2, "E1007", ["model"]),
    ("unknown model", VALUES.replace("HuggingFaceTB/SmolLM2-135M-Instruct", "nobody/nothing"), 4, "E3001", ["nobody/nothing", "--available"]),
    ("eight GPUs", VALUES + "modelParameters:\n  tensorParallelSize: 8\n", 4, "E1009", ["8 GPUs", "kubernetes"]),
    ("other framework", VALUES.replace("vllm", "ray-vllm"), 4, "E1009", ["ray-vllm", "kubernetes"]),
]


@pytest.mark.parametrize("name,text,code,error,words", FILES, ids=[f[0] for f in FILES])
def test_a_bad_values_file(slipway, tmp_path, name, text, code, error, words):
    path = tmp_path / "values.yaml"
    path.write_text(text)
    before = [m["id"] for m in slipway.status()["models"]]
    done = slipway.run("deploy", str(path), check=False)
    assert done.returncode == code, done.stderr
    assert error in done.stderr and "next:" in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr
    assert [m["id"] for m in slipway.status()["models"]] == before


def test_a_corrupt_gguf_is_refused_with_its_offset(slipway, tmp_path):
    gguf = tmp_path / "bad.gguf"
    gguf.write_bytes(b"GGUF" + (3).to_bytes(4, "little") + (2**60).to_bytes(8, "little") * 2 + b"x" * 100)
    path = tmp_path / "values.yaml"
    path.write_text(VALUES.replace("HuggingFaceTB/SmolLM2-135M-Instruct", f"file:{gguf}"))
    done = slipway.run("deploy", str(path), check=False)
    assert done.returncode == 1 and "E3005" in done.stderr and "offset" in done.stderr


BLUEPRINTS = [
    ("unknown variable", 'gateway_prt = 9000\n', 2, "E1004", ["gateway_port"]),
    ("wrong type", 'gateway_port = "many"\n', 2, "E1005", ["gateway_port", "^"]),
    ("expression", 'gateway_port = 8000 + 1\n', 2, "E1003", ["^"]),
    ("no such target", 'target = "gke"\n', 2, "E1006", ["eks", "^"]),
    ("cloud without a name", 'target = "eks"\n', 2, "E1007", ["name = "]),
]


@pytest.mark.parametrize("name,text,code,error,words", BLUEPRINTS, ids=[b[0] for b in BLUEPRINTS])
def test_a_bad_blueprint(make_environment, tmp_path, name, text, code, error, words):
    path = tmp_path / "env.tfvars"
    path.write_text(text)
    env = make_environment()
    done = env.run("up", "-f", str(path), check=False)
    assert done.returncode == code, done.stderr
    assert error in done.stderr and "next:" in done.stderr
    for word in words:
        assert word in done.stderr
    assert env.run("status", check=False).returncode == 4


COMMANDS = [
    (["frobnicate"], 2, "E1001"),
    (["staus"], 2, "status"),
    (["deploy"], 2, "E1001"),
    (["deploy", "no-such-file.yaml"], 2, "E1002"),
    (["deploy", "no-such-name"], 4, "E3001"),
    (["undeploy", "nothing-of-that-name"], 1, "E2006"),
    (["chat", "nothing-of-that-name", "hi"], 1, "E2006"),
    (["status", "-o", "xml"], 2, "E1001"),
    (["explain", "E0"], 2, "E"),
    (["keys", "revoke", "key_none"], 1, "E"),
]


@pytest.mark.parametrize("arguments,code,words", COMMANDS, ids=[" ".join(c[0]) for c in COMMANDS])
def test_a_bad_command(slipway, arguments, code, words):
    done = slipway.run(*arguments, check=False)
    assert done.returncode == code, done.stderr
    assert words in done.stderr and "next:" in done.stderr


def exchange(slipway, raw):
    """Sends raw bytes, returns everything the gateway answers until it closes or 2 s pass."""
    with socket.create_connection(("127.0.0.1", slipway.port), timeout=5) as s:
        s.sendall(raw)
        s.settimeout(2)
        data = b""
        try:
            while piece := s.recv(65536):
                data += piece
        except TimeoutError:
            pass
        return data


def request(body, headers="", path="/v1/chat/completions", method="POST"):
    return (f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n{headers}"
            f"Content-Length: {len(body)}\r\n\r\n{body}").encode()


DEEP = json.dumps({"model": EMBEDDED, "messages": []})[:-1] + ', "x": ' + "[" * 2000 + "]" * 2000 + "}"
HTTP = [  # name, bytes, status, code
    ("content-length and chunked", b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400, "bad_http"),
    ("two content-lengths", b"POST /v1/chat/completions HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd", 400, "bad_http"),
    ("obs-fold", b"GET /v1/models HTTP/1.1\r\nHost: a\r\nX: 1\r\n 2\r\n\r\n", 400, "bad_http"),
    ("space before colon", b"GET /v1/models HTTP/1.1\r\nHost : a\r\n\r\n", 400, "bad_http"),
    ("bare line feed", b"GET /v1/models HTTP/1.1\nHost: a\n\n", 400, "bad_http"),
    ("huge head", b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1\r\nX: " + b"a" * 40000 + b"\r\n\r\n", 431, "headers_too_large"),
    ("huge body", request("{}").replace(b"Content-Length: 2", b"Content-Length: 999999999"), 413, "body_too_large"),
    ("no JSON", request("{nope"), 400, "bad_json"),
    ("duplicate key", request('{"model":"a","model":"b","messages":[]}'), 400, "bad_request"),
    ("deep JSON", request(DEEP), 400, "bad_json"),
    ("no model", request('{"messages":[]}'), 400, "bad_request"),
    ("unknown path", request("{}", path="/v1/nothing"), 404, "not_found"),
    ("wrong method", request("", path="/v1/chat/completions", method="PUT"), 405, "method_not_allowed"),
    ("wrong key", request('{"model":"%s","messages":[]}' % EMBEDDED, "Authorization: Bearer sk-slip-nope\r\n"), 401, "key_invalid"),
    ("another site's page", request('{"model":"%s","messages":[]}' % EMBEDDED, "Origin: https://evil.example\r\n"), 403, "cross_site"),
    ("rebound host", request("{}").replace(b"Host: 127.0.0.1", b"Host: evil.example"), 403, "cross_site"),
]


@pytest.mark.parametrize("name,raw,status,code", HTTP, ids=[h[0] for h in HTTP])
def test_a_bad_request(slipway, name, raw, status, code):
    answer = exchange(slipway, raw)
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d" % status), answer[:300]
    error = json.loads(body)["error"]
    assert error["symbol"] == code and error["message"] and error["next"]
    assert answer.count(b"HTTP/1.1 ") == 1, "one request in, one answer out"


def test_the_gateway_still_answers_after_all_that(slipway):
    assert slipway.run("chat", EMBEDDED, "hi", "--max-tokens", "2").returncode == 0
    assert slipway.workers()[0]["restarts"] == 0
