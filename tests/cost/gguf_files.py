#!/usr/bin/env python3
"""GGUF headers of published models, written here as llama.cpp's converter names things: `fovea cost`
must count from each what it counts from the model's config.json, find the same number of parameters
in the tensors, and weigh them. Then what is wrong with such files: every truncation and many
changed bytes are read, or refused in one line.

    python3 tests/cost/gguf_files.py build/fovea
    python3 tests/cost/gguf_files.py build/fovea --write tests/fuzz/corpus/gguf_header"""
import argparse
import json
import os
import random
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
F32, F16, Q4_0, Q8_0, Q4_K, MXFP4 = 0, 1, 2, 8, 12, 39
BLOCKS = {F32: (1, 4), F16: (1, 2), Q4_0: (32, 18), Q8_0: (32, 34), Q4_K: (256, 144), MXFP4: (32, 17)}
U32, FLOAT, BOOL, TEXT, LIST = 4, 6, 7, 8, 9


def text(s):
    return struct.pack("<Q", len(s)) + s.encode()


def value(v):
    if isinstance(v, bool):
        return struct.pack("<IB", BOOL, v)
    if isinstance(v, int):
        return struct.pack("<II", U32, v)
    if isinstance(v, float):
        return struct.pack("<If", FLOAT, v)
    if isinstance(v, str):
        return struct.pack("<I", TEXT) + text(v)
    kind = value(v[0])[:4]
    return struct.pack("<I", LIST) + kind + struct.pack("<Q", len(v)) + b"".join(value(e)[4:] for e in v)


def header(pairs, tensors, version=3):
    """tensors: (name, dims the fastest first, type)."""
    out = b"GGUF" + struct.pack("<IQQ", version, len(tensors), len(pairs))
    for key, v in pairs.items():
        out += text(key) + value(v)
    at = 0
    for name, dims, kind in tensors:
        out += text(name) + struct.pack("<I", len(dims)) + struct.pack(f"<{len(dims)}Q", *dims)
        out += struct.pack("<IQ", kind, at)
        at += weigh(dims, kind)
    return out


def weigh(dims, kind):
    n = 1
    for d in dims:
        n *= d
    block, size = BLOCKS[kind]
    return n // block * size


class Maker:
    """Tensors of a model, each of a type that fits its rows."""

    def __init__(self, arch, config, **pairs):
        self.c, self.tensors = config, []
        self.pairs = {"general.architecture": arch, "general.alignment": 32,
                      "tokenizer.ggml.tokens": ["a", "b"], "tokenizer.ggml.scores": [0.5, 1.5]}
        self.pairs.update({f"{arch}.{key}": v for key, v in pairs.items()})

    def add(self, name, *dims, kind=None):
        if len(dims) == 1:
            kind = F32
        elif kind is None:
            kind = Q4_K if dims[0] % 256 == 0 else Q8_0 if dims[0] % 32 == 0 else F16
        self.tensors.append((name, dims, kind))

    def ends(self, tied, norm="output_norm"):
        width, vocab = self.c["hidden_size"], self.c["vocab_size"]
        self.add("token_embd.weight", width, vocab)
        self.add(norm + ".weight", width)
        if not tied:
            self.add("output.weight", width, vocab, kind=Q8_0)

    def attention(self, i, bias=False, qk_norm=False, output_bias=False):
        c, width = self.c, self.c["hidden_size"]
        dim = c.get("head_dim") or width // c["num_attention_heads"]
        q, kv = c["num_attention_heads"] * dim, c["num_key_value_heads"] * dim
        for name, out in (("q", q), ("k", kv), ("v", kv)):
            self.add(f"blk.{i}.attn_{name}.weight", width, out)
            if bias:
                self.add(f"blk.{i}.attn_{name}.bias", out)
            if qk_norm and name != "v":
                self.add(f"blk.{i}.attn_{name}_norm.weight", dim)
        self.add(f"blk.{i}.attn_output.weight", q, width)
        if output_bias:
            self.add(f"blk.{i}.attn_output.bias", width)
        self.add(f"blk.{i}.attn_norm.weight", width)

    def mlp(self, i, hidden=None, matrices=("gate", "up", "down"), norm="ffn_norm", suffix=""):
        width, hidden = self.c["hidden_size"], hidden or self.c["intermediate_size"]
        for name in matrices:
            dims = (hidden, width) if name == "down" else (width, hidden)
            self.add(f"blk.{i}.ffn_{name}{suffix}.weight", *dims)
        if norm:
            self.add(f"blk.{i}.{norm}.weight", width)

    def experts(self, i, n, hidden, matrices=("gate", "up", "down"), kind=None, norm="ffn_norm"):
        width = self.c["hidden_size"]
        self.add(f"blk.{i}.ffn_gate_inp.weight", width, n, kind=F32)
        for name in matrices:
            dims = (hidden, width, n) if name == "down" else (width, hidden, n)
            self.add(f"blk.{i}.ffn_{name}_exps.weight", *dims, kind=kind)
        if norm:
            self.add(f"blk.{i}.{norm}.weight", width)

    def bytes(self):
        return header(self.pairs, self.tensors)


