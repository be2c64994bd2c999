"""Rings of ranks against attention over the whole sequence: ranks as threads with a communicator of queues, and,
where mpi4py and mpirun are installed, as processes."""

import os
import queue
import shutil
import subprocess
import sys
import threading
import unittest

import numpy as np
from case import Case, installed

import fovea as fv


class Request:
    def __init__(self, wait):
        self.Wait = wait


class World:
    """Ranks of one process."""

    def __init__(self, n):
        self.n, self.lock, self.mail, self.sums = n, threading.Lock(), {}, [0] * n
        self.barrier = threading.Barrier(n)

    def box(self, *key):
        with self.lock:
            return self.mail.setdefault(key, queue.Queue())


class Rank:
    """What fv.ring calls of a communicator of mpi4py."""

    def __init__(self, world, rank):
        self.world, self.rank = world, rank

    def Get_rank(self):
        return self.rank

    def Get_size(self):
        return self.world.n

    def allreduce(self, value):
        self.world.sums[self.rank] = value
        self.world.barrier.wait(timeout=60)
        total = sum(self.world.sums)
        self.world.barrier.wait(timeout=60)
        return total

    def Isend(self, data, dest, tag):
        self.world.box(self.rank, dest, tag).put(data.copy())
        return Request(lambda: None)

    def Irecv(self, data, source, tag):
        def wait():
            data[...] = self.world.box(source, self.rank, tag).get(timeout=60)
        return Request(wait)


def on_ranks(n, function):
    """What the function returns of each rank, or raises the first of their failures."""
    world, results = World(n), [None] * n

    def one(rank):
        try:
            results[rank] = function(Rank(world, rank))
        except Exception as failure:
            results[rank] = failure
    threads = [threading.Thread(target=one, args=(rank,)) for rank in range(n)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for result in results:
        if isinstance(result, Exception):
            raise result
    return results


def arrays(n):
    rng = np.random.default_rng(0)
    make = lambda heads: rng.standard_normal((2, heads, n, 8), dtype=np.float32)
    return make(4), make(2), make(2), make(4)


class Ring(Case):
    def test_pieces_are_the_whole(self):
        n = 97
        q, k, v, d_o = arrays(n)
        for layout in "contiguous", "striped", "zigzag":
            for mask in fv.causal(), fv.window(20, sinks=3):
                o, pull = fv.attention_vjp(q, k, v, mask)
                expected = (o, *pull(d_o))

                def piece(comm):
                    at = fv.ring_positions(n, layout, comm)
                    own, pull = fv.ring_vjp(*(x[:, :, at] for x in (q, k, v)), mask, comm=comm, layout=layout)
                    return (at, own, *pull(d_o[:, :, at]))
                pieces = on_ranks(3, piece)
                self.assertEqual(sorted(np.concatenate([p[0] for p in pieces])), list(range(n)))
                for whole, i in zip(expected, range(1, 5)):
                    made = np.empty_like(whole)
                    for p in pieces:
                        made[:, :, p[0]] = p[i]
                    np.testing.assert_allclose(made, whole, rtol=1e-4, atol=1e-5)

    def test_mistakes(self):
        q, k, v, _ = arrays(24)
        alone = Rank(World(1), 0)
        self.refuses("there is no layout 'round'; there are contiguous, striped, zigzag", fv.ring, q, k, v, comm=alone,
                     layout="round")
        self.refuses("q has 24, k 12", fv.ring, q, k[:, :, :12], v[:, :, :12], comm=alone)
        self.refuses("must be float32", fv.ring, q.astype(float), k, v, comm=alone)

        class Broken(Rank):
            def Isend(self, data, dest, tag):
                raise OSError("the cable is out")

        def piece(comm):
            at = fv.ring_positions(24, comm=comm)
            return fv.ring(q[:, :, at], k[:, :, at], v[:, :, at], comm=Broken(comm.world, comm.rank))
        with self.assertRaisesRegex(OSError, "the cable is out"):
            on_ranks(2, piece)
        if not installed("mpi4py"):
            self.refuses("needs mpi4py", fv.ring, q, k, v)

    @unittest.skipUnless(installed("mpi4py") and shutil.which("mpirun"), "mpi4py and mpirun")
    def test_processes(self):
        with open("piece.py", "w") as file:
            file.write("""
import numpy as np, fovea as fv
rng = np.random.default_rng(0)
q, k, v = (rng.standard_normal((1, 2, 64, 8), dtype=np.float32) for _ in range(3))
at = fv.ring_positions(64)
o = fv.ring(q[:, :, at], k[:, :, at], v[:, :, at], fv.causal())
np.testing.assert_allclose(o, fv.attention(q, k, v, fv.causal())[:, :, at], rtol=1e-4, atol=1e-5)
print(len(at), "rows are right", flush=True)
""")
        done = subprocess.run(["mpirun", "--oversubscribe", "--allow-run-as-root", "-n", "3", sys.executable, "piece.py"],
                              capture_output=True, text=True, env=dict(os.environ, OMP_NUM_THREADS="1"))
        self.assertEqual((done.returncode, done.stdout.count("rows are right")), (0, 3), done.stderr)


if __name__ == "__main__":
    unittest.main()
