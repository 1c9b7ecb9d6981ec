"""An HTTP server around one pipeline of the diffusers library; needs no web framework.

    POST /v1/generations          {"prompt": ...}: a PNG, as the reference platform answers
    POST /v1/images/generations   OpenAI's images API, base64
    GET  /v1/models /health /live /metrics

One picture is computed at a time; the others wait. /health is 200 once the pipeline is loaded, /live while steps move.
"""

import argparse
import base64
import contextlib
import http.server
import importlib
import io
import json
import os
import signal
import sys
import threading
import time

PIPELINES = {
    "flux": "FluxPipeline",
    "kolors": "KolorsPipeline",
    "omnigen": "OmniGenPipeline",
    "stablediffusion3": "StableDiffusion3Pipeline",
    "diffusion": "DiffusionPipeline",
}
# Names of a request that a pipeline takes as they are, with the type that each must have.
PARAMETERS = {"num_inference_steps": int, "guidance_scale": float, "negative_prompt": str, "height": int, "width": int}
MAX_BODY = 1 << 20
STALL_S = 300
WAITING_MAX = 32


class BadRequest(Exception):
    pass


class Painter:
    """The pipeline and what is known about it. One thread at a time computes."""

    def __init__(self, load):
        self.lock, self.pipeline, self.error = threading.Lock(), None, None
        self.running, self.waiting, self.moved = 0, 0, time.monotonic()
        self.finished, self.failed = 0, 0
        threading.Thread(target=self._load, args=(load,), daemon=True).start()

    def _load(self, load):
        try:
            self.pipeline = load()
        except Exception as error:  # noqa: BLE001 whatever it is, the pod must end and say it
            print(f"the pipeline did not load: {error}", file=sys.stderr, flush=True)
            os._exit(1)

    def stalled(self):
        return self.running and time.monotonic() - self.moved > STALL_S

    def _step(self, _pipeline, _step, _timestep, tensors):
        self.moved = time.monotonic()
        return tensors

    def paint(self, wanted, count):
        import torch

        generator = None
        if "seed" in wanted:
            generator = torch.Generator().manual_seed(wanted.pop("seed"))
        self.waiting += 1
        try:
            with self.lock:
                self.running, self.moved = 1, time.monotonic()
                try:
                    images = self.pipeline(
                        **wanted, num_images_per_prompt=count, generator=generator, callback_on_step_end=self._step
                    ).images
                    self.finished += 1
                    return images
                except Exception:
                    self.failed += 1
                    raise
                finally:
                    self.running = 0
        finally:
            self.waiting -= 1


def png(image):
    out = io.BytesIO()
    image.save(out, format="PNG")
    return out.getvalue()


def arguments_of(body):
    """(pipeline arguments, number of images) of a request body."""
    if not isinstance(body, dict) or not isinstance(body.get("prompt"), str) or not body["prompt"]:
        raise BadRequest("'prompt' must be a text")
    wanted = {"prompt": body["prompt"]}
    for name, kind in PARAMETERS.items():
        if body.get(name) is not None:
            if not isinstance(body[name], (int, float) if kind is float else kind):
                raise BadRequest(f"'{name}' must be {kind.__name__}")
            wanted[name] = body[name]
    if body.get("size") not in (None, "auto"):
        width, cross, height = str(body["size"]).partition("x")
        if not (cross and width.isdigit() and height.isdigit()):
            raise BadRequest("'size' must be WIDTHxHEIGHT")
        wanted["width"], wanted["height"] = int(width), int(height)
    if isinstance(body.get("seed"), int):
        wanted["seed"] = body["seed"]
    count = body.get("n") or 1
    if not isinstance(count, int) or not 1 <= count <= 8:
        raise BadRequest("'n' must be 1 to 8")
    return wanted, count