def common(c):
    return {"block_count": c["num_hidden_layers"], "embedding_length": c["hidden_size"],
            "context_length": c["max_position_embeddings"], "vocab_size": c["vocab_size"],
            "attention.layer_norm_rms_epsilon": 1e-6}


def heads(c):
    dim = c.get("head_dim") or c["hidden_size"] // c["num_attention_heads"]
    return {"attention.head_count": c["num_attention_heads"], "attention.head_count_kv": c["num_key_value_heads"],
            "attention.key_length": dim, "attention.value_length": dim, "rope.dimension_count": dim,
            "rope.freq_base": 1e6}


def transformer(arch, c, qkv_bias=False, qk_norm=False, tied=False, **pairs):
    m = Maker(arch, c, **common(c), **heads(c), feed_forward_length=c["intermediate_size"], **pairs)
    m.ends(tied)
    for i in range(c["num_hidden_layers"]):
        m.attention(i, bias=qkv_bias, qk_norm=qk_norm)
        m.mlp(i)
    return m


def llama(c):
    m = transformer("llama", c)
    m.add("rope_freqs.weight", 64)
    return m


def qwen2(c):
    return transformer("qwen2", c, qkv_bias=True)


def qwen3(c):
    return transformer("qwen3", c, qk_norm=True)


def mixture(arch, c, hidden, n, qk_norm=False, **pairs):
    m = Maker(arch, c, **common(c), **heads(c), feed_forward_length=c["intermediate_size"], expert_count=n,
              expert_used_count=c["num_experts_per_tok"], **pairs)
    m.ends(False)
    for i in range(c["num_hidden_layers"]):
        m.attention(i, qk_norm=qk_norm)
        m.experts(i, n, hidden)
    return m


def mixtral(c):
    return mixture("llama", c, c["intermediate_size"], c["num_local_experts"])


def qwen3_moe(c):
    return mixture("qwen3moe", c, c["moe_intermediate_size"], c["num_experts"], qk_norm=True,
                   expert_feed_forward_length=c["moe_intermediate_size"])


def gemma(arch, c, qk_norm, **pairs):
    m = transformer(arch, c, qk_norm=qk_norm, tied=True, **pairs)
    for i in range(c["num_hidden_layers"]):
        m.add(f"blk.{i}.post_attention_norm.weight", c["hidden_size"])
        m.add(f"blk.{i}.post_ffw_norm.weight", c["hidden_size"])
    return m


def gemma2(c):
    return gemma("gemma2", c, False, **{"attention.sliding_window": 4096})


def gemma3(c):
    return gemma("gemma3", c, True, **{"attention.sliding_window": c["sliding_window"]})


