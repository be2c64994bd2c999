#!/usr/bin/env python3
"""`fovea cost` against the models of transformers: configurations drawn at random for every family,
with fields left out and flags turned, each built on PyTorch's meta device, which has shapes and no
numbers. Parameters (and biases that the library keeps as buffers) must be the same.

    python -m venv venv; venv/bin/pip install transformers==5.24.0 torch
    venv/bin/python tests/peers/cost_families.py build/fovea --count 100
    venv/bin/python tests/peers/cost_families.py build/fovea --count 4 --write tests/cost/families.jsonl

With --write the configurations are kept with their numbers, for the tests."""
import argparse
import json
import random
import subprocess
import sys
import warnings

warnings.filterwarnings("ignore")


def heads(r, grouped=True):
    n = r.choice([2, 4, 6, 8])
    kv = r.choice([k for k in (1, 2, 4, 6) if n % k == 0]) if grouped else n
    return n, kv


def transformer(r, **more):
    n, kv = heads(r)
    return {"hidden_size": n * r.choice([4, 8, 12]), "intermediate_size": r.randint(5, 90),
            "num_hidden_layers": r.randint(1, 9), "num_attention_heads": n,
            "num_key_value_heads": kv, "vocab_size": r.randint(20, 400), **more}


def flags(r, *names):
    return {name: r.random() < 0.5 for name in names if r.random() < 0.7}


def types(r, n, *words):
    return [r.choice(words) for _ in range(n)]


def maybe(r, chance=0.5, **fields):
    return fields if r.random() < chance else {}


def latent(r):
    return {"hidden_size": r.randint(8, 60) * 2, "intermediate_size": r.randint(5, 90),
            "num_hidden_layers": r.randint(1, 7), "num_attention_heads": r.randint(1, 6),
            "vocab_size": r.randint(20, 400), "q_lora_rank": r.choice([None, r.randint(4, 30)]),
            "kv_lora_rank": 2 * r.randint(2, 15), "qk_nope_head_dim": r.randint(2, 12),
            "qk_rope_head_dim": 2 * r.randint(1, 6), "v_head_dim": r.randint(2, 12),
            "moe_intermediate_size": r.randint(2, 30), "n_routed_experts": r.randint(4, 9),
            "num_experts_per_tok": r.randint(1, 4), "n_shared_experts": r.randint(1, 3),
            "first_k_dense_replace": r.randint(0, 1)}


def mamba2(r, prefix, width, keys):
    """Keys of state, conv, groups, heads, head width; inner channels are twice the width."""
    share = r.choice([2, 4])
    n = 2 * width // share
    groups = r.choice([g for g in (1, 2, 4) if n % g == 0])
    values = r.randint(2, 12), r.randint(2, 5), groups, n, share
    return {prefix + key: value for key, value in zip(keys, values)}


TOKENS = 7  # of the forward pass whose products are counted
GRANITE = ("d_state", "d_conv", "n_groups", "n_heads", "d_head")
CASES = {}


def case(function):
    CASES[function.__name__] = function
    return function


@case
def llama(r):
    return transformer(r, **maybe(r, head_dim=6), **flags(r, "attention_bias", "mlp_bias", "tie_word_embeddings"))


@case
def mistral(r):
    return transformer(r, **maybe(r, head_dim=6), **maybe(r, sliding_window=r.choice([None, 7])),
                       **flags(r, "attention_bias", "mlp_bias", "tie_word_embeddings"))


@case
def ministral3(r):
    return mistral(r)


@case
def granite(r):
    return llama(r)


@case
def phi3(r):
    return transformer(r, **maybe(r, sliding_window=9), pad_token_id=None, **flags(r, "tie_word_embeddings"))


def qwen(r, **more):
    return transformer(r, **maybe(r, head_dim=6), **maybe(r, sliding_window=9), **maybe(r, max_window_layers=2),
                       **flags(r, "use_sliding_window", "attention_bias", "tie_word_embeddings"), **more)


@case
def qwen2(r):
    return qwen(r)


@case
def qwen2_vl_text(r):
    return qwen(r)


@case
def qwen3(r):
    return qwen(r)


@case
def qwen3_vl_text(r):
    return qwen(r)


def qwen_experts(r, **more):
    config = qwen(r, num_experts=r.randint(3, 9), num_experts_per_tok=r.randint(1, 3),
                  moe_intermediate_size=r.randint(2, 30), **more)
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, decoder_sparse_step=r.randint(1, 3)),
            **maybe(r, mlp_only_layers=sorted(r.sample(range(n), r.randint(0, n))))}


