"""Tasks in Python: they learn, they are repeatable, they fail alone, and the tool opens their stores."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import unittest
import warnings

import numpy as np
from case import TRAIN, Case, tool

import fovea as fv

YAML = """
task:  {name: custom, custom: sums, custom_version: 1, vocab_size: 19, context_length: 2}
model: {n_embd: 8}
train: {steps: 40, batch_size: 32}
"""


class Sums(fv.Task):
    name, version = "sums", 1
    vocab_size, context_length, loss = 19, 2, "last"

    def __init__(self):
        self.calls, self.threads = [], set()

    def batch(self, rng, n):
        self.calls.append(n)
        self.threads.add(threading.get_ident())
        tokens = rng.integers(0, 10, size=(n, 2), dtype=np.int32)
        return tokens, tokens.sum(1)


class Copy(fv.Task):
    """The built-in copy of the last token, at all positions but those without a target."""

    name, version = "copy-all", 0
    vocab_size, context_length, loss = 10, 4, "all"

    def batch(self, rng, n):
        tokens = rng.integers(0, 10, size=(n, 4))
        targets = tokens.copy()
        targets[:, 0] = -1
        targets[: n // 2, 1] = -1  # not equally many in every sequence
        return tokens, targets


class Line(fv.Task):
    """Real vectors in, a linear map of the last of them out."""

    name, version = "line", 1
    context_length, inputs, outputs, loss = 2, 3, 2, "mse"
    W = np.array([[1, 0], [0.5, -1], [0, 2]])

    def batch(self, rng, n):
        x = rng.standard_normal((n, 2, 3), dtype=np.float32)
        return x, x[:, -1] @ self.W


class Classes(fv.Task):
    """Real vectors in, a class out, at every position."""

    name, version = "classes", 1
    vocab_size, context_length, inputs, loss = 3, 4, 3, "all"

    def batch(self, rng, n):
        x = rng.standard_normal((n, 4, 3))
        return x, x.argmax(2)


class Faulty(Sums):
    """Returns what `made` says, or raises."""

    name = "faulty"

    def __init__(self, made, only_seed=None):
        super().__init__()
        self.made = made

    def batch(self, rng, n):
        return self.made(*super().batch(rng, n))


@contextlib.contextmanager
def quiet():
    with contextlib.redirect_stderr(io.StringIO()) as said, warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        yield said, warned


class Tasks(Case):
    def train(self, task, over=None, **train):
        return fv.sweep(task=task, model=dict(n_embd=8), train={**TRAIN, **train}, over=over, progress=False)

    def test_it_learns(self):
        task = Sums()
        run = fv.sweep(task=task, model=dict(n_embd=16, layers=["attention", "mlp"], residual=True),
                       train=dict(steps=1500, learning_rate=1e-2, batch_size=64), progress=False)[0]
        self.assertGreater(run.final["accuracy"], 0.9)
        tokens, targets = run.test_data(50)
        np.testing.assert_array_equal(tokens.sum(1), targets[:, 0])
        right = run.logits(tokens)[:, 0].argmax(-1) == targets[:, 0]
        self.assertGreater(right.mean(), 0.8)
        self.assertEqual(set(task.calls), {64 * 64, 256})  # many steps at once
        self.assertLess(len(task.calls), 30)

    def test_reals(self):
        run = fv.sweep(task=Line(), model=dict(n_embd=4, layers=["mlp"], residual=True, init="uniform"),
                       train=dict(steps=1500, learning_rate=1e-2, batch_size=64), progress=False)[0]
        self.assertLess(run.final["loss"], 0.02)  # from 3 or so
        self.assertGreater(run.series["loss"].values[0], 1)
        self.assertNotIn("perplexity", run.series)
        self.assertEqual((run["task.inputs"], run["task.outputs"]), (3, 2))
        self.assertEqual(run.params["embed.W_E"].shape, (3, 4))
        self.assertEqual(run.params["unembed.W_U"].shape, (4, 2))
        self.refuses("handed out as tokens", run.test_data, 4)
        again = fv.sweep(task=Line(), model=dict(n_embd=4, layers=["mlp"], residual=True, init="uniform"),
                         train=dict(steps=1500, learning_rate=1e-2, batch_size=64), out="again", progress=False)[0]
        np.testing.assert_array_equal(run.params.flat, again.params.flat)

    def test_reals_in_and_classes_out(self):
        run = fv.sweep(task=Classes(), model=dict(n_embd=8, layers=["mlp"]),
                       train=dict(steps=1000, learning_rate=1e-2, batch_size=64), progress=False)[0]
        self.assertGreater(run.final["accuracy"], 0.9)

    def test_reals_are_checked(self):
        def made(change):
            class Wrong(Line):
                name = "wrong-line"

                def batch(self, rng, n):
                    return change(*super().batch(rng, n))

            with quiet():
                self.train(Wrong())

        self.refuses("of the targets of sequence 0 is nan; all must be finite", made, lambda x, y: (x, y * np.nan))
        self.refuses("of the inputs of sequence 0 is inf", made, lambda x, y: (x / 0.0, y))
        self.refuses("of the inputs of sequence 0 is inf", made, lambda x, y: (np.abs(x) * 1e300 + 1e299, y))
        self.refuses("inputs of the shape [2048, 2, 3], not [2048, 3]", made, lambda x, y: (x[:, 0], y))
        self.refuses("targets of the shape [2048, 2], not [2048, 3]", made, lambda x, y: (x, x[:, 0]))
        self.refuses("must be real numbers, such as float32, not complex", made, lambda x, y: (x * 1j, y))
        self.refuses("loss must be 'last', 'all', 'mse' or 'mse_all'", self.train,
                     type("Other", (Line,), dict(loss="l1", name="l1")))

    def test_one_thread_calls_for_all_runs(self):
        task = Sums()
        self.train(task, {"train.seed": range(6)}, steps=300)
        self.assertEqual(len(task.threads), 1)
        self.assertNotIn(threading.get_ident(), task.threads)

    def test_runs_are_repeatable(self):
        one = self.train(Sums(), {"train.seed": range(2)}, steps=200)
        again = fv.sweep(task=Sums, model=dict(n_embd=8), train={**TRAIN, "steps": 200}, out="again", jobs=1,
                         over={"train.seed": range(2)}, progress=False)
        for a, b in zip(one, again):
            self.assertEqual(a.id, b.id)
            np.testing.assert_array_equal(a.params.flat, b.params.flat)
        self.assertGreater(np.abs(one[0].params.flat - one[1].params.flat).max(), 0.01)
        task = Sums()
        self.train(task, {"train.seed": range(2)}, steps=200)
        self.assertEqual(task.calls, [])  # from the store
        shorter = self.train(Sums(), steps=100)
        np.testing.assert_array_equal(shorter[0].series["loss"].values[:10], one[0].series["loss"].values[:10])

    def test_the_identity_is_name_and_version(self):
        class Other(Sums):
            version = 2

        ids = {self.train(task)[0].id for task in (Sums(), Other())}
        self.assertEqual(len(ids), 2)

        class Nameless(fv.Task):
            vocab_size, context_length = 10, 2

            def batch(self, rng, n):
                return np.zeros((n, 2), int), np.ones(n, int)

        with quiet() as (_, warned):
            run = self.train(Nameless())[0]
            self.train(Nameless())
        self.assertEqual((run["task.custom"], run["task.custom_version"]), ("Nameless", 0))
        self.assertEqual([str(w.message)[:32] for w in warned], ["Nameless states no name and vers"])

    def test_the_loss_is_over_the_targets_that_there_are(self):
        run = self.train(Copy(), {"train.learning_rate": [0.0], "train.log_every": [1]}, steps=2)[0]
        tokens, targets = run.batches(2)
        made = Copy().batch(np.random.default_rng([0, 0, 0]), 64 * 32)  # a piece of 64 steps
        np.testing.assert_array_equal(tokens.reshape(64, 4), made[0][:64])
        np.testing.assert_array_equal(targets.reshape(64, 4), made[1][:64])
        logits = run.cache(tokens[0], "logits")["logits"].astype(float)
        logp = logits - np.log(np.exp(logits).sum(-1, keepdims=True))
        there = targets[0] >= 0
        losses = -np.take_along_axis(logp, np.maximum(targets[0], 0)[..., None], -1)[..., 0]
        self.assertAlmostEqual(run.series["loss"].values[0], losses[there].mean(), places=5)

    def test_fixed_data_with_a_test_set(self):
        run = fv.sweep(task=Copy(), model=dict(n_embd=8), progress=False, train={**TRAIN, "steps": 200},
                       over={"task.data": ["fixed"], "task.n_train": [300], "task.n_test": [100]})[0]
        self.assertIn("test_loss", run.series)
        self.assertTrue(np.isfinite(run.final["test_loss"]))
        self.assertLess(run.final["loss"], run.series["loss"].values[0])

    def test_probes_see_its_sequences(self):
        run = fv.sweep(task=Copy(), model=dict(n_embd=8), train=TRAIN, probes="attention_mass", progress=False)[0]
        self.assertTrue(any(name.startswith("attention_mass") for name in run.series))

    def test_the_tool_opens_the_store_and_does_not_train(self):
        runs = self.train(Sums(), {"train.seed": range(2)})
        self.assertIn(runs[0].id, tool("runs", "out/sweep", "task.custom=sums"))
        self.assertNotIn(runs[0].id, tool("runs", "out/sweep", "task.custom=other"))
        self.assertIn("sums", tool("runs", "out/sweep", "show", runs[0].id))
        with open("own.yaml", "w", encoding="utf-8") as file:
            file.write(YAML)
        # What is stored is listed, judged and exported; what is not is refused in a sentence.
        self.assertIn("loss", tool("run", "own.yaml", "--out", "out/sweep", "--json", "--quiet"))
        said = tool("run", "own.yaml", "train.seed=7", "--out", "out/sweep", "--quiet", status=2)
        self.assertEqual(said.count("\n"), 1, said)
        self.assertIn("the task sums (version 1) belongs to the program that defines it", said)
        self.assertIn("perplexity", tool("export", "out/sweep"))

    def refused(self, sentence, made):
        with quiet():
            self.refuses(sentence, self.train, Faulty(made))

    def test_what_batch_returns_is_checked(self):
        self.refused("token 19 of sequence 0, position 1, is outside 0 to 18", lambda x, y: (x + [0, 19] - x * [0, 1], y))
        self.refused("token -1", lambda x, y: (-np.ones_like(x), y))
        self.refused("target 40 of sequence 0", lambda x, y: (x, y * 0 + 40))
        self.refused("-1 is no target", lambda x, y: (x, y * 0 - 2))
        self.refused("no sequence of step 0 has a target", lambda x, y: (x, y * 0 - 1))
        self.refused("tokens must be whole numbers, not float64", lambda x, y: (x * 1.0, y))
        self.refused("there are NaNs among them", lambda x, y: (x, y * np.nan))
        self.refused("must return tokens of the shape [2048, 2], not [2047, 2]", lambda x, y: (x[1:], y))
        self.refused("targets of the shape [2048], not [2048, 2]", lambda x, y: (x, x))
        self.refused("must return (tokens, targets), not int", lambda x, y: 3)
        self.refused("must return (tokens, targets), not NoneType", lambda x, y: None)
        self.refused("token 42949673", lambda x, y: (x.astype(np.int64) + 2 ** 32, y))

    def test_what_it_raises_is_shown(self):
        def fail(x, y):
            raise ZeroDivisionError("mine")

        with quiet() as (said, _):
            with self.assertRaisesRegex(fv.UsageError, "task faulty raised ZeroDivisionError: mine") as caught:
                self.train(Faulty(fail))
        self.assertIn("in fail", said.getvalue())
        self.assertIsInstance(caught.exception.__cause__, ZeroDivisionError)

    def test_other_runs_go_on(self):
        class Late(Sums):
            name = "late"

            def batch(self, rng, n):
                if rng.integers(1 << 40) == np.random.default_rng([1, 0, 0]).integers(1 << 40):
                    raise RuntimeError("seed 1")
                return super().batch(rng, n)

        with quiet() as (_, warned):
            runs = self.train(Late(), {"train.seed": range(4)})
        self.assertEqual([run["train.seed"] for run in runs], [0, 2, 3])
        self.assertIn("1 of 4 runs failed: task late raised RuntimeError: seed 1", str(warned[-1].message))

    def test_the_class_is_checked(self):
        class Nothing(fv.Task):
            name, version = "nothing", 0

        self.refuses("Nothing.vocab_size must be a whole number", self.train, Nothing)
        Nothing.vocab_size = Nothing.context_length = 4
        with quiet():
            self.refuses("must define batch", self.train, Nothing)
        Nothing.loss = "l1"
        self.refuses("loss must be 'last', 'all', 'mse' or 'mse_all'", self.train, Nothing)
        run = self.train(Sums())[0]
        run._task = None
        self.refuses("give it as task=", run.test_data)
        self.assertEqual(run.test_data(3, task=Sums())[0].shape, (3, 2))

    def test_the_identity_is_checked(self):
        for name, version, sentence in (("x" * 256, 1, "name must be a text of 1 to 255 bytes"),
                                        (5, 1, "name must be a text"), ("a\nb", 1, "without control characters"),
                                        ("sums", "1", "version must be a whole number"),
                                        ("sums", -1, "version must be a whole number"),
                                        ("sums", 1.5, "version must be a whole number")):
            for _ in range(2):  # a task that is refused is not in use
                self.refuses(sentence, self.train, type("Odd", (Sums,), dict(name=name, version=version)))
        run = self.train(Sums())[0]
        other = type("Other", (Sums,), dict(name="other"))()
        self.refuses("the run's task is sums (version 1), not other (version 1)", run.test_data, task=other)
        self.refuses("the run's task is sums (version 1), not other (version 1)", run.batches, 2, task=other)

    def test_what_a_sweep_replaces_is_what_counts(self):
        with quiet():
            self.refuses("with loss 'all' batch(rng, 2048) must return targets of the shape [2048, 2], not [2048]",
                         self.train, Sums(), {"task.loss": ["all"]})
            self.refuses("is outside 0 to 4 (task.vocab_size 5)", self.train, Sums(), {"task.vocab_size": [5]})

    def test_a_task_waits_for_none(self):
        run = self.train(Sums())[0]

        class Trains(Sums):
            name = "trains"

            def batch(self, rng, n):
                fv.sweep(task=Sums(), train=dict(steps=1), out="inside", progress=False)

        class Draws(Sums):
            name = "draws"

            def batch(self, rng, n):
                run.test_data(4)

        with quiet():
            self.refuses("nothing can be trained from inside of a sweep", self.train, Trains())
            self.refuses("it would wait for itself", self.train, Draws())

    def test_a_process_forked_while_it_trains(self):
        asked, answered = threading.Event(), threading.Event()

        class Slow(Sums):
            def batch(self, rng, n):
                asked.set()
                answered.wait(60)
                return super().batch(rng, n)

        thread = threading.Thread(target=fv.sweep, kwargs=dict(
            task=Slow(), train=dict(steps=5), out="parent", jobs=1, progress=False))
        thread.start()
        asked.wait()
        child = os.fork()
        if child == 0:
            signal.alarm(20)  # not to wait for threads that it does not have
            try:
                status = len(fv.sweep(task=Sums(), train=dict(steps=5), out="child", jobs=1, progress=False)) != 1
            except BaseException:
                status = 1
            os._exit(status)
        try:
            self.assertEqual(os.waitpid(child, 0)[1], 0)
        finally:
            answered.set()
            thread.join()
        self.assertEqual(len(fv.load("parent")), 1)

    def test_an_interrupt_ends_it(self):
        code = f"""
import sys; sys.path.insert(0, {os.path.dirname(__file__)!r})
import os, signal, fovea as fv
from test_tasks import Sums
def watch(now):
    os.kill(os.getpid(), signal.SIGINT)
try:
    fv.sweep(task=Sums(), model=dict(n_embd=8), train=dict(steps=2000000), out="long", progress=watch)
except fv.Interrupted as stop:
    print("stopped", stop)
"""
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
        self.assertIn("stopped sweep: interrupted with 0 of 1 runs stored", done.stdout, done.stderr)


if __name__ == "__main__":
    unittest.main()
