"""Activations replaced on the way, against NumPy by hand and against the models' own passes."""

import unittest

import numpy as np
from case import Case

import fovea as fv

MODELS = {
    "attention": {"n_embd": 16, "layers": ["attention"]},  # whose first layer looks its tokens up
    "stream": {"n_embd": 4, "n_head": 2, "layers": ["attention", "mlp", "attention", "mlp"], "residual": True,
               "positions": "learned", "norm": "layer", "bias": True},
    "shared": {"n_embd": 8, "n_head": 4, "n_kv_head": 2, "layers": ["attention(window=2 sinks=1)", "attention"],
               "residual": True, "positions": "rope", "gate": "head", "sink_logit": "learned"},
    "gated": {"n_embd": 4, "layers": ["mlp", "attention", "mlp"], "activation": "swiglu", "norm": "rms",
              "norm_place": "sandwich", "residual": True},
    "mamba": {"n_embd": 4, "layers": ["mamba", "attention"], "residual": True},
}
N = 20  # sequences: more than one group of sixteen


def softmax(x):
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


class Hooks(Case):
    def trained(self, name, **changes):
        run = self.sweep(model=MODELS[name], out=name, **changes)[0]
        return run, *run.test_data(N)

    def test_what_stays_changes_nothing(self):
        for name in MODELS:
            with self.subTest(name):
                run, tokens, _ = self.trained(name)
                seen = []

                def same(values):
                    seen.append(values.shape[0])
                    return values.copy()
                logits = run.hooks({"*": same}, tokens)
                self.assertGreater(len(seen), 3)
                self.assertEqual(set(seen), {N})
                np.testing.assert_allclose(logits, run.logits(tokens), rtol=1e-4, atol=1e-5)
                np.testing.assert_allclose(run.hooks({"*": lambda values: None}, tokens), run.logits(tokens),
                                           rtol=1e-4, atol=1e-5)

    def test_a_pattern_by_hand(self):
        run, tokens, _ = self.trained("attention")
        p, T = run.params, tokens.shape[1]
        uniform = np.full((1, T, T), 1 / T, np.float32)  # of keys behind the query too
        logits = run.hooks({"blocks.0.attn.hook_pattern": uniform}, tokens)
        values = p["embed.W_E"][tokens] @ p["blocks.0.attn.W_V"]
        by_hand = values.mean(1) @ p["blocks.0.attn.W_O"] @ p["unembed.W_U"]
        np.testing.assert_allclose(logits[:, 0], by_hand, rtol=1e-4, atol=1e-5)

    def test_zero_ablation_by_hand(self):
        run, tokens, _ = self.trained("stream")
        p = run.params
        cache = run.cache(tokens)

        def without_head(z):
            z[:, :, 1] = 0
        stream = run.hooks({"blocks.1.attn.hook_z": without_head}, tokens, names=["blocks.1.hook_resid_mid"])
        z = cache["blocks.1.attn.hook_z"].copy()
        z[:, :, 1] = 0
        out = z.reshape(*z.shape[:2], -1) @ p["blocks.1.attn.W_O"] + p["blocks.1.attn.b_O"]
        np.testing.assert_allclose(stream["blocks.1.hook_resid_mid"], cache["blocks.1.hook_resid_pre"] + out,
                                   rtol=1e-4, atol=1e-5)
        for layer in "attn", "mlp":
            before = "pre" if layer == "attn" else "mid"
            stream = run.hooks({f"blocks.1.hook_{layer}_out": 0}, tokens, names="blocks.1.hook_resid_*")
            after = stream["blocks.1.hook_resid_mid" if layer == "attn" else "blocks.1.hook_resid_post"]
            np.testing.assert_allclose(after, cache[f"blocks.1.hook_resid_{before}"], rtol=1e-5, atol=1e-6)
        hidden = run.hooks({"blocks.0.mlp.hook_pre": np.zeros(16)}, tokens, names="blocks.0.mlp.hook_post")
        np.testing.assert_array_equal(hidden["blocks.0.mlp.hook_post"], 0)

    def test_queries_and_keys_by_hand(self):
        run, tokens, _ = self.trained("stream")
        cache = run.cache(tokens)
        other = run.hooks({"blocks.0.attn.hook_q": lambda q: 2 * q, "blocks.0.attn.hook_k": lambda k: k[::-1]},
                          tokens, names="blocks.0.attn.hook_pattern")["blocks.0.attn.hook_pattern"]
        q, k = 2 * cache["blocks.0.attn.hook_q"], cache["blocks.0.attn.hook_k"][::-1]
        scores = np.einsum("nihf,njhf->nhij", q, k) / np.sqrt(q.shape[-1])
        scores[..., np.triu(np.ones(scores.shape[-2:], bool), 1)] = -np.inf
        np.testing.assert_allclose(other, softmax(scores), rtol=1e-4, atol=1e-6)

    def test_all_patched_is_clean(self):
        for name in MODELS:
            with self.subTest(name):
                run, clean, _ = self.trained(name)
                corrupt = (clean + 1) % 10
                expected = run.logits(clean)
                whole = run.cache(clean, "*hook_resid_pre")
                np.testing.assert_allclose(run.hooks(whole, corrupt), expected, rtol=1e-4, atol=1e-5)
                last = [hook for hook in run.cache(clean[:1]) if hook.endswith("hook_resid_post")][-1]
                patched = run.patch(clean, corrupt, [last, "*attn.hook_v"], lambda logits: float(logits.sum()))
                self.assertAlmostEqual(patched[last], patched.clean, delta=1e-3 * abs(patched.clean))
                self.assertAlmostEqual(patched.clean, float(expected.sum()), delta=1e-3 * abs(patched.clean))
                self.assertNotEqual(patched[last], patched.corrupt)

    def test_parts_are_patched_alone(self):
        run, clean, targets = self.trained("stream", train=dict(steps=300, learning_rate=1e-2))
        corrupt = (clean + 1) % 10

        def metric(logits):
            return float(np.take_along_axis(logits[:, 0], targets, 1).mean())
        name = "blocks.0.attn.hook_z"
        patched = run.patch(clean, corrupt, name, metric, each=("head", "position"))
        self.assertEqual(patched[name].shape, (2, 4))
        heads = run.patch(clean, corrupt, name, metric, each="head")[name]
        z = run.cache(clean, name)[name]

        def put(values):
            values[:, :, 1] = z[:, :, 1]
        self.assertAlmostEqual(heads[1], metric(run.hooks({name: put}, corrupt)), places=6)
        streams = run.patch(clean, corrupt, "blocks.*.hook_resid_pre", metric, each="position")
        self.assertEqual({key: value.shape for key, value in streams.items()},
                         {"blocks.0.hook_resid_pre": (4,), "blocks.1.hook_resid_pre": (4,)})
        steps = run.patch(clean, corrupt, name, metric, snapshots=True)
        self.assertEqual(list(steps), [snapshot.step for snapshot in run.snapshots])
        self.assertEqual(steps[300][name], run.patch(clean, corrupt, name, metric)[name])

    def test_paths(self):
        """In a stream of two attentions the only path from the first to a query of the second is direct: by hand."""
        model = {"n_embd": 4, "n_head": 2, "layers": ["attention", "mlp", "attention"], "residual": True,
                 "positions": "learned"}
        run = self.sweep(model=model, out="paths")[0]
        clean, _ = run.test_data(N)
        corrupt, p = (clean + 1) % 10, run.params
        here, there = run.cache(corrupt), run.cache(clean)
        z = here["blocks.0.attn.hook_z"].copy()
        z[:, :, 1] = there["blocks.0.attn.hook_z"][:, :, 1]
        moved = (z - here["blocks.0.attn.hook_z"]).reshape(N, 4, 4) @ p["blocks.0.attn.W_O"]
        stream = here["blocks.1.hook_resid_pre"] + moved  # and the mlp between them as it was
        q = here["blocks.1.attn.hook_q"].copy()
        q[:, :, 0] = (stream @ p["blocks.1.attn.W_Q"]).reshape(N, 4, 2, 2)[:, :, 0]

        def metric(logits):
            return float(logits[:, 0, 3].mean())
        by_hand = metric(run.hooks({"blocks.1.attn.hook_q": q}, corrupt))
        path = run.path(clean, corrupt, ("blocks.0.attn.hook_z", 1), ("blocks.1.attn.hook_q", 0), metric)
        self.assertAlmostEqual(path, by_hand, delta=1e-5 * abs(by_hand))
        self.assertNotAlmostEqual(path, metric(run.logits(corrupt)), places=6)
        runs = fv.load("paths")
        self.assertEqual(runs.path(clean, corrupt, ("blocks.0.attn.hook_z", 1), ("blocks.1.attn.hook_q", 0), metric),
                         [path])
        self.assertEqual(len(runs.patch(clean, corrupt, "*hook_z", metric)[0]), 2)

    def test_mistakes(self):
        run, tokens, _ = self.trained("stream")
        self.refuses("no activation 'blocks.0.attn.hook_Z'; the nearest that can be is 'blocks.0.attn.hook_z'",
                     run.hooks, {"blocks.0.attn.hook_Z": 0}, tokens)
        self.refuses("the activation 'blocks.0.ln1.hook_scale' is shown and cannot be replaced", run.hooks,
                     {"blocks.0.ln1.hook_scale": 0}, tokens)
        self.refuses("must return [20, 4, 2, 2], not [3]", run.hooks, {"blocks.0.attn.hook_q": np.zeros(3)}, tokens)
        self.refuses("must return numbers, not <U1", run.hooks, {"blocks.0.attn.hook_q": lambda q: "x"}, tokens)

        def broken(values):
            raise ZeroDivisionError("mine")
        with self.assertRaisesRegex(ZeroDivisionError, "mine"):
            run.hooks({"*hook_q": broken}, tokens)
        metric = np.mean
        self.refuses("must be as many, not 20 and 3", run.patch, tokens, tokens[:3], "*hook_q", metric)
        self.refuses("no activation that can be replaced is named 'logits'", run.patch, tokens, tokens, "logits", metric)
        self.refuses("blocks.0.hook_resid_pre has no heads", run.patch, tokens, tokens, "blocks.0.hook_resid_pre", metric,
                     each="head")
        self.refuses("each must be 'head', 'position' or both, not 'layer'", run.patch, tokens, tokens, "*hook_q", metric,
                     each="layer")
        self.refuses("names blocks.0.attn.hook_z, blocks.1.attn.hook_z", run.path, tokens, tokens, "*hook_z",
                     "blocks.1.attn.hook_q", metric)
        self.refuses("can go through mamba", self.trained("mamba")[0].path, tokens, tokens, "blocks.0.attn.hook_z",
                     "blocks.0.attn.hook_q", metric)
        gated = self.trained("gated")[0]
        self.refuses("is shown and cannot be replaced", gated.hooks, {"blocks.0.hook_mlp_out": 0}, tokens)


if __name__ == "__main__":
    unittest.main()