@case
def qwen2_moe(r):
    return {**qwen_experts(r), **maybe(r, shared_expert_intermediate_size=r.randint(2, 30)), **flags(r, "qkv_bias")}


@case
def qwen3_moe(r):
    return qwen_experts(r)


@case
def qwen3_vl_moe_text(r):
    return qwen_experts(r)


@case
def smollm3(r):
    return transformer(r, **maybe(r, sliding_window=9), pad_token_id=None,
                       **flags(r, "use_sliding_window", "attention_bias", "mlp_bias", "tie_word_embeddings"))


@case
def seed_oss(r):
    return transformer(r, **maybe(r, head_dim=6),
                       **flags(r, "attention_bias", "attention_out_bias", "mlp_bias", "tie_word_embeddings"))


@case
def glm4(r):
    return transformer(r, pad_token_id=None, **maybe(r, head_dim=6), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def olmo2(r):
    return transformer(r, **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def olmo3(r):
    return transformer(r, **maybe(r, sliding_window=9), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def exaone4(r):
    return transformer(r, **maybe(r, sliding_window_pattern=r.randint(2, 4)), sliding_window=9, **flags(r, "tie_word_embeddings"))


@case
def cohere2(r):
    return transformer(r, **maybe(r, sliding_window_pattern=r.randint(2, 4)), sliding_window=9,
                       **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def stablelm(r):
    return transformer(r, **flags(r, "use_qkv_bias", "qk_layernorm", "use_parallel_residual", "tie_word_embeddings"))


@case
def starcoder2(r):
    return transformer(r, **maybe(r, sliding_window=9), **flags(r, "use_bias", "tie_word_embeddings"))


@case
def nemotron(r):
    return transformer(r, **maybe(r, head_dim=6), **flags(r, "attention_bias", "mlp_bias", "tie_word_embeddings"))


@case
def gpt_neox(r):
    config = transformer(r, **flags(r, "attention_bias", "use_parallel_residual", "tie_word_embeddings"))
    del config["num_key_value_heads"]
    return config


@case
def opt(r):
    config = transformer(r, ffn_dim=r.randint(5, 90), max_position_embeddings=r.randint(8, 99),
                         **flags(r, "enable_bias", "do_layer_norm_before", "layer_norm_elementwise_affine",
                                 "_remove_final_layer_norm"))
    del config["num_key_value_heads"], config["intermediate_size"]
    return {**config, **maybe(r, word_embed_proj_dim=r.randint(4, 20))}


@case
def gpt2(r):
    n = r.choice([1, 2, 4])
    config = {"n_embd": 8 * n, "n_head": n, "n_layer": r.randint(1, 5), "vocab_size": r.randint(20, 400),
              **maybe(r, n_positions=r.randint(8, 99)), **maybe(r, n_inner=r.randint(5, 90)),
              **flags(r, "tie_word_embeddings")}
    return config


@case
def gemma(r):
    return transformer(r, **maybe(r, head_dim=6), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def gemma2(r):
    return {**gemma(r), **maybe(r, sliding_window=9)}


@case
def gemma3_text(r):
    return {**gemma2(r), **maybe(r, sliding_window_pattern=r.randint(2, 5)), **flags(r, "use_bidirectional_attention")}


@case
def mixtral(r):
    return transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2),
                       **maybe(r, head_dim=6), **maybe(r, sliding_window=9), **flags(r, "tie_word_embeddings"))


@case
def phimoe(r):
    return transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=2, **maybe(r, sliding_window=9),
                       **flags(r, "attention_bias", "lm_head_bias", "tie_word_embeddings"))


@case
def minimax_m2(r):
    return transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2),
                       **maybe(r, head_dim=6), **flags(r, "tie_word_embeddings"))


@case
def hunyuan_v1_moe(r):
    return transformer(r, num_experts=r.randint(2, 9), moe_topk=r.randint(1, 2), **maybe(r, head_dim=6),
                       **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def gpt_oss(r):
    return transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2),
                       **maybe(r, head_dim=6), **maybe(r, sliding_window=9),
                       **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def dbrx(r):
    n, kv = heads(r)
    return {"d_model": 8 * n, "n_heads": n, "n_layers": r.randint(1, 5), "vocab_size": r.randint(20, 400),
            "attn_config": maybe(r, kv_n_heads=kv),
            "ffn_config": {**maybe(r, ffn_hidden_size=r.randint(5, 40)),
                           **maybe(r, moe_num_experts=r.randint(2, 6), moe_top_k=r.randint(1, 2))}}


