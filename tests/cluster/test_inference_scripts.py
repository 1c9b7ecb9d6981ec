"""The small programs that run in the pods of models, run here: progress, drain, the image server, fetching a file."""

import base64
import http.client
import http.server
import importlib.util
import json
import os
import pathlib
import subprocess
import sys
import threading

import pytest

import inference
import render

SCRIPTS = inference.CHART / "files"


def load(name):
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


class Server:
    """Answers on 127.0.0.1 with what `routes` holds: path -> (status, body) or a function of the handler."""

    def __init__(self, routes):
        self.routes, self.seen = routes, []
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                outer.seen.append((self.path, dict(self.headers)))
                found = outer.routes.get(self.path, (404, b""))
                status, body, *headers = found(self) if callable(found) else found
                self.send_response(status)
                self.send_header("content-length", str(len(body)))
                for name, value in headers:
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True).start()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def vllm(running=0, waiting=0, tokens=0):
    lines = [
        f'vllm:num_requests_running{{engine="0",model_name="m"}} {running}.0',
        f'vllm:num_requests_waiting{{engine="0",model_name="m"}} {waiting}.0',
        f'vllm:generation_tokens_total{{engine="0",model_name="m"}} {tokens}.0',
    ]
    return {"/health": (200, b""), "/metrics": (200, "\n".join(lines).encode())}


@pytest.fixture
def progress(tmp_path):
    module = load("progress")
    module.STATE = str(tmp_path / "state.json")
    return module


def test_the_names_that_progress_reads_are_vllms_own(progress):
    text = (render.ROOT / "tests/golden/vllm-0.32-types.txt").read_text()
    for name in progress.BUSY + progress.COUNTERS:
        assert name.removesuffix("_count") in text, name


def test_a_busy_engine_that_makes_tokens_is_alive(progress):
    with Server(vllm(running=2, tokens=10)) as server:
        progress.URL = server.url
        assert progress.live(300, now=1000) == 0
        server.routes = vllm(running=2, tokens=11)
        assert progress.live(300, now=2000) == 0
        assert progress.live(300, now=2200) == 0


def test_a_busy_engine_that_makes_none_for_too_long_is_dead(progress, capsys):
    with Server(vllm(running=2, tokens=10)) as server:
        progress.URL = server.url
        assert progress.live(300, now=1000) == 0
        assert progress.live(300, now=1299) == 0
        assert progress.live(300, now=1301) == 1
        assert "2 requests run and nothing moved for 301 s" in capsys.readouterr().err


def test_an_idle_engine_is_alive_however_long(progress):
    with Server(vllm(tokens=10)) as server:
        progress.URL = server.url
        assert progress.live(300, now=1000) == 0
        assert progress.live(300, now=99999) == 0
        server.routes = vllm(running=1, tokens=10)  # idle time does not count against the first request
        assert progress.live(300, now=100000) == 0


def test_a_torn_state_file_counts_from_now(progress):
    pathlib.Path(progress.STATE).write_text('{"busy": tr')
    with Server(vllm(running=1)) as server:
        progress.URL = server.url
        assert progress.live(300, now=1000) == 0


def test_an_engine_that_does_not_answer_is_dead(tmp_path):
    with Server({"/health": (503, b"")}) as server:
        done = subprocess.run(
            [sys.executable, SCRIPTS / "progress.py", "live", "300"],
            env={**os.environ, "PROGRESS_URL": server.url, "PROGRESS_STATE": str(tmp_path / "s")},
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )
    assert done.returncode == 1 and server.url in done.stderr


def test_drain_returns_when_nothing_runs_and_not_before(progress):
    answers = [vllm(running=1), vllm(waiting=1), vllm()]
    with Server(answers[0]) as server:
        progress.URL = server.url
        server.routes = {
            "/metrics": lambda _: answers.pop(0)["/metrics"] if len(answers) > 1 else answers[0]["/metrics"]
        }
        assert progress.drain(0, 60) == 0
        assert len(server.seen) == 3


def test_drain_ends_at_its_limit_and_at_once_when_the_engine_is_gone(progress):
    with Server(vllm(running=1)) as server:
        progress.URL = server.url
        assert progress.drain(0, 0.1) == 0
    assert progress.drain(0, 60) == 0  # nobody answers any more


# --- fetching a worker's file