def gpt_oss(c):
    n, width, hidden = c["num_local_experts"], c["hidden_size"], c["intermediate_size"]
    m = Maker("gpt-oss", c, **common(c), **heads(c), expert_count=n, expert_used_count=c["num_experts_per_tok"],
              expert_feed_forward_length=hidden, feed_forward_length=hidden,
              **{"attention.sliding_window": c["sliding_window"]})
    m.ends(False)
    for i in range(c["num_hidden_layers"]):
        m.attention(i, bias=True, output_bias=True)
        m.add(f"blk.{i}.attn_sinks.weight", c["num_attention_heads"])
        m.experts(i, n, hidden, kind=MXFP4, norm="post_attention_norm")
        m.add(f"blk.{i}.ffn_gate_inp.bias", n)
        for name, out in (("gate", hidden), ("up", hidden), ("down", width)):
            m.add(f"blk.{i}.ffn_{name}_exps.bias", out, n, kind=F32)
    return m


def deepseek(c):
    width, h = c["hidden_size"], c["num_attention_heads"]
    q, kv, rope, nope, v = (c[k] for k in ("q_lora_rank", "kv_lora_rank", "qk_rope_head_dim", "qk_nope_head_dim",
                                           "v_head_dim"))
    ranks = {"attention.kv_lora_rank": kv, **({"attention.q_lora_rank": q} if q else {})}
    m = Maker("deepseek2", c, **common(c), **ranks, feed_forward_length=c["intermediate_size"],
              expert_count=c["n_routed_experts"], expert_used_count=c["num_experts_per_tok"],
              expert_shared_count=c["n_shared_experts"], expert_feed_forward_length=c["moe_intermediate_size"],
              leading_dense_block_count=c["first_k_dense_replace"],
              **{"attention.head_count": h, "attention.head_count_kv": 1, "attention.key_length": kv + rope,
                 "attention.value_length": kv, "attention.key_length_mla": nope + rope,
                 "attention.value_length_mla": v, "rope.dimension_count": rope})
    m.ends(False)
    for i in range(c["num_hidden_layers"]):
        blk = f"blk.{i}."
        if q:
            m.add(blk + "attn_q_a.weight", width, q)
            m.add(blk + "attn_q_a_norm.weight", q)
            m.add(blk + "attn_q_b.weight", q, h * (nope + rope))
        else:
            m.add(blk + "attn_q.weight", width, h * (nope + rope))
        m.add(blk + "attn_kv_a_mqa.weight", width, kv + rope)
        m.add(blk + "attn_kv_a_norm.weight", kv)
        m.add(blk + "attn_k_b.weight", nope, kv, h)
        m.add(blk + "attn_v_b.weight", kv, v, h)
        m.add(blk + "attn_output.weight", h * v, width)
        m.add(blk + "attn_norm.weight", width)
        if i < c["first_k_dense_replace"]:
            m.mlp(i)
            continue
        m.experts(i, c["n_routed_experts"], c["moe_intermediate_size"])
        m.mlp(i, c["n_shared_experts"] * c["moe_intermediate_size"], norm=None, suffix="_shexp")
        if c["model_type"] == "deepseek_v3":
            m.add(blk + "exp_probs_b.bias", c["n_routed_experts"])
    return m


def glm4_moe(c):
    n, hidden = c["n_routed_experts"], c["moe_intermediate_size"]
    pairs = {**common(c), "block_count": c["num_hidden_layers"] + 1, "nextn_predict_layers": 1}
    m = Maker("glm4moe", c, **pairs, **heads(c), feed_forward_length=c["intermediate_size"], expert_count=n,
              expert_used_count=c["num_experts_per_tok"], expert_shared_count=1, expert_feed_forward_length=hidden,
              leading_dense_block_count=c["first_k_dense_replace"])
    m.ends(False)
    for i in range(c["num_hidden_layers"] + 1):
        m.attention(i, bias=True)
        if i < c["first_k_dense_replace"]:
            m.mlp(i, norm="post_attention_norm")
            continue
        m.experts(i, n, hidden, norm="post_attention_norm")
        m.mlp(i, hidden, norm=None, suffix="_shexp")
        m.add(f"blk.{i}.exp_probs_b.bias", n)
    m.add(f"blk.{c['num_hidden_layers']}.nextn.eh_proj.weight", 2 * c["hidden_size"], c["hidden_size"])
    return m


