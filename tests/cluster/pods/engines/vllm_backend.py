"""A vLLM backend for tritonserver, for tests: no registry carries the container that has NVIDIA's own (github.com/triton-inference-server/
vllm_backend). It has that one's interface and knows no more of it than the tests ask for.

Triton gives it the model repository's 1/model.json: the engine's arguments. A real vLLM does the work, in a process of its own: Triton's
Python, as its wheel has it, needs a numpy that is too old for vLLM.
"""

import concurrent.futures
import json
import os
import pathlib
import socket
import subprocess
import time
import urllib.error
import urllib.request

import numpy
import triton_python_backend_utils as triton

INPUTS = {
    "text_input": ("TYPE_STRING", False),
    "stream": ("TYPE_BOOL", True),
    "sampling_parameters": ("TYPE_STRING", True),
    "exclude_input_in_output": ("TYPE_BOOL", True),
    "return_finish_reason": ("TYPE_BOOL", True),
    "return_num_input_tokens": ("TYPE_BOOL", True),
    "return_num_output_tokens": ("TYPE_BOOL", True),
}
OUTPUTS = {"text_output": "TYPE_STRING", "finish_reason": "TYPE_STRING", "num_input_tokens": "TYPE_UINT32", "num_output_tokens": "TYPE_UINT32"}
START_S = 1200


def flags(arguments):
    """{"max_model_len": 8, "enforce_eager": true} as a command line."""
    for name, value in arguments.items():
        if value is not False:
            yield "--" + name.replace("_", "-")
            if value is not True:
                yield str(value)


class TritonPythonModel:
    @staticmethod
    def auto_complete_config(config):
        for name, (kind, optional) in INPUTS.items():
            config.add_input({"name": name, "data_type": kind, "dims": [1], "optional": optional})
        for name, kind in OUTPUTS.items():
            config.add_output({"name": name, "data_type": kind, "dims": [-1]})
        config.set_model_transaction_policy({"decoupled": True})
        config.set_max_batch_size(0)
        return config

    def initialize(self, args):
        engine = json.loads((pathlib.Path(args["model_repository"]) / args["model_version"] / "model.json").read_text())
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url, self.model = f"http://127.0.0.1:{port}", engine.pop("model")
        environment = {name: value for name, value in os.environ.items() if name not in ("ENGINE_SITE", "LD_LIBRARY_PATH")}
        command = ["vllm", "serve", self.model, "--host", "127.0.0.1", "--port", str(port), *flags(engine)]
        self.process = subprocess.Popen(command, env=environment)
        self.clients = concurrent.futures.ThreadPoolExecutor(32)
        deadline = time.monotonic() + START_S
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError("vLLM did not start; its log is the server's")
            time.sleep(0.5)

    def _is_up(self):
        try:
            urllib.request.urlopen(f"{self.url}/health", timeout=5).close()
            return True
        except OSError:
            return False

    def execute(self, requests):
        for request in requests:
            given = {}
            for name in INPUTS:  # now: what a request holds is another's when this returns
                tensor = triton.get_input_tensor_by_name(request, name)
                if tensor is not None:
                    given[name] = tensor.as_numpy().reshape(-1)[0]
            self.clients.submit(self._answer, given, request.get_response_sender())

    def _answer(self, given, sender):
        try:
            for response in self._responses(given):
                sender.send(response)
        except Exception as error:  # noqa: BLE001 the client is told whatever it was
            sender.send(triton.InferenceResponse(error=triton.TritonError(str(error))))
        sender.send(flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    def _responses(self, given):
        prompt, streams = given["text_input"].decode(), bool(given.get("stream"))
        wanted = {"model": self.model, "prompt": prompt, **json.loads(given.get("sampling_parameters", b"{}"))}
        if streams:
            wanted |= {"stream": True, "stream_options": {"include_usage": True, "continuous_usage_stats": True}}
        shown, counted = "" if streams or given.get("exclude_input_in_output") else prompt, 0
        for said in self._said(wanted, streams):
            usage, choice = said["usage"], said["choices"][0]
            values = {"text_output": [shown + choice["text"]]}
            if given.get("return_finish_reason"):
                values["finish_reason"] = [str(choice["finish_reason"])]
            if given.get("return_num_input_tokens"):
                values["num_input_tokens"] = numpy.array([usage["prompt_tokens"]], numpy.uint32)
            if given.get("return_num_output_tokens"):
                values["num_output_tokens"] = numpy.array([usage["completion_tokens"] - counted], numpy.uint32)
            counted = usage["completion_tokens"]
            yield triton.InferenceResponse([triton.Tensor(name, numpy.asarray(value, getattr(value, "dtype", object))) for name, value in values.items()])

    def _said(self, wanted, streams):
        request = urllib.request.Request(f"{self.url}/v1/completions", json.dumps(wanted).encode(), {"content-type": "application/json"})
        with urllib.request.urlopen(request, timeout=600) as answer:
            if not streams:
                yield json.load(answer)
                return
            for line in answer:
                said = line.decode().removeprefix("data:").strip()
                if said and said != "[DONE]" and json.loads(said)["choices"]:
                    yield json.loads(said)

    def finalize(self):
        self.process.terminate()
        self.process.wait()