@case
def glm4_moe(r):
    return transformer(r, moe_intermediate_size=r.randint(2, 30), n_routed_experts=r.randint(2, 9),
                       num_experts_per_tok=r.randint(1, 2), **maybe(r, head_dim=6),
                       **maybe(r, n_shared_experts=r.randint(1, 3)), **maybe(r, first_k_dense_replace=r.randint(0, 1)),
                       **flags(r, "attention_bias", "use_qk_norm", "tie_word_embeddings"))


@case
def ernie4_5_moe(r):
    return transformer(r, moe_intermediate_size=r.randint(2, 30), moe_num_experts=r.randint(2, 9),
                       moe_k=r.randint(1, 2), **maybe(r, moe_num_shared_experts=r.randint(0, 3)),
                       **maybe(r, moe_layer_start_index=r.randint(0, 3)), **maybe(r, moe_layer_end_index=r.randint(0, 5)),
                       **maybe(r, moe_layer_interval=r.randint(1, 3)), **flags(r, "use_bias", "tie_word_embeddings"))


@case
def afmoe(r):
    return transformer(r, moe_intermediate_size=r.randint(2, 30), num_experts=r.randint(2, 9),
                       num_experts_per_tok=r.randint(1, 2), **maybe(r, num_shared_experts=r.randint(1, 3)),
                       **maybe(r, num_dense_layers=r.randint(0, 2)), **maybe(r, global_attn_every_n_layers=r.randint(2, 4)),
                       **maybe(r, head_dim=6), **maybe(r, sliding_window=9), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def llama4_text(r):
    config = transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=1,
                         intermediate_size_mlp=r.randint(5, 40), **maybe(r, interleave_moe_layer_step=r.randint(1, 3)),
                         **maybe(r, attention_chunk_size=8), **flags(r, "attention_bias", "tie_word_embeddings"))
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, 0.3, moe_layers=sorted(r.sample(range(n), r.randint(0, n)))), **maybe(r, head_dim=6)}


@case
def mimo_v2_flash(r):
    config = transformer(r, moe_intermediate_size=r.randint(2, 30), n_routed_experts=r.randint(2, 9),
                         num_experts_per_tok=r.randint(1, 2), head_dim=6, v_head_dim=r.randint(2, 9),
                         **maybe(r, sliding_window=9), **flags(r, "attention_bias", "tie_word_embeddings"))
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, layer_types=types(r, n, "full_attention", "sliding_attention")),
            **maybe(r, mlp_layer_types=types(r, n, "dense", "sparse"))}


@case
def deepseek_v2(r):
    return {**latent(r), **flags(r, "attention_bias", "mlp_bias", "tie_word_embeddings")}


@case
def deepseek_v3(r):
    return {**latent(r), "n_group": 1, "topk_group": 1, **flags(r, "attention_bias", "mlp_bias", "tie_word_embeddings")}


def sparse(r):
    config = {**latent(r), "q_lora_rank": r.randint(4, 30), "index_n_heads": r.randint(1, 4), "index_head_dim": 16,
              "index_topk": r.randint(2, 40), **flags(r, "attention_bias", "tie_word_embeddings")}
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, 0.3, mlp_layer_types=types(r, n, "dense", "sparse"))}


@case
def deepseek_v32(r):
    return sparse(r)


@case
def glm_moe_dsa(r):
    config = sparse(r)
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, 0.3, indexer_types=["full"] + types(r, n - 1, "full", "shared")),
            **maybe(r, 0.3, index_topk_freq=r.randint(1, 3)), **maybe(r, 0.3, index_skip_topk_offset=r.randint(0, 3))}


@case
def mamba(r):
    return {"hidden_size": 8 * r.randint(1, 6), "num_hidden_layers": r.randint(1, 5), "vocab_size": r.randint(20, 400),
            **maybe(r, state_size=r.randint(2, 20)), **maybe(r, conv_kernel=r.randint(2, 5)), **maybe(r, expand=r.randint(1, 3)),
            **maybe(r, time_step_rank=r.choice(["auto", 5])), **maybe(r, 0.2, intermediate_size=r.randint(9, 90)),
            **flags(r, "use_bias", "use_conv_bias", "tie_word_embeddings")}


