"""A vLLM backend for tritonserver, for tests: no registry carries the container that has NVIDIA's own (github.com/triton-inference-server/
vllm_backend). It has that one's interface, a real vLLM does the work, and it knows no more than the tests ask for.

Triton gives it the model repository's 1/model.json: the engine arguments. Inputs and outputs are completed here, as NVIDIA's does.
"""

import asyncio
import json
import locale
import pathlib
import threading

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
        locale.setlocale(locale.LC_CTYPE, "C.UTF-8")  # the stub leaves it at ASCII, and torch reads files of its own in it
        from vllm import AsyncEngineArgs
        from vllm.v1.engine.async_llm import AsyncLLM

        engine = json.loads((pathlib.Path(args["model_repository"]) / args["model_version"] / "model.json").read_text())
        self.loop, self.count = asyncio.new_event_loop(), 0
        threading.Thread(target=self.loop.run_forever, daemon=True).start()
        self.engine = self._wait(self._start(AsyncLLM, AsyncEngineArgs(**engine)))

    @staticmethod
    async def _start(kind, arguments):
        return kind.from_engine_args(arguments)

    def _wait(self, work):
        return asyncio.run_coroutine_threadsafe(work, self.loop).result()

    def execute(self, requests):
        for request in requests:
            self.count += 1
            given = {}
            for name in INPUTS:  # now: what a request holds is another's when this returns
                tensor = triton.get_input_tensor_by_name(request, name)
                if tensor is not None:
                    given[name] = tensor.as_numpy().reshape(-1)[0]
            answering = self._answer(given, request.get_response_sender(), str(self.count))
            asyncio.run_coroutine_threadsafe(answering, self.loop)

    async def _answer(self, given, sender, number):
        try:
            async for response in self._responses(given, number):
                sender.send(response)
        except Exception as error:  # noqa: BLE001 the client is told whatever it was
            sender.send(triton.InferenceResponse(error=triton.TritonError(str(error))))
        sender.send(flags=triton.TRITONSERVER_RESPONSE_COMPLETE_FINAL)

    async def _responses(self, given, number):
        from vllm import SamplingParams
        from vllm.sampling_params import RequestOutputKind

        prompt, streams = given["text_input"].decode(), bool(given.get("stream"))
        kind = RequestOutputKind.DELTA if streams else RequestOutputKind.FINAL_ONLY
        sampling = SamplingParams(**json.loads(given.get("sampling_parameters", b"{}")), output_kind=kind)
        shown = "" if streams or given.get("exclude_input_in_output") else prompt
        async for said in self.engine.generate(prompt, sampling, number):
            part = said.outputs[0]
            values = {"text_output": [shown + part.text]}
            if given.get("return_finish_reason"):
                values["finish_reason"] = [str(part.finish_reason)]
            if given.get("return_num_input_tokens"):
                values["num_input_tokens"] = numpy.array([len(said.prompt_token_ids)], numpy.uint32)
            if given.get("return_num_output_tokens"):
                values["num_output_tokens"] = numpy.array([len(part.token_ids)], numpy.uint32)
            yield triton.InferenceResponse([triton.Tensor(name, numpy.asarray(value, getattr(value, "dtype", object))) for name, value in values.items()])

    def finalize(self):
        self.engine.shutdown()
