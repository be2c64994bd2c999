#!/usr/bin/env python3
"""Writes what transformers' modeling_rope_utils gives for every scaling of rotary positions, which
tests/unit/test_positions.c holds Fovea's frequencies against.

    pip install torch transformers
    tests/interop/rope_values.py > tests/unit/data/rope.json
"""
import json

import transformers
from transformers import LlamaConfig
from transformers.modeling_rope_utils import ROPE_INIT_FUNCTIONS

# Fields of Fovea, and how transformers says the same. NTK is its "dynamic" scaling with a factor of
# 1 at s times the original length.
CASES = [
    ({"rope_base": 10000, "rope_scaling": "none"}, {"rope_type": "default"}, None),
    ({"rope_base": 500000, "rope_scaling": "none"}, {"rope_type": "default"}, None),
    ({"rope_scaling": "linear", "rope_factor": 4}, {"rope_type": "linear", "factor": 4.0}, None),
    ({"rope_scaling": "ntk", "rope_factor": 8}, {"rope_type": "dynamic", "factor": 1.0}, 8 * 64),
    ({"rope_scaling": "yarn", "rope_factor": 4}, {"rope_type": "yarn", "factor": 4.0}, None),
    ({"rope_scaling": "yarn", "rope_factor": 16, "rope_original": 4096, "rope_beta_fast": 24,
      "rope_beta_slow": 2, "rope_mscale": 1.5},
     {"rope_type": "yarn", "factor": 16.0, "original_max_position_embeddings": 4096,
      "beta_fast": 24.0, "beta_slow": 2.0, "attention_factor": 1.5}, None),
    ({"rope_base": 500000, "rope_scaling": "llama3", "rope_factor": 8, "rope_original": 8192},
     {"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0,
      "original_max_position_embeddings": 8192}, None),
    ({"rope_scaling": "llama3", "rope_factor": 32, "rope_original": 128, "rope_low_freq": 0.5,
      "rope_high_freq": 6},
     {"rope_type": "llama3", "factor": 32.0, "low_freq_factor": 0.5, "high_freq_factor": 6.0,
      "original_max_position_embeddings": 128}, None),
]
WIDTH, CONTEXT = 32, 64


def default(config):
    base = config.rope_parameters["rope_theta"]
    return [base ** (-2 * m / WIDTH) for m in range(WIDTH // 2)], 1.0


def values(fields, theirs, length):
    parameters = dict(theirs, rope_theta=float(fields.get("rope_base", 10000)))
    if parameters["rope_type"] == "yarn":
        parameters.setdefault("original_max_position_embeddings", CONTEXT)
    config = LlamaConfig(hidden_size=2 * WIDTH, num_attention_heads=2, head_dim=WIDTH,
                         max_position_embeddings=CONTEXT, rope_parameters=parameters)
    if parameters["rope_type"] == "default":
        frequencies, scale = default(config)
    else:
        frequencies, scale = ROPE_INIT_FUNCTIONS[parameters["rope_type"]](config, "cpu", length)
        frequencies = frequencies.double().tolist()
    return {"fields": fields, "scale": float(scale), "frequencies": frequencies}


def main():
    cases = [values(*case) for case in CASES]
    print(json.dumps({"transformers": transformers.__version__, "width": WIDTH,
                      "context": CONTEXT, "cases": cases}, indent=1))


if __name__ == "__main__":
    main()