def mamba_layer(m, i, inner, state, rank, conv, norms):
    width, blk = m.c["hidden_size"], f"blk.{i}."
    m.add(blk + "ssm_in.weight", width, 2 * inner)
    m.add(blk + "ssm_conv1d.weight", conv, inner, kind=F32)
    m.add(blk + "ssm_conv1d.bias", inner)
    m.add(blk + "ssm_x.weight", inner, rank + 2 * state)
    m.add(blk + "ssm_dt.weight", rank, inner)
    m.add(blk + "ssm_dt.bias", inner)
    m.add(blk + "ssm_a", state, inner, kind=F32)
    m.add(blk + "ssm_d", inner)
    m.add(blk + "ssm_out.weight", inner, width)
    m.add(blk + "attn_norm.weight", width)
    if norms:
        for name, n in (("dt", rank), ("b", state), ("c", state)):
            m.add(f"{blk}ssm_{name}_norm.weight", n)


def mamba(c):
    inner, state = c["intermediate_size"], c["state_size"]
    rank, conv = c["time_step_rank"], c["conv_kernel"]
    m = Maker("mamba", c, **common({"max_position_embeddings": 2048, **c}), feed_forward_length=0,
              **{"attention.head_count": 0, "ssm.conv_kernel": conv, "ssm.inner_size": inner, "ssm.state_size": state,
                 "ssm.time_step_rank": rank, "ssm.dt_b_c_rms": True})
    m.ends(c.get("tie_word_embeddings", True))
    for i in range(c["num_hidden_layers"]):
        mamba_layer(m, i, inner, state, rank, conv, False)
    return m


def jamba(c):
    inner, n = c["mamba_expand"] * c["hidden_size"], c["num_experts"]
    attends = [i % c["attn_layer_period"] == c["attn_layer_offset"] for i in range(c["num_hidden_layers"])]
    about = {**heads(c), "attention.head_count_kv": [c["num_key_value_heads"] if a else 0 for a in attends]}
    m = Maker("jamba", c, **common(c), **about, feed_forward_length=c["intermediate_size"], expert_count=n,
              expert_used_count=c["num_experts_per_tok"],
              **{"ssm.conv_kernel": c["mamba_d_conv"], "ssm.inner_size": inner, "ssm.state_size": c["mamba_d_state"],
                 "ssm.time_step_rank": c["mamba_dt_rank"]})
    m.ends(False)
    for i, attention in enumerate(attends):
        if attention:
            m.attention(i)
        else:
            mamba_layer(m, i, inner, c["mamba_d_state"], c["mamba_dt_rank"], c["mamba_d_conv"], True)
        if i % c["expert_layer_period"] == c["expert_layer_offset"]:
            m.experts(i, n, c["intermediate_size"])
        else:
            m.mlp(i)
    return m