def handler(painter, name, model):
    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self):
            if self.path == "/health":
                return self.answer(
                    200 if painter.pipeline else 503, {"status": "ok" if painter.pipeline else "loading"}
                )
            if self.path == "/live":
                return self.answer(
                    503 if painter.stalled() else 200, {"status": "stalled" if painter.stalled() else "ok"}
                )
            if self.path == "/v1/models":
                return self.answer(200, {"object": "list", "data": [{"id": name, "object": "model", "root": model}]})
            if self.path == "/metrics":
                return self.send(200, "text/plain; version=0.0.4", self.metrics().encode())
            return self.problem(404, "no such path", "not_found")

        def do_POST(self):
            if self.path not in ("/v1/generations", "/v1/images/generations"):
                return self.problem(404, "no such path", "not_found")
            try:
                length = int(self.headers.get("content-length", "-1"))
                if not 0 < length <= MAX_BODY:
                    raise BadRequest("the body needs a content-length of 1 byte to 1 MiB")
                wanted, count = arguments_of(json.loads(self.rfile.read(length)))
            except (BadRequest, ValueError) as error:
                self.close_connection = True  # the body may not have been read
                return self.problem(400, str(error), "invalid_request")
            if not painter.pipeline:
                return self.problem(503, "the pipeline is still loading", "loading")
            if painter.waiting >= WAITING_MAX:
                return self.problem(429, f"{painter.waiting} requests wait already", "overloaded")
            try:
                images = painter.paint(wanted, count)
            except Exception as error:  # noqa: BLE001 a pipeline may raise anything
                return self.problem(500, f"the pipeline failed: {error}", "pipeline_failed")
            if self.path == "/v1/generations":
                return self.send(200, "image/png", png(images[0]))
            data = [{"b64_json": base64.b64encode(png(image)).decode()} for image in images]
            return self.answer(200, {"created": int(time.time()), "data": data})

        def metrics(self):
            rows = {
                "llm_requests_running": ("gauge", painter.running),
                "llm_requests_waiting": ("gauge", max(0, painter.waiting - painter.running)),
                "slipway_images_requests_finished_total": ("counter", painter.finished),
                "slipway_images_requests_failed_total": ("counter", painter.failed),
            }
            return "".join(
                f'# TYPE {row} {kind}\n{row}{{model="{name}"}} {value}\n' for row, (kind, value) in rows.items()
            )

        def problem(self, status, message, code):
            self.answer(status, {"error": {"message": message, "type": "invalid_request_error", "code": code}})

        def answer(self, status, body):
            self.send(status, "application/json", json.dumps(body).encode())

        def send(self, status, kind, body):
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # who asked may have left
                self.end_headers()
                self.wfile.write(body)

        def log_message(self, form, *values):
            if self.path not in ("/health", "/live", "/metrics"):
                print(form % values, flush=True)

    return Handler


def loader(model, pipeline, device):
    def load():
        import torch

        kind = getattr(importlib.import_module("diffusers"), PIPELINES[pipeline])
        loaded = kind.from_pretrained(model, torch_dtype=torch.bfloat16 if device == "cuda" else torch.float32)
        return loaded.to(device)

    return load


def serve(painter, name, model, port, drain_s):
    server = http.server.ThreadingHTTPServer(("0.0.0.0", port), handler(painter, name, model))

    def stop(*_):
        """Finishes what runs, at the latest after drain_s; new connections are refused at once."""

        def wait():
            server.shutdown()
            deadline = time.monotonic() + drain_s
            while painter.waiting and time.monotonic() < deadline:
                time.sleep(0.2)
            os._exit(0)

        threading.Thread(target=wait, daemon=True).start()

    signal.signal(signal.SIGTERM, stop)
    signal.signal(signal.SIGINT, stop)
    server.serve_forever()
    threading.Event().wait()  # until `wait` ends the process


def main():
    flags = argparse.ArgumentParser()
    flags.add_argument("--model", required=True)
    flags.add_argument("--name", required=True)
    flags.add_argument("--pipeline", choices=PIPELINES, default="diffusion")
    flags.add_argument("--device", choices=["cuda", "cpu"], default="cuda")
    flags.add_argument("--port", type=int, default=8000)
    flags.add_argument("--drain-seconds", type=int, default=120)
    chosen = flags.parse_args()
    painter = Painter(loader(chosen.model, chosen.pipeline, chosen.device))
    serve(painter, chosen.name, chosen.model, chosen.port, chosen.drain_seconds)


if __name__ == "__main__":
    main()
