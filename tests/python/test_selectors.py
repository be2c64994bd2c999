"""Selection rules of one's own: those of the library, written once more in NumPy, give its logits."""

import unittest

import numpy as np
from case import Case, installed

import fovea as fv


class Best(fv.Selector):
    k = 2

    def rank(self, weights, q, k):
        return weights


class Blocks(fv.Selector):
    k, block = 2, 2

    def rank(self, weights, q, k):
        return np.maximum.reduceat(weights, np.arange(0, weights.shape[-1], self.block), axis=-1)


class Means(fv.Selector):
    """MoBA: blocks by the score of their mean key."""

    k, block = 2, 2

    def rank(self, weights, q, k):
        T, blocks = k.shape[1], np.arange(0, k.shape[1], self.block)
        repeat = q.shape[2] // k.shape[2]
        sizes = np.minimum(blocks + self.block, T) - blocks
        means = np.add.reduceat(np.repeat(k, repeat, axis=2), blocks, axis=1) / sizes[:, None, None]
        return np.einsum("nthf,nbhf->nhtb", q, means)


MODELS = {
    "two": {"n_embd": 4, "n_head": 2, "layers": ["attention", "attention"], "positions": "learned", "residual": True},
    "shared": {"n_embd": 8, "n_head": 4, "n_kv_head": 2, "layers": ["attention", "mlp", "attention"],
               "positions": "rope", "residual": True},
    "sinks": {"n_embd": 4, "layers": ["attention"], "sink_logit": "learned"},
}
N = 20


class Selectors(Case):
    def trained(self, kind, **more):
        return self.sweep(task={"context_length": 9}, model={**MODELS[kind], **more.pop("model", {})}, out=kind,
                          **more)[0]

    def as_library(self, model, **selector):
        """The same parameters under a selector of the library."""
        run = self.trained(model)
        changed = self.trained(model, model=selector, train={"from": f"{model}/{run.id}", "steps": 0})
        np.testing.assert_array_equal(run.params.flat, changed.params.flat)
        return run, changed

    def test_rules_of_the_library(self):
        cases = [(Best(), dict(selector="topk", selector_k=2)),
                 (Blocks(), dict(selector="block_max", selector_block=2, selector_k=2)),
                 (Means(), dict(selector="block_topk", selector_block=2, selector_k=2))]
        for model in MODELS:
            for mine, selector in cases:
                with self.subTest(model, **selector):
                    run, changed = self.as_library(model, **selector)
                    tokens, _ = run.test_data(N)
                    expected = changed.logits(tokens)
                    np.testing.assert_allclose(run.select(mine, tokens), expected, rtol=1e-4, atol=1e-5)
                    self.assertGreater(np.abs(run.logits(tokens) - expected).max(), 1e-3)

    def test_keeping_all_changes_nothing(self):
        run = self.trained("sinks")
        tokens, _ = run.test_data(N)

        class All(fv.Selector):
            def keep(self, weights, q, k):
                return np.ones(weights.shape, bool)
        np.testing.assert_allclose(run.select(All(), tokens), run.logits(tokens), rtol=1e-4, atol=1e-5)

    def test_some_layers(self):
        run = self.trained("two")
        tokens, _ = run.test_data(N)
        patterns = run.select(Best(), tokens, names="*.hook_pattern", layers="blocks.1")
        kept = (patterns["blocks.1.attn.hook_pattern"] > 0).sum(-1)
        self.assertLessEqual(kept.max(), 2)
        np.testing.assert_allclose(patterns["blocks.1.attn.hook_pattern"].sum(-1), 1, rtol=1e-5)
        np.testing.assert_allclose(patterns["blocks.0.attn.hook_pattern"],
                                   run.cache(tokens, "blocks.0.attn.hook_pattern")["blocks.0.attn.hook_pattern"],
                                   rtol=1e-4, atol=1e-6)

    @unittest.skipUnless(installed("torch"), "torch is not installed")
    def test_torch(self):
        import torch

        class Tensor(Best):
            def rank(self, weights, q, k):
                return torch.from_numpy(weights)
        run = self.trained("two")
        tokens, _ = run.test_data(N)
        np.testing.assert_array_equal(run.select(Tensor(), tokens), run.select(Best(), tokens))

    def test_mistakes(self):
        run = self.trained("two")
        tokens, _ = run.test_data(N)
        self.refuses("must be an instance of a class of fv.Selector, not type", run.select, Best, tokens)
        with self.assertRaisesRegex(NotImplementedError, "Selector must define rank"):
            run.select(fv.Selector(), tokens)

        class Wrong(fv.Selector):
            answer = None

            def rank(self, weights, q, k):
                return self.answer
        for answer, sentence in ((np.zeros(3), "must return [20, 2, 9, 9], or what broadcasts to it, not [3]"),
                                 ("x", "must return numbers"), (np.full(9, np.nan), "has returned NaN")):
            Wrong.answer = answer
            self.refuses(sentence, run.select, Wrong(), tokens)
        Best.k = 0
        self.addCleanup(setattr, Best, "k", 2)
        self.refuses("Best.k must be a whole number from 1", run.select, Best(), tokens)
        other = self.sweep(model={**MODELS["two"], "normaliser": "sparsemax"}, out="other")[0]
        self.refuses("this one has sparsemax", other.select, Blocks(), tokens[:, :4])


if __name__ == "__main__":
    unittest.main()