@case
def falcon_mamba(r):
    return mamba(r)


@case
def mamba2_(r):
    width = 8 * r.randint(1, 6)
    return {"hidden_size": width, "num_hidden_layers": r.randint(1, 5), "vocab_size": r.randint(20, 400),
            **mamba2(r, "", width, ("state_size", "conv_kernel", "n_groups", "num_heads", "head_dim")),
            **flags(r, "use_bias", "use_conv_bias", "tie_word_embeddings")}


@case
def jamba(r):
    return transformer(r, num_experts=r.randint(1, 9), num_experts_per_tok=1, **maybe(r, mamba_d_state=r.randint(2, 20)),
                       **maybe(r, mamba_d_conv=r.randint(2, 5)), **maybe(r, mamba_expand=r.randint(1, 3)),
                       **maybe(r, mamba_dt_rank=5), **maybe(r, attn_layer_period=3, attn_layer_offset=r.randint(0, 2)),
                       **maybe(r, expert_layer_period=3, expert_layer_offset=r.randint(0, 2)),
                       **flags(r, "mamba_conv_bias", "mamba_proj_bias", "tie_word_embeddings"))


@case
def zamba(r):
    n, kv = heads(r)
    return {"hidden_size": 8 * n, "intermediate_size": r.randint(5, 90), "num_hidden_layers": r.randint(4, 12),
            "num_attention_heads": n, "num_key_value_heads": kv, "vocab_size": r.randint(20, 400),
            **maybe(r, mamba_d_state=r.randint(2, 20)), **maybe(r, mamba_d_conv=r.randint(2, 5)),
            **maybe(r, n_mamba_heads=r.choice([1, 2, 4])), **maybe(r, mamba_dt_rank=5),
            **maybe(r, attn_layer_period=3, attn_layer_offset=r.randint(0, 2)),
            **flags(r, "mamba_conv_bias", "mamba_proj_bias", "tie_word_embeddings")}


@case
def zamba2(r):
    n, kv = heads(r)
    layers = ["mamba"] + types(r, r.randint(1, 6), "mamba", "hybrid") + ["hybrid"]
    return {"hidden_size": 8 * n, "num_hidden_layers": len(layers), "layers_block_type": layers,
            "num_attention_heads": n, "vocab_size": r.randint(20, 400), "mamba_ngroups": r.choice([1, 2]),
            "n_mamba_heads": r.choice([4, 8]), **maybe(r, num_key_value_heads=kv),
            **maybe(r, intermediate_size=r.randint(5, 90)), **maybe(r, mamba_d_state=r.randint(2, 20)),
            **maybe(r, adapter_rank=r.randint(2, 9)), **maybe(r, num_mem_blocks=r.randint(1, 3)),
            **flags(r, "use_shared_attention_adapter", "add_bias_linear", "use_conv_bias", "tie_word_embeddings")}


@case
def bamba(r):
    n, kv = heads(r)
    width, layers = 8 * n, r.randint(1, 6)
    return {"hidden_size": width, "intermediate_size": r.randint(5, 90), "num_hidden_layers": layers,
            "num_attention_heads": n, "num_key_value_heads": kv, "vocab_size": r.randint(20, 400),
            **maybe(r, attn_layer_indices=sorted(r.sample(range(layers), r.randint(0, layers)))),
            **mamba2(r, "mamba_", width, GRANITE),
            **flags(r, "mamba_conv_bias", "mamba_proj_bias", "attention_bias", "mlp_bias", "tie_word_embeddings")}


@case
def granitemoehybrid(r):
    n, kv = heads(r)
    width, layers = 8 * n, r.randint(1, 6)
    return {"hidden_size": width, "intermediate_size": r.randint(5, 90), "num_hidden_layers": layers,
            "num_attention_heads": n, "num_key_value_heads": kv, "vocab_size": r.randint(20, 400),
            **maybe(r, num_local_experts=r.randint(0, 6)), "num_experts_per_tok": 1,
            **maybe(r, shared_intermediate_size=r.randint(5, 90)),
            "layer_types": types(r, layers, "mamba", "attention"), **mamba2(r, "mamba_", width, GRANITE),
            **flags(r, "mamba_conv_bias", "mamba_proj_bias", "attention_bias", "tie_word_embeddings")}


