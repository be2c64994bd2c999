"""Makes a repository's folder of a tiny llama: config.json and model.safetensors with its shapes."""
import json
import struct
import sys

CONFIG = {"model_type": "llama", "hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "num_key_value_heads": 1,
          "intermediate_size": 40, "vocab_size": 59, "tie_word_embeddings": False}
SHAPES = {"lm_head": (59, 16), "model.embed_tokens": (59, 16), "model.norm": (16,), "a.input_layernorm": (16,),
          "a.post_attention_layernorm": (16,), "a.self_attn.q_proj": (16, 16), "a.self_attn.k_proj": (8, 16),
          "a.self_attn.v_proj": (8, 16), "a.self_attn.o_proj": (16, 16), "a.mlp.gate_proj": (40, 16), "a.mlp.up_proj": (40, 16),
          "a.mlp.down_proj": (16, 40)}


def main():
    header, at = {}, 0
    for name, shape in SHAPES.items():
        size = 2 * shape[0] * (shape[1] if len(shape) > 1 else 1)
        header[name.replace("a.", "model.layers.0.") + ".weight"] = {"dtype": "BF16", "shape": shape, "data_offsets": [at, at + size]}
        at += size
    text = json.dumps(header).encode()
    with open(sys.argv[1] + "/model.safetensors", "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + bytes(at))
    with open(sys.argv[1] + "/config.json", "w") as file:
        json.dump(CONFIG, file)


main()
