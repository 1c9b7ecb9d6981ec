"""text_model.py MODEL.gguf FOLDER: the packaged model as a Hugging Face folder in bfloat16, which vLLM loads."""

import pathlib
import sys

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer


def main(gguf, folder):
    gguf = pathlib.Path(gguf)
    named = {"gguf_file": gguf.name}
    model = AutoModelForCausalLM.from_pretrained(gguf.parent, dtype=torch.bfloat16, **named)
    # The weights were unpacked; what still says otherwise would be saved with them.
    del model.config.quantization_config
    model.hf_quantizer, model.is_quantized = None, False
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(gguf.parent, **named).save_pretrained(folder)


if __name__ == "__main__":
    main(*sys.argv[1:])