@case
def falcon_h1(r):
    n, kv = heads(r)
    width = 8 * n
    config = {"hidden_size": width, "intermediate_size": r.randint(5, 90), "num_hidden_layers": r.randint(1, 5),
              "num_attention_heads": n, "num_key_value_heads": kv, "vocab_size": r.randint(20, 400),
              **mamba2(r, "mamba_", width, GRANITE), "mamba_d_ssm": r.choice([None, 2 * width]),
              **flags(r, "mamba_conv_bias", "mamba_proj_bias", "projectors_bias", "mamba_rms_norm", "attention_bias",
                      "mlp_bias", "tie_word_embeddings")}
    return config


@case
def nemotron_h(r):
    n, kv = heads(r)
    return {"hidden_size": 8 * n, "intermediate_size": r.randint(5, 90), "num_attention_heads": n,
            "num_key_value_heads": kv, "vocab_size": r.randint(20, 400), **maybe(r, head_dim=6),
            "hybrid_override_pattern": "".join(types(r, r.randint(1, 8), "M", "-", "*", "E")),
            "mamba_num_heads": 4, "mamba_head_dim": r.randint(2, 9), "n_groups": r.choice([1, 2]),
            **maybe(r, ssm_state_size=r.randint(2, 20)), **maybe(r, conv_kernel=r.randint(2, 5)),
            **maybe(r, n_routed_experts=r.randint(2, 6)), "num_experts_per_tok": 1,
            "moe_intermediate_size": r.randint(2, 30), "moe_shared_expert_intermediate_size": r.randint(2, 30),
            **maybe(r, moe_latent_size=r.choice([None, 10])),
            **flags(r, "use_bias", "mlp_bias", "use_conv_bias", "tie_word_embeddings")}


def delta(r, **more):
    key_heads = r.choice([1, 2])
    config = transformer(r, head_dim=2 * r.randint(2, 6), linear_num_key_heads=key_heads,
                         linear_num_value_heads=key_heads * r.choice([1, 2]), linear_key_head_dim=r.randint(2, 9),
                         linear_value_head_dim=r.randint(2, 9), **maybe(r, linear_conv_kernel_dim=r.randint(2, 5)),
                         **maybe(r, full_attention_interval=r.randint(2, 4)),
                         **flags(r, "attention_bias", "tie_word_embeddings"), **more)
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, 0.3, layer_types=types(r, n, "linear_attention", "full_attention"))}


def delta_experts(r):
    return delta(r, num_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2),
                 moe_intermediate_size=r.randint(2, 30), **maybe(r, shared_expert_intermediate_size=r.randint(2, 30)))


@case
def qwen3_next(r):
    config = delta_experts(r)
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, decoder_sparse_step=r.randint(1, 3)),
            **maybe(r, mlp_only_layers=sorted(r.sample(range(n), r.randint(0, n))))}


@case
def qwen3_5_text(r):
    return delta(r)


@case
def qwen3_5_moe_text(r):
    return delta_experts(r)


@case
def kimi_linear(r):
    config = latent(r)
    n = config["num_hidden_layers"]
    del config["n_routed_experts"], config["n_shared_experts"], config["num_experts_per_tok"], config["q_lora_rank"]
    own = {"head_dim": r.randint(2, 9), "num_heads": r.randint(1, 4), "short_conv_kernel_size": r.randint(2, 5)}
    return {**config, "num_experts": r.randint(2, 9), "num_experts_per_token": 1,
            **maybe(r, num_shared_experts=r.randint(1, 3)), "pad_token_id": None,
            **(maybe(r, linear_attn_config=own) or {"linear_num_heads": 3, "linear_head_dim": 5}),
            **maybe(r, layer_types=types(r, n, "linear_attention", "full_attention")),
            **maybe(r, 0.3, mlp_layer_types=types(r, n, "dense", "sparse")),
            **flags(r, "attention_bias", "tie_word_embeddings")}


@case
def minimax(r):
    config = transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2), **maybe(r, head_dim=6),
                         **flags(r, "tie_word_embeddings"))
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, layer_types=types(r, n, "linear_attention", "full_attention"))}


