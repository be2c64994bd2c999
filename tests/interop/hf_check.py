#!/usr/bin/env python3
"""Folders of transformers, both ways.

    hf_check.py LIBFOVEA NAME...      NAME.safetensors and the folder NAME.hf are of one run

What Fovea exports opens as AutoModelForCausalLM, and the logits of 256 random sequences at every position that
the run's loss reads are the same within 1e-5 of the largest one. Saved again by transformers, as it is, in halves
and in several files, Fovea opens it and computes what transformers computes; so it does with small models of its
own that have what Fovea's exports do not: other epsilons, shared tables, biases, scaled rotary positions.
"""

import pathlib
import sys
import tempfile

import numpy as np
import torch
import transformers

import fovea_model

transformers.utils.logging.disable_progress_bar()
transformers.utils.logging.set_verbosity_error()

TOLERANCE = 1e-5
SMALL = {"vocab_size": 23, "bos_token_id": None, "eos_token_id": None, "pad_token_id": None}
LLAMA = {**SMALL, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 2, "num_attention_heads": 4,
         "num_key_value_heads": 2, "max_position_embeddings": 32}
MODELS = {
    "gpt2": transformers.GPT2Config(**SMALL, n_embd=16, n_layer=2, n_head=4, n_positions=32),
    "gpt2-epsilon": transformers.GPT2Config(**SMALL, n_embd=16, n_layer=2, n_head=4, n_positions=32,
                                            layer_norm_epsilon=1e-3, activation_function="relu"),
    "llama": transformers.LlamaConfig(**LLAMA, rms_norm_eps=1e-5, attention_bias=True),
    "llama-tied": transformers.LlamaConfig(**LLAMA, tie_word_embeddings=True, mlp_bias=True),
    "llama-scaled": transformers.LlamaConfig(**LLAMA, rope_parameters={
        "rope_type": "llama3", "rope_theta": 500.0, "factor": 4.0, "low_freq_factor": 1.0,
        "high_freq_factor": 4.0, "original_max_position_embeddings": 16}),
    "qwen3": transformers.Qwen3Config(**LLAMA, head_dim=4, rms_norm_eps=1e-2, tie_word_embeddings=True),
    "mamba": transformers.MambaConfig(**SMALL, hidden_size=16, num_hidden_layers=2, state_size=4,
                                      tie_word_embeddings=True),
}


def their_logits(folder, tokens):
    model = transformers.AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32,
                                                              attn_implementation="eager").eval()
    with torch.no_grad():
        return model, model(input_ids=torch.from_numpy(tokens), use_cache=False).logits.numpy()


def compare(library, ours, folder, length, what):
    """The model at `folder` there, and that at `ours` here."""
    size = transformers.AutoConfig.from_pretrained(folder).vocab_size
    tokens = np.random.default_rng(0).integers(0, size, (fovea_model.N_SEQUENCES, length))
    here, positions = fovea_model.logits(library, str(ours), tokens, size)
    model, there = their_logits(folder, tokens)
    off = float(np.abs(here - there[:, positions]).max() / np.abs(here).max())
    print(f"transformers      {what}: {type(model).__name__}, logits up to {np.abs(here).max():.1f} differ by "
          f"{off:.1e} of that")
    assert off < TOLERANCE, f"{what}: more than {TOLERANCE}"
    return model


def length_of(path):
    from safetensors import safe_open

    with safe_open(path, framework="pt") as file:
        return int(file.metadata()["task.context_length"])


def compare_run(library, name, work):
    length = length_of(name + ".safetensors")
    stem = pathlib.Path(name).name
    model = compare(library, name + ".safetensors", name + ".hf", length, stem)
    compare(library, name + ".hf", name + ".hf", length, f"{stem}, read back")
    for kind in ("float32", "float16", "bfloat16"):
        folder = work / f"{stem}-{kind}"
        model.to(getattr(torch, kind)).save_pretrained(folder, max_shard_size="2KB" if kind == "float32" else "5GB")
        compare(library, folder, folder, length, f"{stem}, saved there as {kind}")
        model.float()


def main(library, *names):
    with tempfile.TemporaryDirectory() as folder:
        work = pathlib.Path(folder)
        for name in names:
            compare_run(library, name, work)
        for name, config in MODELS.items():
            torch.manual_seed(0)
            model = transformers.AutoModelForCausalLM.from_config(config).eval()
            for tensor in model.parameters():
                tensor.data += 0.1 * torch.randn_like(tensor)
            model.save_pretrained(work / name)
            compare(library, work / name, work / name, 12, f"{name} of its own")


if __name__ == "__main__":
    main(*sys.argv[1:])