def mamba2_layer(m, i, inner, state, groups, n, conv):
    width, blk, channels = m.c["hidden_size"], f"blk.{i}.", inner + 2 * groups * state
    m.add(blk + "ssm_in.weight", width, 2 * inner + 2 * groups * state + n)
    m.add(blk + "ssm_conv1d.weight", conv, channels, kind=F32)
    m.add(blk + "ssm_conv1d.bias", channels)
    m.add(blk + "ssm_dt.bias", n)
    m.add(blk + "ssm_a", 1, n, kind=F32)
    m.add(blk + "ssm_d", 1, n, kind=F32)
    m.add(blk + "ssm_norm.weight", inner // groups, groups, kind=F32)
    m.add(blk + "ssm_out.weight", inner, width)
    m.add(blk + "attn_norm.weight", width)


def granite_hybrid(c):
    inner, n = c["mamba_expand"] * c["hidden_size"], c["num_local_experts"]
    attends = [t == "attention" for t in c["layer_types"]]
    about = {**heads(c), "attention.head_count_kv": [c["num_key_value_heads"] if a else 0 for a in attends]}
    m = Maker("granitehybrid", c, **common(c), **about, feed_forward_length=c["intermediate_size"], expert_count=n,
              expert_used_count=c["num_experts_per_tok"],
              expert_shared_feed_forward_length=c["shared_intermediate_size"], embedding_scale=12.0,
              **{"ssm.conv_kernel": c["mamba_d_conv"], "ssm.inner_size": inner, "ssm.state_size": c["mamba_d_state"],
                 "ssm.group_count": c["mamba_n_groups"], "ssm.time_step_rank": c["mamba_n_heads"]})
    m.ends(True)
    for i, attention in enumerate(attends):
        if attention:
            m.attention(i)
        else:
            mamba2_layer(m, i, inner, c["mamba_d_state"], c["mamba_n_groups"], c["mamba_n_heads"], c["mamba_d_conv"])
        m.experts(i, n, c["intermediate_size"])
        m.mlp(i, c["shared_intermediate_size"], norm=None, suffix="_shexp")
    return m


def nemotron_h(c):
    inner, width = c["mamba_num_heads"] * c["mamba_head_dim"], c["hidden_size"]
    letters, n = c["hybrid_override_pattern"], c["n_routed_experts"]
    kv = [c["num_key_value_heads"] if l == "*" else 0 for l in letters]
    m = Maker("nemotron_h_moe", c, **common(c), **{**heads(c), "attention.head_count_kv": kv}, expert_count=n,
              feed_forward_length=[c["moe_intermediate_size"] if l == "E" else 0 for l in letters],
              expert_used_count=c["num_experts_per_tok"], expert_feed_forward_length=c["moe_intermediate_size"],
              expert_shared_feed_forward_length=c["moe_shared_expert_intermediate_size"], expert_shared_count=1,
              **{"ssm.conv_kernel": c["conv_kernel"], "ssm.inner_size": inner, "ssm.state_size": c["ssm_state_size"],
                 "ssm.group_count": c["n_groups"], "ssm.time_step_rank": c["mamba_num_heads"]})
    m.ends(False)
    for i, letter in enumerate(letters):
        if letter == "*":
            m.attention(i)
        elif letter == "M":
            mamba2_layer(m, i, inner, c["ssm_state_size"], c["n_groups"], c["mamba_num_heads"], c["conv_kernel"])
        else:
            m.experts(i, n, c["moe_intermediate_size"], matrices=("up", "down"), norm="attn_norm")
            m.mlp(i, c["moe_shared_expert_intermediate_size"], matrices=("up", "down"), norm=None, suffix="_shexp")
            m.add(f"blk.{i}.exp_probs_b.bias", n)
    return m


def lfm2(c):
    width, hidden = c["hidden_size"], 8192
    kv = [c["num_key_value_heads"] if i in c["full_attn_idxs"] else 0 for i in range(c["num_hidden_layers"])]
    m = Maker("lfm2", c, **common(c), **{**heads(c), "attention.head_count_kv": kv}, feed_forward_length=hidden,
              **{"shortconv.l_cache": c["conv_L_cache"]})
    m.ends(True, norm="token_embd_norm")
    for i in range(c["num_hidden_layers"]):
        if kv[i]:
            m.attention(i, qk_norm=True)
        else:
            m.add(f"blk.{i}.shortconv.conv.weight", c["conv_L_cache"], width, kind=F32)
            m.add(f"blk.{i}.shortconv.in_proj.weight", width, 3 * width)
            m.add(f"blk.{i}.shortconv.out_proj.weight", width, width)
            m.add(f"blk.{i}.attn_norm.weight", width)
        m.mlp(i, hidden)
    return m


MODELS = {"llama-3.1-8b": llama, "qwen2.5-7b": qwen2, "qwen3-8b": qwen3, "mixtral-8x22b": mixtral,
          "qwen3-30b-a3b": qwen3_moe, "gemma-2-9b": gemma2, "gemma-3-27b": gemma3, "gpt-oss-20b": gpt_oss,
          "deepseek-v2-lite": deepseek, "deepseek-v3": deepseek, "glm-4.5-air": glm4_moe, "falcon-mamba-7b": mamba,
          "jamba-1.5-mini": jamba, "granite-4.0-h-tiny": granite_hybrid, "nemotron-3-nano-30b-a3b": nemotron_h,
          "lfm2-1.2b": lfm2}


# What the families have no use for.
UNREAD = {"qwen3moe.feed_forward_length (no layer is dense)", "gpt-oss.expert_feed_forward_length (the same)",
          "deepseek2.attention.head_count_kv (of the latent)", "mamba.attention.head_count (none)",
          "nemotron_h_moe.block_count (the pattern's)", "nemotron_h_moe.feed_forward_length (the same)",
          "nemotron_h_moe.expert_shared_count (by its width)"}


def load(name):
    c = json.load(open(f"{HERE}/../../examples/configs/{name}.json"))
    c.setdefault("max_position_embeddings", 4096)
    return c


def cost(program, path, given=None):
    return subprocess.run([program, "cost", path, "--json", "--context", "5000"], input=given, capture_output=True)


def compare(program, name, folder):
    """Lines about what differs between the file and the config."""
    made, path = MODELS[name](load(name)), os.path.join(folder, name + ".gguf")
    open(path, "wb").write(made.bytes())
    got = cost(program, path)
    if got.returncode != 0:
        return [got.stderr.decode().strip()]
    answer = json.loads(got.stdout)
    want = json.loads(cost(program, f"{HERE}/../../examples/configs/{name}.json").stdout)
    wrong = [f"{key}: {answer['totals'][key]} instead of {want['totals'][key]}" for key in want["totals"]
             if key != "weight_bytes" and answer["totals"][key] != want["totals"][key]]
    bytes_ = sum(weigh(dims, kind) for _, dims, kind in made.tensors)
    if answer["totals"]["weight_bytes"] != bytes_:
        wrong.append(f"weight_bytes: {answer['totals']['weight_bytes']} instead of {bytes_}")
    notes = "\n".join(answer["notes"])
    wrong += [n for n in answer["notes"] if "than counted" in n]
    unread = [n for n in answer["notes"] if n.startswith("not asked for")]
    wrong += [n for n in unread if set(n.split(": ")[1].split(", ")) - {name.split(" ")[0] for name in UNREAD}]
    if "parameters, as counted here" not in notes:
        wrong.append("its tensors are not compared")
    return wrong


def pipe(program, folder):
    """The same file by its name and through a pipe."""
    path, content = os.path.join(folder, "tiny.gguf"), tiny().bytes()
    open(path, "wb").write(content)
    by_name, through = json.loads(cost(program, path).stdout), json.loads(cost(program, "-", content).stdout)
    return [] if by_name["totals"] == through["totals"] else ["another answer through a pipe"]


def tiny(arch="llama", **more):
    c = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "num_key_value_heads": 2,
         "intermediate_size": 96, "vocab_size": 32, "max_position_embeddings": 128, **more}
    return transformer(arch, c)


