#!/usr/bin/env python3
"""Holds Fovea's models against transformers' own of the families that have the same parts.

    transformers_check.py LIBFOVEA FAMILY=CHECKPOINT...

The checkpoint's tensors become those of a Llama, Qwen 3, Gemma 2, OLMo 2 or gpt-oss as transformers
implements it, and the logits of 256 random sequences must be the same within 1e-5 of the largest one:

    llama      rotary positions under every scaling, grouped queries
    qwen3      RMS norms of every head's queries and keys before they are turned
    olmo2      the same of all features together
    gemma2     the soft cap of scores
    gpt_oss    learned sink logits; its MLPs, which are mixtures of experts, are left out on both sides
"""

import sys

import numpy as np
import torch
import transformers
from safetensors import safe_open

import fovea_model

TOLERANCE = 1e-5
CLASSES = {"llama": ("LlamaConfig", "LlamaForCausalLM"), "qwen3": ("Qwen3Config", "Qwen3ForCausalLM"),
           "olmo2": ("Olmo2Config", "Olmo2ForCausalLM"), "gemma2": ("Gemma2Config", "Gemma2ForCausalLM"),
           "gpt_oss": ("GptOssConfig", "GptOssForCausalLM")}
# Where the families put the norms of Fovea's blocks.
NORMS = {"gemma2": {"ln1": "input_layernorm", "ln1_post": "post_attention_layernorm",
                    "ln2": "pre_feedforward_layernorm", "ln2_post": "post_feedforward_layernorm"},
         "olmo2": {"ln1_post": "post_attention_layernorm", "ln2_post": "post_feedforward_layernorm"}}
PRE = {"ln1": "input_layernorm", "ln2": "post_attention_layernorm"}


def read(path):
    with safe_open(path, framework="pt") as file:
        return file.metadata(), {name: file.get_tensor(name) for name in file.keys()}


def rope(fields):
    """Their way to say the fields model.rope_*; NTK is "dynamic" at s times the original length."""
    get = lambda name: float(fields[f"model.rope_{name}"])
    length = int(fields["task.context_length"])
    theirs, original = {"rope_theta": get("base")}, int(get("original")) or length
    kind, longest = fields["model.rope_scaling"], length
    theirs["rope_type"] = {"none": "default", "ntk": "dynamic"}.get(kind, kind)
    if kind in ("linear", "yarn", "llama3"):
        theirs["factor"] = get("factor")
    if kind == "ntk":
        theirs["factor"], longest = 1.0, int(length / get("factor"))
    if kind in ("yarn", "llama3"):
        theirs["original_max_position_embeddings"] = original
    if kind == "llama3":
        theirs |= {"low_freq_factor": get("low_freq"), "high_freq_factor": get("high_freq")}
    if kind == "yarn":
        theirs |= {"beta_fast": get("beta_fast"), "beta_slow": get("beta_slow")}
    return theirs, longest


def config_of(family, fields, tensors):
    model = {name[6:]: value for name, value in fields.items() if name.startswith("model.")}
    d, heads = int(model["n_embd"]), int(model["n_head"])
    n_blocks = 1 + max(int(name.split(".")[1]) for name in tensors if name.startswith("blocks."))
    parameters, longest = rope(fields)
    mlp = tensors.get("blocks.0.mlp.W_in")
    settings = {"vocab_size": int(fields["task.vocab_size"]), "hidden_size": d,
                "intermediate_size": mlp.shape[1] if mlp is not None else d, "num_hidden_layers": n_blocks,
                "num_attention_heads": heads, "num_key_value_heads": int(model["n_kv_head"]) or heads,
                "head_dim": d // heads, "rms_norm_eps": 1e-5, "max_position_embeddings": longest,
                "rope_parameters": parameters, "tie_word_embeddings": False, "attention_bias": False,
                "attn_implementation": "eager", "pad_token_id": None, "use_cache": False}
    if family == "gemma2":
        settings |= {"attn_logit_softcapping": float(model["soft_cap"]), "final_logit_softcapping": None,
                     "query_pre_attn_scalar": d // heads, "layer_types": ["full_attention"] * n_blocks}
    if family == "gpt_oss":
        settings |= {"num_local_experts": 1, "num_experts_per_tok": 1,
                     "layer_types": ["full_attention"] * n_blocks}
    return getattr(transformers, CLASSES[family][0])(**settings)


class Nothing(torch.nn.Module):
    """In place of a mixture of experts."""

    def forward(self, x):
        return torch.zeros_like(x), None


def norm(family, w):
    return w - 1 if family == "gemma2" else w  # which keeps what is added to 1


def state_of(family, tensors, config):
    """Their names and shapes: matrices [out][in], heads side by side."""
    scale = config.hidden_size ** -0.5 if family == "gemma2" else 1  # its embeddings are multiplied
    state = {"model.embed_tokens.weight": tensors["embed.W_E"] * scale,
             "model.norm.weight": norm(family, tensors["ln_final.w"]),
             "lm_head.weight": tensors["unembed.W_U"].T}
    for block in range(config.num_hidden_layers):
        own, theirs = f"blocks.{block}.", f"model.layers.{block}."
        w = {name[len(own):]: t for name, t in tensors.items() if name.startswith(own)}
        for c in "QKV":
            state[f"{theirs}self_attn.{c.lower()}_proj.weight"] = w[f"attn.W_{c}"].transpose(1, 2).flatten(0, 1)
        state[f"{theirs}self_attn.o_proj.weight"] = w["attn.W_O"].flatten(0, 1).T
        for name in ("q_norm", "k_norm"):
            if f"attn.{name}.w" in w:
                state[f"{theirs}self_attn.{name}.weight"] = w[f"attn.{name}.w"]
        if "attn.sinks" in w:
            state[f"{theirs}self_attn.sinks"] = w["attn.sinks"]
        for name, their_name in NORMS.get(family, PRE).items():
            if f"{name}.w" in w:
                state[f"{theirs}{their_name}.weight"] = norm(family, w[f"{name}.w"])
        for name, their_name in (("W_gate", "gate_proj"), ("W_in", "up_proj"), ("W_out", "down_proj")):
            if f"mlp.{name}" in w:
                state[f"{theirs}mlp.{their_name}.weight"] = w[f"mlp.{name}"].T
    return state


def compare(library, family, path):
    fields, tensors = read(path)
    config = config_of(family, fields, tensors)
    model = getattr(transformers, CLASSES[family][1])(config).eval()
    if family == "gpt_oss":
        for layer in model.model.layers:
            layer.mlp, layer.post_attention_layernorm = Nothing(), torch.nn.Identity()
    model.load_state_dict({name: t.contiguous() for name, t in state_of(family, tensors, config).items()})
    rng = np.random.default_rng(0)
    length = int(fields["task.context_length"])
    tokens = rng.integers(0, config.vocab_size, (fovea_model.N_SEQUENCES, length))
    ours, positions = fovea_model.logits(library, path, tokens, config.vocab_size)
    with torch.no_grad():
        theirs = model(input_ids=torch.from_numpy(tokens)).logits.numpy()[:, positions]
    off = float(np.abs(ours - theirs).max() / np.abs(ours).max())
    print(f"transformers      {path}: as {family}, logits up to {np.abs(ours).max():.1f} differ by {off:.1e} of that")
    assert off < TOLERANCE, f"{path}: more than {TOLERANCE}"


def main(library, *models):
    for model in models:
        compare(library, *model.split("=", 1))


if __name__ == "__main__":
    main(*sys.argv[1:])
