#!/usr/bin/env python3
"""`fovea cost` against the libraries that pack weights: one linear map, packed by
compressed-tensors and by bitsandbytes, takes as many bytes as the config's formula says.

    python -m venv venv; venv/bin/pip install torch compressed-tensors bitsandbytes
    venv/bin/python tests/peers/cost_packed.py build/fovea"""
import json
import subprocess
import sys

import torch

IN, OUT = 512, 384  # of the unembedding, which is the one linear map that a config can have alone
CONFIG = {"model_type": "llama", "hidden_size": IN, "num_hidden_layers": 1, "num_attention_heads": 4,
          "num_key_value_heads": 4, "intermediate_size": 512, "vocab_size": OUT, "tie_word_embeddings": False}
SHAPES = 4 * [(IN, IN)] + 3 * [(IN, 512)]


def fovea(program, quantization):
    """Packed bytes of the model, of its maps alone."""
    run = subprocess.run([program, "cost", "-", "--json"], input=json.dumps({**CONFIG, "quantization_config": quantization}),
                         text=True, capture_output=True)
    if run.returncode:
        return run.stderr
    note = [n for n in json.loads(run.stdout)["notes"] if " packs " in n][0]
    return int(note.split(" into ")[1].split()[0])


def args(**more):
    return {"num_bits": 4, "type": "int", "strategy": "group", "group_size": 128, "symmetric": True, **more}


def group(weights, inputs):
    return {"targets": ["Linear"], "weights": weights, **({"input_activations": inputs} if inputs else {})}


def compressed(weights, form, inputs=None):
    from compressed_tensors.compressors import ModelCompressor
    from compressed_tensors.quantization import QuantizationConfig, apply_quantization_config
    total = 0
    for inner, outer in SHAPES:
        model = torch.nn.Sequential(torch.nn.Linear(inner, outer, bias=False).to(torch.bfloat16))
        config = QuantizationConfig(config_groups={"group_0": group(weights, inputs)}, format=form,
                                    quantization_status="frozen")
        apply_quantization_config(model, config)
        compressor = ModelCompressor(quantization_config=config)
        compressor.compress_model(model)
        total += sum(t.numel() * t.element_size() for t in model.state_dict().values())
    return total


def bitsandbytes(double):
    import bitsandbytes.functional as F
    total = 0
    for inner, outer in SHAPES:
        packed, state = F.quantize_4bit(torch.randn(outer, inner, dtype=torch.bfloat16), quant_type="nf4",
                                        compress_statistics=double)
        tensors = [packed, state.absmax, state.code]
        if state.nested:
            tensors += [state.state2.absmax, state.state2.code, state.offset]
        total += sum(t.numel() * t.element_size() for t in tensors)
    return total


CASES = {
    "int4, groups of 128": (args(), "pack-quantized"),
    "int4, groups of 32, zero points": (args(group_size=32, symmetric=False), "pack-quantized"),
    "int8, channels": (args(num_bits=8, strategy="channel", group_size=None), "int-quantized"),
    "int8 and inputs": (args(num_bits=8, strategy="channel", group_size=None), "int-quantized",
                        args(num_bits=8, strategy="token", group_size=None, dynamic=True)),
    "fp8 and inputs, fixed": (args(num_bits=8, type="float", strategy="tensor", group_size=None), "float-quantized",
                              args(num_bits=8, type="float", strategy="tensor", group_size=None, dynamic=False)),
    "nvfp4 and inputs": (args(type="float", strategy="tensor_group", group_size=16), "nvfp4-pack-quantized",
                         args(type="float", strategy="tensor_group", group_size=16, dynamic="local")),
    "fp8, channels": (args(num_bits=8, type="float", strategy="channel", group_size=None), "float-quantized"),
    "fp8, one scale": (args(num_bits=8, type="float", strategy="tensor", group_size=None), "float-quantized"),
    "fp8, blocks": (args(num_bits=8, type="float", strategy="block", group_size=None, block_structure=[128, 128]),
                    "float-quantized"),
    "nvfp4": (args(type="float", strategy="tensor_group", group_size=16), "nvfp4-pack-quantized"),
    "mxfp4": (args(type="float", group_size=32), "mxfp4-pack-quantized"),
}


def main():
    program, wrong = sys.argv[1], 0
    checks = {name: (lambda case=case: compressed(*case),
                     {"quant_method": "compressed-tensors", "format": case[1], "ignore": ["lm_head"],
                      "config_groups": {"group_0": group(case[0], case[2] if len(case) > 2 else None)}})
              for name, case in CASES.items()}
    for double in (False, True):
        checks[f"bitsandbytes nf4, double {double}"] = (
            lambda double=double: bitsandbytes(double),
            {"quant_method": "bitsandbytes", "load_in_4bit": True, "bnb_4bit_use_double_quant": double})
    for name, (pack, quantization) in checks.items():
        try:
            want = pack()
        except Exception as error:  # a format that the installed library no longer makes
            print(f"{name}: not made: {str(error)[:200]}")
            continue
        got = fovea(program, quantization)
        wrong += got != want
        print(f"{name}: {want} bytes, {'right' if got == want else got}")
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
