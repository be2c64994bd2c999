"""Experiment files: their verdicts are the command line's."""

import json
import os
import shutil
import unittest

from case import Case, tool

import fovea as fv

FILE = """
source: "A test"
task:  {name: copy, vocab_size: 4, context_length: 3}
model: {n_embd: 4}
train: {steps: 200, batch_size: 32, learning_rate: 1e-2}
sweep: {train.seed: 0..4}
figure: {kind: curves, x: step, y: perplexity}
claims:
  - statement: "It learns."
    measure: final(perplexity)
    below: 4
    published: none
  - statement: "It does not."
    measure: final(perplexity)
    above: 4
    published: none
"""


class Studies(Case):
    def setUp(self):
        super().setUp()
        with open("trial.yaml", "w", encoding="utf-8") as file:
            file.write(FILE)

    def test_verdicts(self):
        study = fv.run("trial.yaml", progress=False)
        self.assertEqual([claim.verdict for claim in study.claims], ["reproduced", "not reproduced"])
        self.assertEqual((study.claims[0].n_seeds, study.claims[0].n_agree), (5, 5))
        self.assertIn("It learns.", study.claims._repr_html_())
        self.assertEqual(len(study.runs), 5)
        self.assertTrue(os.path.isfile(study.report))
        tool("run", "trial.yaml", "--out", "tool", "--quiet")
        with open("tool/claims.json", encoding="utf-8") as file:
            by_tool = json.load(file)
        with open("out/trial/claims.json", encoding="utf-8") as file:
            self.assertEqual(json.load(file), by_tool)

    @unittest.skipUnless(shutil.which("gnuplot"), "gnuplot is not installed")
    def test_figures(self):
        study = fv.run("trial.yaml", out="drawn", progress=False)
        self.assertEqual(len(study.figures), 1)
        self.assertTrue(os.path.isfile(study.figures[0].svg))
        self.assertIn("<svg", study._repr_html_())

    def test_overrides(self):
        study = fv.run("trial.yaml", {"train.seed": range(2), "task.vocab_size": 5}, figures=False, progress=False)
        self.assertEqual([run["train.seed"] for run in study.runs], [0, 1])
        self.assertEqual(study.runs[0]["task.vocab_size"], 5)
        self.assertEqual(study.claims[0].verdict, "not comparable")

    def test_mistakes(self):
        self.refuses("there is no key 'tasks'", self.read, "tasks: {}")
        self.refuses("mistake.yaml", self.read, "tasks: {}")
        self.refuses("absent.yaml", fv.run, "absent.yaml", error=fv.NotFoundError)
        self.refuses("'0.5'", fv.run, "trial.yaml", {"train.seed": 0.5})

    def read(self, text):
        with open("mistake.yaml", "w", encoding="utf-8") as file:
            file.write(text)
        return fv.run("mistake.yaml", progress=False)


if __name__ == "__main__":
    unittest.main()
