"""A Ray Serve application around any OpenAI-compatible server: each Serve replica starts one and relays to it.

The server's command line is an argument of the application (serveConfigV2), so every engine version and every parameter
works, and its whole API is there: chat, completions, embeddings, streaming. Run as a program, `slipway_serve.py drain S`
tells Ray that this node goes and waits until its replicas have moved, S seconds at most.
"""

import asyncio
import contextlib
import os
import pathlib
import socket
import subprocess
import sys
import time

import aiohttp
import progress
from ray import serve
from ray.util import metrics
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse

ENGINES = pathlib.Path("/tmp/slipway-engines")  # one file an engine of this node, for `drain`
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "trailer", "upgrade", "content-length", "host"}


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def container_log():
    """The standard output of the pod's first process, so that `kubectl logs` shows the engine; else our own."""
    try:
        return open("/proc/1/fd/1", "wb", buffering=0)
    except OSError:
        return None


@serve.deployment(name="Engine")
class Engine:
    def __init__(self, command, model, packages="", stall_seconds=300, start_seconds=1800):
        port = free_port()
        self.url, self.stall_seconds = f"http://127.0.0.1:{port}", stall_seconds
        environment = dict(os.environ)
        if packages:  # the engine's own packages, which must not replace Ray's
            environment["PYTHONPATH"] = packages
            environment["PATH"] = f"{packages}/bin:{environment['PATH']}"
        log = container_log()
        self.process = subprocess.Popen(
            [*command, "--host", "127.0.0.1", "--port", str(port)], env=environment, stdout=log, stderr=log
        )
        ENGINES.mkdir(exist_ok=True)
        self.mark = ENGINES / str(self.process.pid)
        self.mark.touch()
        progress.URL, progress.STATE = self.url, f"/tmp/slipway-progress-{self.process.pid}.json"
        self.gauges = {
            name: metrics.Gauge(name.replace(":", "_"), description=name, tag_keys=("model",))
            for name in progress.BUSY + progress.COUNTERS
        }
        self.model, self.session = model, None
        self._wait_until_up(time.monotonic() + start_seconds)

    def _wait_until_up(self, deadline):
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                raise RuntimeError(f"the engine exited with {self.process.returncode}; its log is the pod's log")
            with contextlib.suppress(OSError):
                progress.get("/health")
                return
            time.sleep(1)
        raise RuntimeError("the engine did not become healthy in time; its log is the pod's log")

    def check_health(self):
        if self.process.poll() is not None:
            raise RuntimeError(f"the engine exited with {self.process.returncode}")
        if progress.live(self.stall_seconds, time.time()):
            raise RuntimeError(f"requests run and nothing moved for {self.stall_seconds} s")
        for name, value in progress.sums(progress.get("/metrics")).items():
            self.gauges[name].set(value, tags={"model": self.model})

    async def __call__(self, request: Request) -> Response:
        if self.session is None:
            self.session = aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=5))
        headers = {name: value for name, value in request.headers.items() if name not in HOP_BY_HOP}
        target = self.url + request.url.path + (f"?{request.url.query}" if request.url.query else "")
        try:
            answer = await self.session.request(request.method, target, headers=headers, data=await request.body())
        except aiohttp.ClientError as error:
            body = {"message": f"the engine did not answer: {error}", "type": "server_error", "code": "engine_gone"}
            return JSONResponse({"error": body}, status_code=503)
        kept = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}

        async def relay():
            try:
                async for chunk in answer.content.iter_any():
                    yield chunk
            finally:
                answer.close()  # a client that leaves cancels the request in the engine

        return StreamingResponse(relay(), status_code=answer.status, headers=kept)

    async def __del__(self):
        self.process.terminate()
        with contextlib.suppress(asyncio.TimeoutError):
            await asyncio.wait_for(asyncio.to_thread(self.process.wait), 30)
        self.process.kill()
        self.mark.unlink(missing_ok=True)


def app(arguments):
    return Engine.bind(**arguments)


def drain(seconds):
    import ray

    ray.init(address="auto", logging_level="ERROR")
    node = ray.get_runtime_context().get_node_id()
    ray.shutdown()
    told = subprocess.run(
        ["ray", "drain-node", "--node-id", node, "--reason", "DRAIN_NODE_REASON_PREEMPTION"]
        + ["--reason-message", "the pod is going", "--deadline-remaining-seconds", str(seconds)],
        check=False,
    )
    deadline = time.monotonic() + (seconds if told.returncode == 0 else 0)
    while time.monotonic() < deadline and ENGINES.is_dir() and any(ENGINES.iterdir()):
        time.sleep(1)


if __name__ == "__main__":
    if sys.argv[1:2] != ["drain"]:
        sys.exit(__doc__)
    drain(int(sys.argv[2]))
