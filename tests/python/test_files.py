"""Data from files: checked before anything trains, in the run's identity by their contents."""

import json
import os
import shutil
import struct
import unittest

import numpy as np
from case import TRAIN, Case, tool

import fovea as fv


def write_safetensors(path, **arrays):
    header, data = {}, b""
    for name, array in arrays.items():
        kind = {"int8": "I8", "int32": "I32", "int64": "I64", "uint16": "U16", "float32": "F32"}[array.dtype.name]
        begin = len(data)
        data += np.ascontiguousarray(array).tobytes()
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [begin, len(data)]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text + data)


def write_folder(path, **arrays):
    os.makedirs(path, exist_ok=True)
    for name, array in arrays.items():
        np.save(os.path.join(path, name + ".npy"), array)


class Files(Case):
    def setUp(self):
        super().setUp()
        rng = np.random.default_rng(4)
        self.tokens = rng.integers(0, 10, (200, 4))
        self.targets = self.tokens[:, -1].copy()
        self.targets[::3] = -1
        self.test_tokens = rng.integers(0, 10, (50, 4))
        self.sets = dict(tokens=self.tokens, targets=self.targets, test_tokens=self.test_tokens,
                         test_targets=self.test_tokens[:, -1])
        write_safetensors("data.safetensors", **self.sets)

    def train(self, path="data.safetensors", task=(), train=(), **named):
        fields = {**dict(name="file", path=path, vocab_size=10, context_length=4), **dict(task)}
        return fv.sweep(task=fields, model=dict(n_embd=8), train={**TRAIN, **dict(train)}, progress=False, **named)

    def test_it_learns_what_the_file_says(self):
        run = self.train(train=dict(steps=800, learning_rate=1e-2))[0]
        self.assertGreater(run.final["test_accuracy"], 0.9)
        self.assertEqual((run["task.n_train"], run["task.n_test"]), (200, 50))
        tokens, targets = run.test_data(60)
        np.testing.assert_array_equal(tokens[:50], self.test_tokens)
        np.testing.assert_array_equal(tokens[50:], self.test_tokens[:10])
        np.testing.assert_array_equal(targets[:50, 0], self.test_tokens[:, -1])

    def test_the_loss_counts_the_targets_that_there_are(self):
        run = self.train(train=dict(steps=1))[0]
        start = self.train(train=dict(steps=1, snapshots=[0]))[0].snapshots[0]
        logits = run.logits(self.test_tokens, start.params)[:, 0].astype(float)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        expected = -logp[np.arange(50), self.test_tokens[:, -1]].mean()
        self.assertAlmostEqual(run.series["test_loss"].values[0], expected, places=5)

    def test_the_identity_is_of_the_contents(self):
        one = self.train()[0]
        write_folder("folder", **{name: x.astype(np.int32) for name, x in self.sets.items()})
        os.rename("data.safetensors", "moved.safetensors")
        ids = {self.train(path)[0].id for path in ("folder", "moved.safetensors")}
        self.assertEqual(ids, {one.id})
        self.assertEqual(len(one["task.digest"]), 16)
        self.tokens[7, 2] = (self.tokens[7, 2] + 1) % 10
        write_safetensors("moved.safetensors", **self.sets)
        self.assertNotEqual(self.train("moved.safetensors")[0].id, one.id)
        self.refuses("holds other sequences (digest", self.train, "moved.safetensors",
                     task=dict(digest=one["task.digest"]))

    def test_the_tool_trains_it_too(self):
        run = self.train()[0]
        with open("mine.yaml", "w", encoding="utf-8") as file:
            file.write("task: {name: file, path: data.safetensors, vocab_size: 10, context_length: 4}\n"
                       "model: {n_embd: 8}\ntrain: {steps: 40, batch_size: 32}\n")
        line = json.loads(tool("run", "mine.yaml", "--json", "--quiet"))
        self.assertEqual(line["run_id"], run.id)
        self.assertAlmostEqual(line["final"]["test_loss"], run.final["test_loss"], places=5)

    def test_batches_of_a_run_are_a_file(self):
        run = fv.sweep(task=dict(vocab_size=10), model=dict(n_embd=8), train=TRAIN, progress=False)[0]
        tool("export", "out/sweep/" + run.id, "--batches", "batches", "--steps", "10")
        tokens, targets = run.batches(10)
        self.assertEqual((tokens.shape, targets.shape), ((10, 32, 4), (10, 32, 1)))
        np.testing.assert_array_equal(tokens[..., 3], targets[..., 0])
        np.testing.assert_array_equal(np.load("batches/tokens.npy"), tokens.reshape(320, 4))
        np.testing.assert_array_equal(np.load("batches/targets.npy"), targets.reshape(320, 1))
        later, _ = run.batches(5, first=3)
        np.testing.assert_array_equal(later, tokens[3:8])
        self.assertEqual(self.train("batches")[0]["task.n_train"], 320)
        self.refuses("no steps 39 to 40; the run has 0 to 39", run.batches, 2, 39)
        self.refuses("no steps 4294967296 to", run.batches, 2, 1 << 32)
        self.refuses("n must be a whole number from 1", run.test_data, 0)
        for given in (["--format", "csv"], ["--out", "x"], ["--step", "3"], ["--widen"]):
            said = tool("export", "out/sweep/" + run.id, "--batches", "batches", *given, status=2)
            self.assertIn("--batches goes with --steps alone", said)
        said = tool("export", "out/sweep", "--steps", "10", status=2)
        self.assertIn("--steps belongs to --batches", said)
        # From the initial parameters the first loss is that of the first batch.
        start = fv.sweep(task=dict(vocab_size=10), model=dict(n_embd=8), train={**TRAIN, "snapshots": [0]},
                         progress=False)[0].snapshots[0].params
        logits = run.logits(tokens[0], start)[:, 0].astype(float)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        loss = -logp[np.arange(32), targets[0, :, 0]].mean()
        self.assertAlmostEqual(run.series["loss"].values[0], loss, places=5)

    def test_a_file_that_is_gone_is_named(self):
        run = self.train()[0]
        os.rename("data.safetensors", "moved.safetensors")
        self.refuses("data.safetensors: No such file", run.test_data, error=fv.NotFoundError)
        self.refuses("data.safetensors: No such file", run.batches, 2, error=fv.NotFoundError)

    def test_all_positions(self):
        write_folder("all", tokens=self.tokens.astype(np.uint16), targets=self.tokens)
        run = self.train("all", task=dict(loss="all"))[0]
        self.assertEqual(run["task.n_test"], 0)
        self.assertNotIn("test_loss", run.series)

    def refused(self, sentence, error=fv.Error, path="data.safetensors", task=(), **arrays):
        if arrays:
            write_safetensors("data.safetensors", **arrays)
        self.refuses(sentence, self.train, path, task, error=error)
        self.assertFalse(os.path.exists("out"))  # before anything trains

    def test_reals(self):
        rng = np.random.default_rng(0)
        x, W = rng.standard_normal((300, 1, 3)).astype(np.float32), np.array([[1, 0], [2, 1], [0, -1]], np.float32)
        y = x[:, 0] @ W
        model = dict(n_embd=4, layers=["mlp"], residual=True)
        write_safetensors("reals.safetensors", inputs=x, targets=y, test_inputs=x[:50], test_targets=y[:50])
        write_folder("reals", inputs=x[:, 0].astype(np.float64), targets=y, test_inputs=x[:50, 0], test_targets=y[:50])
        train = dict(steps=1000, learning_rate=1e-2, batch_size=64)
        runs = [fv.sweep(task=dict(name="file", path=path, context_length=1), model=model, train=train, progress=False)[0]
                for path in ("reals.safetensors", "reals")]
        self.assertEqual(runs[0].id, runs[1].id)
        self.assertLess(runs[0].final["test_loss"], 0.05)
        self.assertEqual((runs[0]["task.inputs"], runs[0]["task.outputs"]), (3, 2))
        shutil.rmtree("out")
        y[7, 1] = np.nan
        write_safetensors("reals.safetensors", inputs=x, targets=y)
        self.refused("a target of sequence 7 is not finite", path="reals.safetensors", task=dict(context_length=1))
        write_safetensors("reals.safetensors", inputs=x.astype(np.int32), targets=y)
        self.refused("inputs must be reals", path="reals.safetensors", task=dict(context_length=1))

    def test_mistakes(self):
        tokens, targets = self.tokens, self.targets
        self.refused("absent: No such file", path="absent")
        self.refused("task.n_train 5 is not what data.safetensors has, 200; leave it out",
                     task=dict(data="fixed", n_train=5))
        self.refused("task.n_test 5 is not what data.safetensors has, 50", task=dict(data="fixed", n_test=5))
        self.refused("needs task.path", path="")
        self.refused("sequences of 4 tokens, and task.context_length is 5; set it to 4", task=dict(context_length=5))
        self.refused("set task.loss last", task=dict(loss="all"))
        self.refused("token 9 of sequence", task=dict(vocab_size=9))
        self.refused("has no targets", tokens=tokens)
        self.refused("tokens must be whole numbers", tokens=tokens.astype(np.float32), targets=targets)
        self.refused("tokens must have the shape [N, T]", tokens=tokens[0], targets=targets)
        self.refused("targets 199 of 1", tokens=tokens, targets=targets[1:])
        self.refused("4 tokens and 1 or T targets", tokens=tokens, targets=tokens[:, :2])
        self.refused("no sequence of targets has a target", tokens=tokens, targets=targets * 0 - 1)
        self.refused("target -2 of sequence", tokens=tokens, targets=np.where(targets == 3, -2, targets))
        self.refused("token -1 of sequence", tokens=tokens * 0 - 1, targets=targets)
        self.refused("token 2147483647 of sequence", tokens=tokens + 2 ** 40, targets=targets)
        self.refused("test_tokens without test_targets", tokens=tokens, targets=targets, test_tokens=tokens)
        write_folder("folder", tokens=np.asfortranarray(tokens), targets=targets)
        self.refused("is in Fortran's order", path="folder")
        write_folder("folder", tokens=tokens.astype(np.float32), targets=targets)
        self.refused("tokens must be whole numbers", path="folder")
        write_folder("folder", tokens=tokens.astype(np.complex64), targets=targets)
        self.refused("it holds neither whole numbers nor reals", path="folder")
        write_folder("folder", tokens=tokens, targets=targets)
        with open("folder/tokens.npy", "ab") as file:
            file.write(b"x")
        self.refused("its size is not that of its shape", path="folder")
        with open("folder/tokens.npy", "wb") as file:
            file.write(b"no array")
        self.refused("no .npy file", path="folder")


if __name__ == "__main__":
    unittest.main()