def run_fetch(server, folder, source, token=None):
    secret = folder / "token"
    if token:
        secret.write_text(token + "\n")
    return subprocess.run(
        [sys.executable, SCRIPTS / "fetch_model.py", source, str(folder / "models/m.gguf")],
        env={**os.environ, "HF_ENDPOINT": server.url, "HF_TOKEN_PATH": str(secret)},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def test_a_file_is_fetched_from_the_hub_and_kept(tmp_path):
    path = "/o/r/resolve/main/d/m.gguf"
    with Server({path: (200, b"weights")}) as server:
        assert run_fetch(server, tmp_path, "hf:o/r/d/m.gguf").returncode == 0
        assert (tmp_path / "models/m.gguf").read_bytes() == b"weights"
        assert run_fetch(server, tmp_path, "hf:o/r/d/m.gguf").returncode == 0
        assert len(server.seen) == 1


def test_a_download_that_was_cut_off_goes_on(tmp_path):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/m.gguf.partial").write_bytes(b"wei")

    def rest(handler):
        assert handler.headers["Range"] == "bytes=3-"
        return 206, b"ghts"

    with Server({"/o/r/resolve/v1/m.gguf": rest}) as server:
        assert run_fetch(server, tmp_path, "hf:o/r@v1/m.gguf").returncode == 0
    assert (tmp_path / "models/m.gguf").read_bytes() == b"weights"


def test_the_token_goes_to_the_hub_and_not_to_its_store(tmp_path):
    with Server({"/store": (200, b"weights")}) as store:
        elsewhere = store.url.replace("127.0.0.1", "localhost")
        routes = {"/o/r/resolve/main/m.gguf": (302, b"", ("location", elsewhere + "/store"))}
        with Server(routes) as hub:
            assert run_fetch(hub, tmp_path, "hf:o/r/m.gguf", token="hf_secret").returncode == 0
            assert hub.seen[0][1]["Authorization"] == "Bearer hf_secret"
        assert "Authorization" not in store.seen[0][1]


def test_a_gated_file_says_what_to_do(tmp_path):
    with Server({"/o/r/resolve/main/m.gguf": (403, b"")}) as server:
        done = run_fetch(server, tmp_path, "hf:o/r/m.gguf")
    assert done.returncode == 1 and "slipway secret set hf-token" in done.stderr
    with Server({}) as server:
        assert "no such file" in run_fetch(server, tmp_path, "hf:o/r/m.gguf").stderr


# --- the image server, with a pipeline that draws nothing


class Image:
    def save(self, out, format):
        out.write(b"\x89PNG " + format.encode())


class Pipeline:
    def __init__(self):
        self.asked = []

    def __call__(self, prompt, num_images_per_prompt, callback_on_step_end, **more):
        self.asked.append({"prompt": prompt, "n": num_images_per_prompt, **more})
        if prompt == "fail":
            raise RuntimeError("out of memory")
        callback_on_step_end(None, 0, 0, {})

        class Answer:
            images = [Image()] * num_images_per_prompt

        return Answer


@pytest.fixture
def painter(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", type(sys)("torch"))
    module = load("diffusers_serve")
    pipeline, loaded = Pipeline(), threading.Event()
    made = module.Painter(lambda: (loaded.wait(30), pipeline)[1])
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), module.handler(made, "flux", "o/r"))
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()

    def ask(method, path, body=None):
        connection = http.client.HTTPConnection("127.0.0.1", server.server_address[1], timeout=30)
        connection.request(method, path, None if body is None else json.dumps(body))
        answer = connection.getresponse()
        return answer.status, answer.read()

    ask.pipeline, ask.painter, ask.loaded = pipeline, made, loaded
    yield ask
    loaded.set()
    server.shutdown()
    server.server_close()


def until_loaded(ask):
    ask.loaded.set()
    while ask.painter.pipeline is None:
        threading.Event().wait(0.01)


def test_the_image_server_is_ready_when_its_pipeline_is_loaded(painter):
    assert painter("GET", "/health")[0] == 503 and painter("GET", "/live")[0] == 200
    assert painter("POST", "/v1/generations", {"prompt": "a"})[0] == 503
    until_loaded(painter)
    assert painter("GET", "/health")[0] == 200
    assert json.loads(painter("GET", "/v1/models")[1])["data"][0]["id"] == "flux"


def test_the_image_server_answers_as_the_reference_and_as_openai(painter):
    until_loaded(painter)
    assert painter("POST", "/v1/generations", {"prompt": "a cat"}) == (200, b"\x89PNG PNG")
    status, body = painter("POST", "/v1/images/generations", {"prompt": "a", "n": 2, "size": "512x256"})
    data = json.loads(body)["data"]
    assert status == 200 and [base64.b64decode(entry["b64_json"]) for entry in data] == [b"\x89PNG PNG"] * 2
    assert painter.pipeline.asked[-1]["width"] == 512 and painter.pipeline.asked[-1]["height"] == 256
    metrics = painter("GET", "/metrics")[1].decode()
    assert 'slipway_images_requests_finished_total{model="flux"} 2' in metrics


@pytest.mark.parametrize(
    "body", [{}, {"prompt": ""}, {"prompt": 1}, {"prompt": "a", "n": 9}, {"prompt": "a", "size": "big"}, [1]]
)
def test_the_image_server_refuses_what_it_does_not_understand(painter, body):
    until_loaded(painter)
    status, answer = painter("POST", "/v1/images/generations", body)
    assert status == 400 and json.loads(answer)["error"]["code"] == "invalid_request"
    assert not painter.pipeline.asked


def test_a_failed_picture_is_an_error_and_the_next_one_works(painter):
    until_loaded(painter)
    status, answer = painter("POST", "/v1/generations", {"prompt": "fail"})
    assert status == 500 and "out of memory" in json.loads(answer)["error"]["message"]
    assert painter("POST", "/v1/generations", {"prompt": "a"})[0] == 200


def test_a_stalled_picture_is_not_live(painter):
    until_loaded(painter)
    painter.painter.running, painter.painter.moved = 1, painter.painter.moved - 10_000
    assert painter("GET", "/live")[0] == 503


@pytest.mark.parametrize("name", [file.stem for file in sorted(SCRIPTS.glob("*.py"))])
def test_a_script_parses_on_the_oldest_python_of_its_images(name):
    """Ray's and AWS's images have Python 3.10 and newer; nothing here may need more."""
    import ast

    ast.parse((SCRIPTS / f"{name}.py").read_text(), feature_version=(3, 10))
