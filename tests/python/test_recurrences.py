"""Exported checkpoints of recurrences, read back by NumPy alone: docs/checkpoints.md says what each tensor is, and
the equations of docs/recurrences.md make the run's own logits of them."""

import json
import struct

import numpy as np
from case import Case

import fovea as fv

T, D, HEADS = 12, 8, 2
ROW = 1e-5  # beside a mean square


def read_safetensors(path):
    with open(path, "rb") as file:
        size = struct.unpack("<Q", file.read(8))[0]
        header, data = json.loads(file.read(size)), file.read()
    return {name: np.frombuffer(data[slice(*tensor["data_offsets"])], "<f4").reshape(tensor["shape"]).astype(float)
            for name, tensor in header.items() if name != "__metadata__"}


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def silu(x):
    return x * sigmoid(x)


def convolve(x, taps):
    """[.., T, features] and [features, taps], the last tap of the position itself."""
    padded = np.concatenate([np.zeros_like(x[..., :taps.shape[1] - 1, :]), x], axis=-2)
    return sum(padded[..., k:k + x.shape[-2], :] * taps[:, k] for k in range(taps.shape[1]))


def rms(x, w):
    return w * x / np.sqrt(np.mean(x * x, axis=-1, keepdims=True) + ROW)


class Layer:
    """A layer of the checkpoint, x [n, T, d] -> [n, T, d]."""

    def __init__(self, kind, tensors, feature_map="elu_plus_one"):
        self.kind, self.elu, self.counts = kind, feature_map != "none", feature_map == "elu_plus_one"
        self.w = {name.split(f".{kind}.")[1]: w for name, w in tensors.items() if f".{kind}." in name}

    def strand(self, x, which):
        y = x @ self.w["W_" + which.upper()]
        if f"conv_{which}.w" in self.w:
            y = silu(convolve(y, self.w[f"conv_{which}.w"]) + self.w.get(f"conv_{which}.b", 0))
        if self.kind == "linear_attention" and self.elu and which != "v":
            y = np.where(y > 0, y + 1, np.exp(np.minimum(y, 0)))
        heads = 1 if self.kind == "mamba2" and which != "v" else HEADS
        y = y.reshape(*y.shape[:2], heads, -1)
        if "delta" in self.kind and which != "v":
            y = rms(y, 1 / np.sqrt(y.shape[-1]))
        return np.repeat(y, HEADS // heads, axis=2)

    def decays(self, x, keys):
        """Decays [n, T, H, K] and the time steps [n, T, H]."""
        n = x.shape[0]
        if self.kind == "retnet":
            return np.broadcast_to((1 - 2.0 ** (-5 - np.arange(HEADS)))[:, None], (n, T, HEADS, keys)), None
        if "W_decay" not in self.w:
            return np.ones((n, T, HEADS, keys)), None
        raw = (x @ self.w["W_decay"]).reshape(n, T, HEADS, -1)
        if self.kind == "gla":
            return sigmoid(raw) ** (1 / 16), None
        step = np.log1p(np.exp(raw + self.w["dt_bias"].reshape(HEADS, -1)))
        decay = np.exp(-step * np.exp(self.w["A_log"])[:, None])
        return np.broadcast_to(decay, (n, T, HEADS, keys)), step[..., 0]

    def __call__(self, x):
        q, k, v = (self.strand(x, which) for which in "qkv")
        decay, step = self.decays(x, k.shape[-1])
        rate = step if self.kind == "mamba2" else np.ones(k.shape[:3])
        if "delta" in self.kind:
            rate = sigmoid(x @ self.w["W_beta"])
        state, seen, y = np.zeros((*k[:, 0].shape, v.shape[-1])), 0, np.zeros_like(v)
        for t in range(T):
            state = decay[:, t][..., None] * state
            held = np.einsum("nhk,nhkv->nhv", k[:, t], state) if "delta" in self.kind else 0
            state = state + np.einsum("nhk,nhv->nhkv", k[:, t], rate[:, t][..., None] * (v[:, t] - held))
            seen = seen + k[:, t]
            y[:, t] = np.einsum("nhk,nhkv->nhv", q[:, t], state)
            if self.kind == "linear_attention" and self.counts:
                y[:, t] /= np.sum(q[:, t] * seen, axis=-1, keepdims=True) + 1e-6
        if self.kind == "mamba2":
            y += self.w["D"][:, None] * v
        elif not (self.kind == "linear_attention" and self.counts):
            y /= np.sqrt(k.shape[-1])
        return self.gated(x, y) @ self.w["W_O"]

    def gated(self, x, y):
        flat = (*y.shape[:2], -1)
        if "norm.w" in self.w and self.kind != "mamba2":
            y = rms(y, self.w["norm.w"])
        y = y.reshape(flat)
        if "W_G" in self.w:
            y = y * silu(x @ self.w["W_G"])
        return rms(y, self.w["norm.w"]) if self.kind == "mamba2" else y


class Recurrences(Case):
    def check(self, kind, name=None, **model):
        run = fv.sweep(task=dict(name="copy", loss="all", vocab_size=10, context_length=T),
                       model=dict(layers=[kind], n_embd=D, n_head=HEADS, residual=True, norm="rms", **model),
                       train=dict(steps=20, batch_size=32, learning_rate=1e-2), progress=False)[0]
        run.export("model.safetensors")
        tensors = read_safetensors("model.safetensors")
        tokens = np.random.default_rng(3).integers(0, 10, (16, T)).astype(np.int32)
        x = tensors["embed.W_E"][tokens]
        if "pos_embed.W_pos" in tensors:
            x = x + tensors["pos_embed.W_pos"][:T]
        name = name or kind
        normed = rms(x, tensors[f"blocks.0.ln_{name}.w"])
        x = x + (convolve(normed, tensors["blocks.0.conv.w"]) if name == "conv"
                 else Layer(kind, tensors, model.get("feature_map", "elu_plus_one"))(normed))
        logits = rms(x, tensors["ln_final.w"]) @ tensors["unembed.W_U"]
        own = run.logits(tokens)
        self.assertLess(np.abs(logits - own).max(), 2e-5 * np.abs(own).max())
        self.assertGreater(np.abs(own).max(), 0.1)

    def test_linear_attention(self):
        self.check("linear_attention")
        self.check("linear_attention", feature_map="none")
        self.check("linear_attention", feature_map="elu_plus_one_sum")

    def test_retnet(self):
        self.check("retnet")

    def test_gla(self):
        self.check("gla", recurrent_key=6, recurrent_conv=3)

    def test_mamba2(self):
        self.check("mamba2", mamba_state=5)

    def test_deltanet(self):
        self.check("deltanet")
        self.check("deltanet", recurrent_conv=0, recurrent_key=3)

    def test_gated_deltanet(self):
        self.check("gated_deltanet")
        self.check("gated_deltanet", decay_of="channel")

    def test_short_convolution(self):
        self.check("short_convolution", name="conv")