@case
def lfm2(r):
    config = transformer(r, **maybe(r, conv_L_cache=r.randint(2, 5)), **maybe(r, block_multiple_of=16),
                         **maybe(r, block_ffn_dim_multiplier=r.choice([None, 1.0, 1.3])), **maybe(r, 0.3, block_ff_dim=77),
                         **flags(r, "conv_bias", "block_auto_adjust_ff_dim", "tie_word_embeddings"))
    n = config["num_hidden_layers"]
    return {**config, **maybe(r, full_attn_idxs=sorted(r.sample(range(n), r.randint(0, n))))}


@case
def recurrent_gemma(r):
    n, kv = heads(r)
    return {"hidden_size": 8 * n, "intermediate_size": 2 * r.randint(5, 40), "num_hidden_layers": r.randint(1, 7),
            "num_attention_heads": n, "vocab_size": r.randint(20, 400), **maybe(r, num_key_value_heads=kv),
            **maybe(r, lru_width=n * r.randint(2, 9)), **maybe(r, conv1d_width=r.randint(2, 5)),
            **maybe(r, attention_window_size=9), **maybe(r, block_types=types(r, r.randint(1, 4), "recurrent", "attention")),
            **flags(r, "attention_bias", "tie_word_embeddings")}


@case
def rwkv(r):
    return {"hidden_size": 8 * r.randint(1, 6), "num_hidden_layers": r.randint(1, 5), "vocab_size": r.randint(20, 400),
            **maybe(r, attention_hidden_size=r.randint(4, 50)), **maybe(r, intermediate_size=r.randint(5, 90)),
            **flags(r, "tie_word_embeddings")}


@case
def gemma3n_text(r):
    config = transformer(r, head_dim=6, vocab_size_per_layer_input=r.randint(20, 99), hidden_size_per_layer_input=r.randint(2, 9),
                         **maybe(r, altup_num_inputs=r.randint(2, 4)), **maybe(r, laurel_rank=r.randint(2, 9)),
                         **flags(r, "attention_bias", "tie_word_embeddings"))
    n = config["num_hidden_layers"] = r.randint(6, 10)
    if r.random() < 0.5:
        config["intermediate_size"] = [r.randint(5, 40) for _ in range(n)]
    return {**config, "num_kv_shared_layers": r.choice([0, 1])}


@case
def gemma4_text(r):
    config = transformer(r, head_dim=6, vocab_size_per_layer_input=r.randint(20, 99), hidden_size_per_layer_input=r.choice([0, 5]),
                         **maybe(r, global_head_dim=10), **maybe(r, 0.3, num_global_key_value_heads=1),
                         **flags(r, "attention_bias", "attention_k_eq_v", "tie_word_embeddings", "use_double_wide_mlp"),
                         **maybe(r, 0.4, enable_moe_block=True, num_experts=4, top_k_experts=2, moe_intermediate_size=7))
    config["num_hidden_layers"] = r.randint(7, 13)
    return {**config, **maybe(r, num_kv_shared_layers=r.randint(0, 1))}


@case
def deepseek_v4(r):
    n = r.randint(1, 6)
    kinds = ("sliding_attention", "compressed_sparse_attention", "heavily_compressed_attention")
    return {"hidden_size": 8 * r.randint(2, 6), "num_hidden_layers": n, "vocab_size": r.randint(20, 400),
            "num_attention_heads": 4, "head_dim": 16, "q_lora_rank": r.randint(4, 30), "o_groups": 2,
            "o_lora_rank": r.randint(2, 9), "moe_intermediate_size": r.randint(2, 30), "n_routed_experts": r.randint(2, 6),
            "num_experts_per_tok": 1, "index_n_heads": 2, "index_head_dim": 8, "qk_rope_head_dim": 4,
            **maybe(r, hc_mult=r.randint(2, 4)), **maybe(r, num_hash_layers=r.randint(0, 2)),
            **maybe(r, layer_types=types(r, n, *kinds)), **flags(r, "mlp_bias", "tie_word_embeddings")}


@case
def ernie4_5(r):
    return transformer(r, **maybe(r, head_dim=6), **flags(r, "use_bias", "tie_word_embeddings"))


@case
def glm(r):
    return glm4(r)


for _name in ("arcee", "internlm3", "iquestcoder", "exaone", "hyperclovax", "jais2", "granite_swa"):
    CASES[_name] = llama


