"""What a run shows: fields, curves, parameters, and its model on tokens."""

import unittest

import numpy as np
from case import Case, installed, tool

import fovea as fv


class OfRuns(Case):
    def setUp(self):
        super().setUp()
        self.runs = self.sweep({"train.seed": range(2), "train.learning_rate": [1e-3, 1e-2]},
                               model={"n_embd": 4, "n_head": 2, "layers": ["attention", "attention"],
                                      "positions": "learned", "residual": True},
                               train={"snapshot_every": 20})
        self.run_ = self.runs[0]
        self.tokens, self.targets = self.run_.test_data(5)

    def test_fields(self):
        self.assertEqual(self.run_["task.vocab_size"], 10)
        self.assertEqual(self.run_["model.layers"], ["attention", "attention"])
        self.assertEqual(self.run_.config["train.optimizer"], "adam")
        self.assertIs(self.run_["model.residual"], True)
        self.assertEqual(self.run_["train.snapshots"], [])
        layer = ("attention(n_kv_head=1 selector=oracle_topk selector_k=2 selector_block=2 qk_norm=vector "
                 "soft_cap=1234567.125 sink_logit=learned gate=feature)")
        many = self.sweep(model={"n_embd": 4, "n_head": 2, "layers": [layer]}, task={"context_length": 9}, out="many")
        self.assertEqual(many[0]["model.layers"], [layer])
        with self.assertRaisesRegex(KeyError, "the nearest is 'train.seed'"):
            self.run_["train.sed"]
        self.assertEqual(len(self.runs.where(train__seed=1)), 2)
        self.assertEqual(self.runs.varying, ["train.learning_rate", "train.seed"])

    def test_parameters_of_another_model(self):
        other = self.sweep(model={"n_embd": 2}, out="other")[0]
        for look in (self.run_.logits, self.run_.attention, self.run_.cache):
            self.refuses("these parameters are not of the model", look, self.tokens, params=other.params)
            self.refuses("params must be those of a run or a snapshot, not dict", look, self.tokens, params={})
            look(self.tokens, params=self.runs[1].params)

    def test_curves(self):
        curve = self.run_.series["perplexity"]
        np.testing.assert_array_equal(curve.steps, [0, 10, 20, 30, 39])
        np.testing.assert_allclose(np.log(curve.values), self.run_.series["loss"].values, rtol=1e-5)
        self.assertEqual(self.run_.measure("final(perplexity)"), self.run_.final["perplexity"])
        self.refuses("no run has a series 'los'; there are loss,", self.runs.curves, "los")
        frame = self.runs.curves("loss")
        self.assertEqual(list(frame), ["run", "train.learning_rate", "train.seed", "step", "loss"])
        np.testing.assert_array_equal(frame["run"], np.repeat(range(4), 5))
        np.testing.assert_array_equal(np.asarray(frame["loss"])[5:10], self.runs[1].series["loss"].values)

    def test_the_frame(self):
        frame = self.runs.frame
        self.assertEqual(list(frame)[:3], ["id", "train.learning_rate", "train.seed"])
        self.assertEqual(list(frame["loss"]), [run.final["loss"] for run in self.runs])
        self.assertEqual(list(frame["outcome"]), ["done"] * 4)
        self.assertEqual(list(frame["task.vocab_size"]), [10] * 4)
        self.assertEqual(type(frame).__name__, "DataFrame" if installed("pandas") else "Columns")

    def test_parameters(self):
        params = self.run_.params
        self.assertEqual(params["blocks.0.attn.W_Q"].shape, (4, 4))
        self.assertEqual(params["embed.W_E"].shape, (10, 4))
        self.assertEqual(sum(x.size for x in params.values()), params.flat.size)
        self.assertFalse(params["embed.W_E"].flags.writeable)
        with self.assertRaisesRegex(KeyError, "there are embed.W_E"):
            params["W_E"]
        snapshots = self.run_.snapshots
        self.assertEqual([s.step for s in snapshots], [0, 20, 40])
        np.testing.assert_array_equal(snapshots[-1].params.flat, params.flat)
        self.assertGreater(np.abs(snapshots[0].params.flat - params.flat).max(), 1e-3)

    def test_the_model_on_tokens(self):
        patterns = self.run_.attention(self.tokens)
        self.assertEqual(patterns.shape, (5, 2, 2, 4, 4))
        np.testing.assert_allclose(patterns.sum(-1), 1, atol=1e-6)
        self.assertEqual(np.abs(np.triu(patterns, 1)).max(), 0)
        cache = self.run_.cache(self.tokens)
        np.testing.assert_allclose(cache["blocks.1.attn.hook_pattern"], patterns[:, 1], atol=1e-6)
        logits = self.run_.logits(self.tokens)
        self.assertEqual(logits.shape, (5, 1, 10))
        np.testing.assert_array_equal(self.run_.loss_positions, [3])
        np.testing.assert_allclose(cache["logits"][:, 3], logits[:, 0], atol=1e-5)

        # The first layer's scores by hand, from the parameters that are shown.
        params = self.run_.params
        x = params["embed.W_E"][self.tokens] + params["pos_embed.W_pos"]
        np.testing.assert_allclose(cache["blocks.0.hook_resid_pre"], x, atol=1e-6)
        q, k = (x @ params[f"blocks.0.attn.{name}"] for name in ("W_Q", "W_K"))
        np.testing.assert_allclose(cache["blocks.0.attn.hook_q"].reshape(5, 4, 4), q, atol=1e-5)
        scores = np.einsum("nqhd,nkhd->nhqk", q.reshape(5, 4, 2, 2), k.reshape(5, 4, 2, 2)) / np.sqrt(2)
        scores[:, :, np.triu(np.ones((4, 4), bool), 1)] = -np.inf
        weights = np.exp(scores - scores.max(-1, keepdims=True))
        np.testing.assert_allclose(patterns[:, 0], weights / weights.sum(-1, keepdims=True), atol=1e-5)

        # A snapshot's parameters instead of the trained ones.
        before = self.run_.attention(self.tokens, self.run_.snapshots[0].params)
        self.assertGreater(np.abs(before - patterns).max(), 1e-4)
        only = self.run_.cache(self.tokens[0], "blocks.*.attn.hook_z")
        self.assertEqual(list(only), ["blocks.0.attn.hook_z", "blocks.1.attn.hook_z"])
        self.assertEqual(only["blocks.0.attn.hook_z"].shape, (1, 4, 2, 2))

    def test_tokens_are_checked(self):
        self.refuses("token 10 is outside 0 to 9", self.run_.attention, [0, 1, 2, 10])
        self.refuses("token -1 is outside 0 to 9", self.run_.logits, [[0, 1, 2, -1]])
        self.refuses("must be whole numbers, not float64", self.run_.cache, [0.5, 1, 2, 3])
        self.refuses("must have the shape [n, 4]", self.run_.attention, [0, 1, 2])
        self.refuses("the nearest", self.run_.cache, [0, 1, 2, 3], "hook_embd")

    def test_results_outlive_their_runs(self):
        params, attention = self.run_.params["embed.W_E"], self.run_.attention(self.tokens)
        kept = params.copy(), attention.copy()
        self.runs = self.run_ = None
        self.sweep({"train.seed": range(4)}, out="other")
        np.testing.assert_array_equal(params, kept[0])
        np.testing.assert_array_equal(attention, kept[1])

    def test_a_checkpoint_opens_in_the_tool(self):
        self.run_.export("trained.safetensors")
        self.assertIn("blocks.0", tool("probe", "trained.safetensors"))

    def test_a_folder_is_loaded(self):
        again = fv.load("out/sweep")
        self.assertEqual({run.id for run in again}, {run.id for run in self.runs})
        one = next(run for run in again if run.id == self.run_.id)
        np.testing.assert_array_equal(one.params.flat, self.run_.params.flat)
        self.refuses("there is no run store elsewhere", fv.load, "elsewhere", error=fv.NotFoundError)

    @unittest.skipUnless(installed("matplotlib"), "matplotlib is not installed")
    def test_a_plot(self):
        from matplotlib import pyplot

        ax = pyplot.figure().subplots()
        self.runs.plot("perplexity", color="train.learning_rate", ax=ax, log=True)
        self.assertEqual(len(ax.lines), 4)
        self.assertEqual([t.get_text() for t in ax.get_legend().get_texts()], ["0.001", "0.01"])


if __name__ == "__main__":
    unittest.main()