def split(program, folder):
    """A file in two parts weighs what both weigh; one part alone is said to be missing the other."""
    m = tiny()
    paths = [os.path.join(folder, f"tiny-{i:05d}-of-00002.gguf") for i in (1, 2)]
    for i, tensors in enumerate((m.tensors[:5], m.tensors[5:])):
        pairs = m.pairs if i == 0 else {"general.alignment": 32}
        open(paths[i], "wb").write(header({**pairs, "split.no": i, "split.count": 2}, tensors))
    both = json.loads(cost(program, paths[0]).stdout)
    os.remove(paths[1])
    alone = json.loads(cost(program, paths[0]).stdout)
    whole = sum(weigh(dims, kind) for _, dims, kind in m.tensors)
    wrong = [] if both["totals"]["weight_bytes"] == whole else ["two parts weigh other than the whole"]
    return wrong + ([] if "00002-of-00002" in "\n".join(alone["notes"]) else ["nothing about the part that is missing"])


def hostile(program, folder, count):
    """Truncated and changed files: 0 or 2, with one line."""
    whole, r, wrong = tiny().bytes(), random.Random(1), []
    files = [whole[:n] for n in range(4, len(whole), max(1, len(whole) // count))]
    for _ in range(count):
        changed = bytearray(whole)
        for _ in range(r.randint(1, 3)):
            changed[r.randrange(4, len(changed))] = r.choice([0, 1, 0x7f, 0x80, 0xff, r.randrange(256)])
        files.append(bytes(changed))
    for i, content in enumerate(files):
        path = os.path.join(folder, "hostile.gguf")
        open(path, "wb").write(content)
        got = cost(program, path)
        if got.returncode not in (0, 2) or (got.returncode == 2 and (got.stderr.count(b"\n") != 1 or got.stdout)):
            wrong.append(f"file {i}: {got.returncode} {got.stderr[:200]!r}")
        if len(content) < len(whole) and got.returncode == 0:
            wrong.append(f"file {i} of {len(content)} bytes is taken for whole")
    return wrong


def uneven():
    """Layers of a family that has only one kind, of which the second claims to keep nothing."""
    m = tiny()
    return header({**m.pairs, "llama.attention.head_count_kv": [2, 0]}, m.tensors)


MISTAKES = {"num_key_value_heads must be a whole number from 1 to 2147483647, not [2,0]": uneven(),
            "it is big-endian": b"GGUF" + struct.pack(">IQQ", 3, 0, 0),
            "its version is 1; 2 and 3 are read": b"GGUF" + struct.pack("<IQQ", 1, 0, 0),
            "the architecture 'bert' is not known; known are": header({"general.architecture": "bert"}, []),
            "it has no general.architecture": header({}, []),
            "stands there twice": b"GGUF" + struct.pack("<IQQ", 3, 0, 2) + 2 * (text("a") + value(1)),
            "tensor 'x': rows of Q8_0 must be of 32": header({}, [("x", (33, 2), Q8_0)]),
            "tensor 'x': its type is 99": b"GGUF" + struct.pack("<IQQ", 3, 1, 0) + text("x") + struct.pack("<IQIQ", 1, 5, 99, 0)}


def mistakes(program):
    wrong = []
    for message, content in MISTAKES.items():
        got = cost(program, "-", content)
        if got.returncode != 2 or message not in got.stderr.decode():
            wrong.append(f"{message!r} is not in {got.stderr.decode()!r}")
    return wrong


def write_corpus(folder):
    os.makedirs(folder, exist_ok=True)
    seeds = {arch: tiny(arch).bytes() for arch in ("llama", "qwen3", "gemma3")}
    small = {"num_hidden_layers": 2, "vocab_size": 64, "hidden_size": 64, "moe_intermediate_size": 32, "n_routed_experts": 4,
             "num_experts_per_tok": 2, "num_attention_heads": 4}
    seeds["deepseek2"] = deepseek({**load("deepseek-v3"), **small, "first_k_dense_replace": 1}).bytes()
    seeds["jamba"] = jamba({**load("jamba-1.5-mini"), **small, "hidden_size": 64}).bytes()
    seeds["lfm2"] = lfm2({**load("lfm2-1.2b"), **small, "full_attn_idxs": [1], "num_key_value_heads": 2}).bytes()
    seeds.update({f"wrong-{i}": content for i, content in enumerate(MISTAKES.values())})
    for name, content in seeds.items():
        open(os.path.join(folder, name), "wb").write(content)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fovea")
    parser.add_argument("--count", type=int, default=100, help="damaged files of each kind (100)")
    parser.add_argument("--write", help="write seeds for the fuzzer into this folder")
    o = parser.parse_args()
    if o.write:
        return write_corpus(o.write)
    n_wrong = 0
    with tempfile.TemporaryDirectory() as folder:
        results = {name: compare(o.fovea, name, folder) for name in MODELS}
        results["a pipe"] = pipe(o.fovea, folder)
        results["a split file"] = split(o.fovea, folder)
        results["damaged files"] = hostile(o.fovea, folder, o.count)
        results["mistakes"] = mistakes(o.fovea)
    for name, wrong in results.items():
        n_wrong += len(wrong)
        for line in wrong:
            print(f"{name}: {line}")
    print(f"{len(MODELS)} models as GGUF, {n_wrong} wrong")
    return n_wrong > 0


if __name__ == "__main__":
    sys.exit(main())
