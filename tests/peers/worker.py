"""A process that holds one framework: worker.py torch|jax|parts. It obeys lines of JSON on stdin

    {"prepare": NAME, "case": {...}}     builds and warms a contender up
    {"slice": NAME, "seconds": S}        times it for about S seconds
    {"forget": true}                     drops all contenders

and answers each with one line of JSON on stdout. Between requests it waits without using the core.
"""

import gc
import importlib
import json
import statistics
import sys
import time


class Contender:
    """A prepared model and how many of its steps fill about 20 ms."""

    def __init__(self, make, case, clock):
        self.clock = clock
        start = time.perf_counter()
        self.model = make(case)
        self.model.run(1)  # compiles
        self.prepare_seconds = time.perf_counter() - start
        self.steps = getattr(self.model, "chunk", 1)
        while self.timed() < 0.02 and self.steps < 100_000:
            self.steps *= 2

    def timed(self):
        start = self.clock()
        self.model.run(self.steps)
        return self.clock() - start

    def slice(self, seconds):
        """Median microseconds a step of one model, over as many repetitions as fit."""
        times = []
        end = time.perf_counter() + seconds
        while not times or time.perf_counter() < end:
            times.append(self.timed() / self.steps / self.model.models * 1e6)
        return statistics.median(times)


def answer(request, contenders, module):
    if "prepare" in request:
        name = request["prepare"]
        clock = getattr(module, "CLOCK", time.perf_counter)
        contenders[name] = Contender(module.CONTENDERS[name], request["case"], clock)
        return {"prepare_seconds": contenders[name].prepare_seconds}
    if "slice" in request:
        contender = contenders[request["slice"]]
        return {"us": contender.slice(request["seconds"]), "loss": contender.model.last_loss}
    contenders.clear()
    gc.collect()
    return {}


def main():
    answers, sys.stdout = sys.stdout, sys.stderr  # whatever the framework prints is no answer
    module = importlib.import_module(f"peer_{sys.argv[1]}")
    contenders = {}
    print(json.dumps({"names": list(module.CONTENDERS), "facts": module.facts()}), file=answers,
          flush=True)
    for line in sys.stdin:
        try:
            reply = answer(json.loads(line), contenders, module)
        except Exception as error:  # a peer that cannot do a case loses that case, not the table
            reply = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(reply), file=answers, flush=True)


if __name__ == "__main__":
    main()
