"""What runs begin with, what stays and what changes on their way; and what help knows, for programs."""

import numpy as np
from case import Case, tool

import fovea as fv


class Stages(Case):
    def test_frozen_tensors_stay(self):
        runs = self.sweep({"train.freeze": [[], ["W_Q", "W_K"]]}, train=dict(snapshots=[0]))
        name = "blocks.0.attn.W_Q"
        moved = [not np.array_equal(run.snapshots[0].params[name], run.params[name]) for run in runs]
        self.assertEqual(moved, [True, False])
        self.assertEqual([run["train.freeze"] for run in runs], ["[]", "[W_K, W_Q]"])

    def test_runs_begin_with_runs(self):
        first = self.sweep(out="first")[0]
        again = self.sweep(out="second", train={"from": f"first/{first.id}", "steps": 0})[0]
        for name, values in first.params.items():
            np.testing.assert_array_equal(values, again.params[name])
        self.refuses("neither a checkpoint nor a run", self.sweep, train={"from": "nothing"}, error=fv.NotFoundError)

    def test_stages_and_rates(self):
        stages = [{"at": 20, "task.offset": 1, "train": {"batch_size": 16}, "reset": True}]
        run, plain = self.sweep({"train.stages": [stages, []]}, train=dict(rates={"W_V": 10}))
        self.assertEqual(run["train.stages"],
                         "[{at: 20, reset: true, task.offset: 1, train.batch_size: 16}]")
        self.assertNotEqual(run.final["loss"], plain.final["loss"])
        self.refuses("the factor of W_V is 0", self.sweep, train=dict(rates={"W_V": 0}))
        self.refuses("no tensor of this model is named W_X", self.sweep, train=dict(freeze=["W_X"]))


class Words(Case):
    def test_what_help_knows(self):
        topics = fv.topics()
        steps = next(field for field in topics["fields"] if field["name"] == "train.steps")
        self.assertEqual((steps["type"], steps["default"], steps["lowest"]), ("integer", "3000", 0))
        self.assertIn("effective_rank", [probe["name"] for probe in topics["probes"]])
        self.assertIn("task.vocab_size", fv.schema()["definitions"])
        self.assertIn('"version"', tool("help", "--json"))
