#!/usr/bin/env python3
"""A folder that `fovea export --format hf` wrote, as a GGUF file that llama.cpp serves: hf_gguf.py FOLDER FILE.gguf

Needs the packages gguf, safetensors and numpy. A token is a word of one character, U+4E00 and those behind it, so that
llama.cpp's tokenizer reads a text of such words as the tokens themselves: `hf_gguf.words([3, 1, 4])`. Behind them stand
bytes, for texts of other characters, and the end of texts, which are never likelier than token 0.
"""

import json
import pathlib
import sys

import gguf
import numpy as np
from safetensors.numpy import load_file

FIRST, MOST = 0x4E00, 20_992  # the block of CJK ideographs
OTHERS = 257
ARCHITECTURES = {"gpt2": gguf.MODEL_ARCH.GPT2, "llama": gguf.MODEL_ARCH.LLAMA, "qwen3": gguf.MODEL_ARCH.QWEN3,
                 "mamba": gguf.MODEL_ARCH.MAMBA}


def words(tokens):
    return "".join(chr(FIRST + int(token)) for token in tokens)


def tokens_of(text):
    return [ord(word) - FIRST for word in text]


def add_vocabulary(writer, size):
    kind = gguf.TokenType
    writer.add_tokenizer_model("llama")
    writer.add_tokenizer_pre("default")
    writer.add_token_list([words([i]) for i in range(size)] + [f"<0x{byte:02X}>" for byte in range(256)] + ["</s>"])
    writer.add_token_scores([0.0] * (size + OTHERS))
    writer.add_token_types([kind.NORMAL] * size + [kind.BYTE] * 256 + [kind.CONTROL])
    for add in (writer.add_bos_token_id, writer.add_eos_token_id, writer.add_unk_token_id):
        add(size + 256)
    writer.add_add_bos_token(False)
    writer.add_add_eos_token(False)
    writer.add_add_space_prefix(False)
    writer.add_chat_template("{% for m in messages %}{{ m['content'] }}{% endfor %}")
    writer.add_vocab_size(size + OTHERS)


def add_rope(writer, config):
    writer.add_rope_freq_base(config["rope_theta"])
    writer.add_rope_dimension_count(config["head_dim"])
    scaling = config["rope_scaling"]
    if scaling is None:
        return
    if scaling["rope_type"] not in ("linear", "yarn"):
        sys.exit(f"rope_scaling {scaling['rope_type']} is not written; GGUF has linear and yarn for these")
    linear = scaling["rope_type"] == "linear"
    writer.add_rope_scaling_type(gguf.RopeScalingType.LINEAR if linear else gguf.RopeScalingType.YARN)
    writer.add_rope_scaling_factor(scaling["factor"])
    if not linear:
        writer.add_rope_scaling_orig_ctx_len(scaling["original_max_position_embeddings"])


def add_attention(writer, config):
    heads = config["num_attention_heads"]
    writer.add_context_length(max(config["max_position_embeddings"], 512))  # nothing ends there
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(config["intermediate_size"])
    writer.add_head_count(heads)
    writer.add_head_count_kv(config["num_key_value_heads"])
    writer.add_key_length(config["head_dim"])
    writer.add_value_length(config["head_dim"])
    writer.add_layer_norm_rms_eps(config["rms_norm_eps"])
    add_rope(writer, config)
    return config["num_hidden_layers"]


def add_gpt2(writer, config):
    writer.add_context_length(config["n_positions"])
    writer.add_embedding_length(config["n_embd"])
    writer.add_feed_forward_length(config["n_inner"])
    writer.add_head_count(config["n_head"])
    writer.add_layer_norm_eps(config["layer_norm_epsilon"])
    if config["activation_function"] != "gelu_new":
        sys.exit(f"activation_function {config['activation_function']}: llama.cpp's GPT-2 has gelu_new")
    return config["n_layer"]


def add_mamba(writer, config):
    writer.add_context_length(2 ** 20)
    writer.add_embedding_length(config["hidden_size"])
    writer.add_feed_forward_length(0)
    writer.add_head_count(0)
    writer.add_ssm_conv_kernel(config["conv_kernel"])
    writer.add_ssm_inner_size(config["intermediate_size"])
    writer.add_ssm_state_size(config["state_size"])
    writer.add_ssm_time_step_rank(config["time_step_rank"])
    writer.add_layer_norm_rms_eps(config["layer_norm_epsilon"])
    return config["num_hidden_layers"]


def interleaved(w, heads):
    """llama.cpp turns neighbours among a head's rows, transformers halves."""
    return w.reshape(heads, 2, -1, *w.shape[1:]).swapaxes(1, 2).reshape(w.shape)


def as_there(name, w, config):
    """A tensor as llama.cpp has it."""
    kind = config["model_type"]
    if kind == "gpt2" and name.endswith((".c_attn.weight", ".c_fc.weight", ".c_proj.weight")):
        return w.T
    if kind == "llama" and ".q_proj." in name:
        return interleaved(w, config["num_attention_heads"])
    if kind == "llama" and ".k_proj." in name:
        return interleaved(w, config["num_key_value_heads"])
    if kind == "mamba" and name.endswith(".A_log"):
        return -np.exp(w)
    if kind == "mamba" and name.endswith(".conv1d.weight"):
        return w[:, 0]
    return w


def write(folder, path):
    folder = pathlib.Path(folder)
    config = json.loads((folder / "config.json").read_text())
    tensors = load_file(folder / "model.safetensors")
    kind = config["model_type"]
    if config["vocab_size"] > MOST:
        sys.exit(f"{folder} has {config['vocab_size']} tokens; there are words for {MOST}")
    architecture = ARCHITECTURES[kind]
    writer = gguf.GGUFWriter(path, gguf.MODEL_ARCH_NAMES[architecture])
    writer.add_name(folder.name)
    writer.add_file_type(gguf.LlamaFileType.ALL_F32)
    n_blocks = {"gpt2": add_gpt2, "mamba": add_mamba}.get(kind, add_attention)(writer, config)
    writer.add_block_count(n_blocks)
    add_vocabulary(writer, config["vocab_size"])
    names = gguf.get_tensor_name_map(architecture, n_blocks)
    table = next(name for name in tensors if name.endswith(("wte.weight", "embed_tokens.weight", "embeddings.weight")))
    tensors.setdefault("lm_head.weight", tensors[table])
    for name, w in tensors.items():
        if name in (table, "lm_head.weight"):
            w = np.concatenate([w, np.repeat(w[:1], OTHERS, 0)])
        there = names.get_name(name, try_suffixes=(".weight", ".bias"))
        if there is None:
            sys.exit(f"GGUF has no place for {name}")
        writer.add_tensor(there, np.ascontiguousarray(as_there(name, w, config), np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


if __name__ == "__main__":
    write(*sys.argv[1:])
