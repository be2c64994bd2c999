"""Sweeps: the same runs as the command line's, watched, interrupted, from several threads."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
from case import MODEL, TASK, TRAIN, Case, tool

import fovea as fv

INTERRUPTED = """
import fovea as fv, os, signal, sys
def watch(now):
    if now.done >= 2 and not watch.sent:
        watch.sent = True
        os.kill(os.getpid(), signal.SIGINT)
watch.sent = False
try:
    fv.sweep(task=dict(vocab_size=10), model=dict(n_embd=2), train=dict(steps=20000),
             over={"train.seed": range(40)}, out="out", progress=watch)
except KeyboardInterrupt as stop:
    print(len(stop.runs), stop)
"""


class Sweeps(Case):
    def test_the_store_is_the_command_lines(self):
        runs = self.sweep({"train.seed": range(3), "train.learning_rate": [1e-3, 1e-2]}, out="one")
        self.assertEqual(len(runs), 6)
        with open("file.yaml", "w", encoding="utf-8") as file:
            json.dump({"task": TASK, "model": MODEL, "train": TRAIN,
                       "sweep": {"train.seed": [0, 1, 2], "train.learning_rate": [1e-3, 1e-2]}}, file)
        lines = [json.loads(line) for line in
                 tool("run", "file.yaml", "--out", "two", "--json", "--quiet").splitlines()]
        self.assertEqual({run.id for run in runs}, {line["run_id"] for line in lines})
        finals = {line["run_id"]: line["final"]["loss"] for line in lines}
        for run in runs:
            self.assertAlmostEqual(run.final["loss"], finals[run.id], places=6)
        self.assertIn(runs[0].id[:8], tool("runs", "one"))

    def test_order_and_grids(self):
        runs = self.sweep({"train.seed": [5, 3], "task.vocab_size": np.array([4, 6])})
        self.assertEqual([(r["train.seed"], r["task.vocab_size"]) for r in runs], [(5, 4), (5, 6), (3, 4), (3, 6)])
        runs = self.sweep([{"model.n_embd": 3}, {"model.n_embd": 4, "train.seed": "0..1"}])
        self.assertEqual([(r["model.n_embd"], r["train.seed"]) for r in runs], [(3, 0), (4, 0), (4, 1)])
        runs = self.sweep({"model.layers": [["attention"], ["attention", "mlp"]]})
        self.assertEqual([r["model.layers"] for r in runs], [["attention"], ["attention", "mlp"]])

    def test_a_second_call_trains_nothing(self):
        now = []
        self.sweep({"train.seed": range(2)})
        self.sweep({"train.seed": range(3)}, progress=now.append)
        self.assertEqual((now[-1].runs, now[-1].stored, now[-1].done), (3, 2, 3))
        self.assertEqual(now[-1].share, 1)

    def test_mistakes(self):
        self.refuses("there is no field 'task.vocabsize'; the nearest is 'task.vocab_size'", self.sweep,
                     task={"vocabsize": 3})
        self.refuses("task.vocab_size must be a whole number", self.sweep, {"task.vocab_size": [1.5]})
        self.refuses("must be a number, a text, a list", self.sweep, {"task.vocab_size": [object()]})
        self.refuses("task must be a mapping of fields", fv.sweep, task=[1])
        for jobs in (0, (1 << 32) + 1, 1.5):
            self.refuses("jobs must be a whole number from 1", self.sweep, jobs=jobs)
        self.refuses("train: learning_rate must be a number, a text", self.sweep, train={"learning_rate": None})
        self.refuses("over must be a mapping", self.sweep, 5)
        self.refuses("over must be a mapping", self.sweep, [5])
        self.refuses("progress must be None, True, False or a function", self.sweep, progress="yes")
        self.refuses("n_head 3 does not divide", self.sweep, model={"n_head": 3})
        self.refuses("an empty list leaves nothing to run", self.sweep, {"train.seed": []})
        self.refuses("there is no probe 'ranks'", self.sweep, probes=["ranks"])
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            self.sweep({"train.seed": [1, 1]})
        self.assertIn("train.seed", str(caught[0].message))

    def test_a_callback_that_raises_ends_the_sweep(self):
        def watch(_):
            raise RuntimeError("mine")

        with self.assertRaisesRegex(RuntimeError, "mine"):
            self.sweep({"train.seed": range(8)}, train={"steps": 20000}, progress=watch)

    def test_a_callback_reads_the_store_and_trains_nothing(self):
        seen = []

        def watch(_):
            seen.append(len(fv.load("out/sweep")))
            if len(seen) == 2:
                self.sweep({"train.seed": [9]})

        self.refuses("nothing can be trained from inside of a sweep", self.sweep, {"train.seed": range(4)},
                     train={"steps": 20000}, progress=watch)
        self.assertIn(seen[0], range(4))  # as many as were done by then

    def test_interrupt_keeps_what_is_done(self):
        started = time.monotonic()
        done = subprocess.run([sys.executable, "-c", INTERRUPTED], capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stderr)
        n, sentence = done.stdout.split(" ", 1)
        self.assertGreaterEqual(int(n), 2)
        self.assertLess(int(n), 40)
        self.assertIn(f"interrupted with {n} of 40 runs stored", sentence)
        self.assertEqual(len(fv.load("out")), int(n))
        self.assertLess(time.monotonic() - started, 20)

    def test_the_handler_of_signals_is_as_before(self):
        before = signal.getsignal(signal.SIGINT)
        self.sweep()
        self.assertIs(signal.getsignal(signal.SIGINT), before)

    def test_the_gil_is_released(self):
        thread = threading.Thread(target=self.sweep, kwargs=dict(
            over={"train.seed": range(4)}, train={"steps": 4000}, jobs=1))
        thread.start()
        ticks = 0
        while thread.is_alive():
            time.sleep(0.001)
            ticks += 1
        self.assertGreater(ticks, 20)

    def test_threads_write_one_store_in_turn(self):
        results = {}

        def work(seed):
            results[seed] = self.sweep({"train.seed": [seed]}, out="shared")

        threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(len(results), 4)
        self.assertEqual(len(fv.load("shared")), 4)

    def test_a_forked_process_trains(self):
        self.sweep({"train.seed": [0]}, out="parent")
        child = os.fork()
        if child == 0:
            try:
                status = len(self.sweep({"train.seed": [0, 1]}, out="child")) != 2
            except BaseException:
                status = 1
            os._exit(status)
        self.assertEqual(os.waitpid(child, 0)[1], 0)


if __name__ == "__main__":
    import unittest

    unittest.main()