@case
def helium(r):
    config = llama(r)  # its output's matrix is square
    return {**config, "head_dim": config["hidden_size"] // config["num_attention_heads"]}


@case
def hunyuan_v1_dense(r):
    return transformer(r, **maybe(r, head_dim=6), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def olmo(r):
    return olmo2(r)


@case
def nanochat(r):
    return olmo2(r)


@case
def bitnet(r):
    return olmo2(r)


@case
def apertus(r):
    return olmo2(r)


@case
def ministral(r):
    return mistral(r)


@case
def cohere(r):
    return transformer(r, **flags(r, "attention_bias", "use_qk_norm", "tie_word_embeddings"))


@case
def phi(r):
    return transformer(r, **flags(r, "qk_layernorm"))


@case
def persimmon(r):
    config = transformer(r, **flags(r, "qk_layernorm", "tie_word_embeddings"))
    del config["num_key_value_heads"]
    return config


@case
def gptj(r):
    config = gpt2(r)
    config.pop("tie_word_embeddings", None)
    return config


@case
def codegen(r):
    config = gptj(r)
    return {**config, "n_head": 4, "n_embd": 8 * r.randint(1, 4)}


@case
def gpt_bigcode(r):
    return {**gpt2(r), **flags(r, "multi_query")}


@case
def bloom(r):
    n = r.choice([1, 2, 4])
    return {"hidden_size": 8 * n, "n_head": n, "n_layer": r.randint(1, 5), "vocab_size": r.randint(20, 400),
            **flags(r, "tie_word_embeddings")}


@case
def mpt(r):
    n = r.choice([1, 2, 4])
    return {"d_model": 8 * n, "n_heads": n, "n_layers": r.randint(1, 5), "vocab_size": r.randint(20, 400),
            **flags(r, "tie_word_embeddings")}


@case
def falcon(r):
    n, kv = heads(r)
    return {"hidden_size": 8 * n, "num_attention_heads": n, "num_hidden_layers": r.randint(1, 5),
            "vocab_size": r.randint(20, 400), **maybe(r, num_kv_heads=kv), **maybe(r, ffn_hidden_size=r.randint(5, 90)),
            **flags(r, "new_decoder_architecture", "multi_query", "parallel_attn", "bias", "tie_word_embeddings")}


@case
def olmoe(r):
    return transformer(r, num_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2),
                       **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def flex_olmo(r):
    return olmoe(r)


@case
def granitemoe(r):
    return transformer(r, num_local_experts=r.randint(2, 9), num_experts_per_tok=r.randint(1, 2),
                       **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def granitemoeshared(r):
    return {**granitemoe(r), **maybe(r, shared_intermediate_size=r.randint(2, 30))}


def deepseek_experts(r):
    return dict(moe_intermediate_size=r.randint(2, 30), n_routed_experts=r.randint(2, 9),
                num_experts_per_tok=r.randint(1, 2), n_shared_experts=r.randint(1, 3))


@case
def dots1(r):
    return transformer(r, **deepseek_experts(r), **maybe(r, head_dim=6), **maybe(r, sliding_window=9),
                       **maybe(r, first_k_dense_replace=r.randint(0, 2)), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def solar_open(r):
    return transformer(r, **deepseek_experts(r), **maybe(r, head_dim=6), **flags(r, "attention_bias", "tie_word_embeddings"))


@case
def glm4_moe_lite(r):
    config = latent(r)
    del config["first_k_dense_replace"]
    return {**config, **flags(r, "attention_bias", "tie_word_embeddings"),
            **maybe(r, mlp_layer_types=types(r, config["num_hidden_layers"], "dense", "sparse"))}


def latent_dense(r, *names):
    experts = ("moe_intermediate_size", "n_routed_experts", "num_experts_per_tok", "n_shared_experts", "first_k_dense_replace")
    return {**{k: v for k, v in latent(r).items() if k not in experts}, **flags(r, *names, "tie_word_embeddings")}


@case
def youtu(r):
    return latent_dense(r, "attention_bias")


@case
def minicpm3(r):
    return latent_dense(r, "attention_bias", "mlp_bias")


def draw(name, r):
    config = CASES[name](r)
    # A file may leave out anything: but what would make a model too large to build quickly.
    small = ("attention_bias", "num_key_value_heads", "head_dim")
    if r.random() < 0.2 and "num_key_value_heads" in config:
        del config["num_key_value_heads"]
    return {"model_type": name.rstrip("_"), **config} if small else config


def build(config, device="meta"):
    import torch
    from transformers import AutoModelForCausalLM
    from transformers.models.auto.configuration_auto import CONFIG_MAPPING
    fields = {"pad_token_id": None, "bos_token_id": None, "eos_token_id": None, **config}
    cls = CONFIG_MAPPING[fields.pop("model_type")]
    with torch.device(device):
        return AutoModelForCausalLM.from_config(cls(**fields), attn_implementation="eager")


OPERATIONS = {"mm": "mm", "addmm": "mm", "bmm": "bmm", "baddbmm": "bmm", "convolution": "convolution"}


def operations(config):
    """FLOPs by operation of a forward pass over TOKENS tokens, logits at every position, masked pairs included."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode
    if "kv_lora_rank" in config:  # means nothing there, but the library divides by it
        config = {"num_key_value_heads": config["num_attention_heads"], "n_group": 1, "topk_group": 1, **config}
    if "index_topk" in config:  # more than there are tokens cannot be picked, and all pairs count anyway
        config = {**config, "index_topk": min(TOKENS, config["index_topk"])}
    model = build(config, "cpu").float().eval()
    model.set_experts_implementation("eager")  # the others' products are not all seen
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        model(torch.arange(TOKENS)[None] % config["vocab_size"], use_cache=False)
    sums = dict.fromkeys(OPERATIONS.values(), 0)
    for operation, flops in counter.get_flop_counts()["Global"].items():
        sums[OPERATIONS[str(operation).split(".")[-1]]] += flops
    return sums


def router_bias(model):
    return sum(b.numel() for n, b in model.named_buffers() if n.endswith("e_score_correction_bias"))


def fovea_cost(program, config, *options):
    run = subprocess.run([program, "cost", "-", "--json", *options], input=json.dumps(config), text=True,
                         capture_output=True)
    return json.loads(run.stdout)["totals"] if run.returncode == 0 else run.stderr.strip()


def fovea_operations(program, config):
    run = subprocess.run([program, "cost", "-", "--json", "--context", str(TOKENS), "--mask", "full", "--logits", "all",
                          "--engine", "transformers"], input=json.dumps(config), text=True, capture_output=True)
    return json.loads(run.stdout)["engine"]["prefill_operations"]


def check_operations(program, name, config, entry):
    try:
        entry["operations"] = operations(config)
    except Exception as error:  # what the library builds and cannot run
        print(name, "does not run:", str(error)[:200].replace("\n", " "))
        return 0
    got = fovea_operations(program, config)
    if got == entry["operations"]:
        return 0
    print(name, "operations", entry["operations"], got, json.dumps(config))
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fovea")
    parser.add_argument("--count", type=int, default=20, help="configurations a family (20)")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--only", help="one family")
    parser.add_argument("--flops", action="store_true", help="run each on the CPU too, and compare what it multiplies")
    parser.add_argument("--write", help="keep the configurations and their numbers in this file")
    options = parser.parse_args()
    import torch._dynamo  # noqa: F401  (before the meta device: its import makes tensors)
    import transformers
    from transformers.generation import GenerationMixin  # noqa: F401
    transformers.logging.set_verbosity_error()
    wrong = checked = refused = 0
    kept = []
    for name in [options.only] if options.only else CASES:
        r = random.Random(f"{options.seed} {name}")
        for _ in range(options.count):
            config = draw(name, r)
            try:
                model = build(config)
            except Exception as error:  # what the library refuses
                refused += 1
                if options.only:
                    print("refused:", str(error)[:160].replace("\n", " "))
                continue
            parameters, bias = sum(p.numel() for p in model.parameters()), router_bias(model)
            got = fovea_cost(options.fovea, config)
            checked += 1
            right = isinstance(got, dict) and (got["parameters"], got["router_bias"]) == (parameters, bias)
            if not right:
                wrong += 1
                print(name, parameters, bias, got if isinstance(got, str) else
                      (got["parameters"], got["parameters"] - parameters, got["router_bias"]), json.dumps(config))
            entry = {"config": config, "parameters": parameters, "router_bias": bias}
            if options.flops:
                wrong += check_operations(options.fovea, name, config, entry)
            kept.append(entry)
    print(f"{checked} configurations of {len(CASES)} families, {refused} more refused by the library: {wrong} wrong")
    if options.write and not wrong:
        with open(options.write, "w") as file:
            file.writelines(json.dumps(entry, separators=(",", ":")) + "\n" for entry in kept)
    return wrong > 0


if __name__ == "__main__":
    sys.exit(main())
