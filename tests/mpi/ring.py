#!/usr/bin/env python3
"""Ring attention over processes: ring.py TOOL MPIRUN

On 2, 4 and 8 ranks, for lengths that divide and lengths that do not, the ring must give what one
process gives, send what its schedule says, share the work, and need less memory with more ranks. A
rank that is killed, and one that alone runs out of memory, must end the job, soon and with a message.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

TOOL, MPIRUN = sys.argv[1:3]
ENVIRONMENT = dict(os.environ, OMPI_ALLOW_RUN_AS_ROOT="1", OMPI_ALLOW_RUN_AS_ROOT_CONFIRM="1",
                   OMPI_MCA_rmaps_base_oversubscribe="1", OMPI_MCA_mpi_yield_when_idle="1",
                   OMPI_MCA_btl_vader_single_copy_mechanism="none")
TOLERANCE = 1e-5


def check(condition, message):
    if not condition:
        sys.exit(f"mpi: {message}")


def ring(n_ranks, *arguments):
    return subprocess.run([MPIRUN, "-n", str(n_ranks), TOOL, "ring", *map(str, arguments)],
                          env=ENVIRONMENT, capture_output=True, text=True, timeout=240)


def outcome(n_ranks, *arguments):
    result = ring(n_ranks, "--json", *arguments)
    check(result.returncode == 0, f"{arguments} on {n_ranks}: {result.stderr}")
    return json.loads(result.stdout)


def equal_to_one_process():
    worst = 0
    for n_ranks, layout, n, more in [
            (2, "zigzag", 2048, []), (4, "zigzag", 1001, []), (8, "zigzag", 2048, []),
            (8, "striped", 1001, ["--heads", 4, "--kv-heads", 2]), (4, "contiguous", 999, []),
            (8, "contiguous", 1024, ["--window", 100]), (4, "striped", 777, ["--mask", "full"])]:
        found = outcome(n_ranks, "--n", n, "--layout", layout, "--d-head", 32, "--backward",
                        "--repeats", 1, *more)
        errors = found["errors"]
        check(set(errors) == {"o", "dq", "dk", "dv"}, f"compared are {errors}")
        check(all(e <= TOLERANCE for e in errors.values()), f"{layout} {n_ranks} {n}: {errors}")
        check(all(r["bytes_sent"] == r["bytes_formula"] for r in found["ranks"]),
              f"{layout} on {n_ranks}: bytes sent are not those of the formula")
        check(sum(r["rows"] for r in found["ranks"]) == n, "the rows are not n in all")
        worst = max(worst, *errors.values())
    print(f"mpi: ring equal to one process, largest difference {worst:.1e}")


def shares_work():
    for n_ranks in (2, 4, 8):
        tiles = [r["tiles"] for r in outcome(n_ranks, "--n", 4096, "--no-check", "--repeats",
                                             1)["ranks"]]
        check(max(tiles) - min(tiles) <= 1, f"zigzag on {n_ranks} ranks computes {tiles} tiles")


def needs_less_memory():
    peaks = {}
    for n_ranks in (1, 2, 4, 8):
        found = outcome(n_ranks, "--n", 65536, "--heads", 4, "--window", 64, "--layout",
                        "contiguous", "--no-check", "--repeats", 1)
        peaks[n_ranks] = max(r["peak_bytes"] for r in found["ranks"])
    print("mpi: peak memory of a rank, MB:", {n: round(p / 1e6) for n, p in peaks.items()})
    # A rank holds Q, K, V, O of its rows; with others, K and V of a block that travels one step.
    check(peaks[1] > 4 * 65536 * 4 * 64 * 4, "a single rank holds less than its tensors")
    check(peaks[4] < 0.65 * peaks[2] and peaks[8] < 0.65 * peaks[4],
          f"memory does not fall as one over the ranks: {peaks}")


def one_message_for_mistakes():
    for arguments, message in [
            (["--n", 3], "4 ranks cannot share 3 positions; there must be 1 to 3 ranks"),
            (["--n", 0], "--n must be a number of positions as in 65536, 64k (64,000) or 64Ki "
                         "(65,536), not '0'"),
            (["--n", 64, "--link-us", 20],
             "--link-us 20 is of a network whose speed --link-gbps must say"),
            (["--n", 64, "--timeline", "ring.pdf"],
             "the picture ring.pdf must be called NAME.svg or NAME.png"),
            (["--n", 64, "--forecast-n", 1000], "--forecast-n must be a number of positions, at "
                                                "least one for each of 1024 ranks, not '1000'")]:
        result = ring(4, *arguments)
        lines = [line for line in result.stderr.splitlines() if line.startswith("fovea: ")]
        check(result.returncode == 2 and "compute s" not in result.stdout,
              f"exit code {result.returncode} for {arguments}")
        check(lines == [f"fovea: ring: {message}"], f"messages are {lines}")


def nothing_is_computed_for_a_picture_that_cannot_be_made():
    result = ring(1, "--n", 256, "--timeline", "missing/a.svg")
    check(result.returncode == 1 and result.stdout == "" and "fovea: missing/a.svg cannot be written: "
          "No such file or directory\n" in result.stderr, f"{result.returncode}: {result.stderr}")


def ranks_of(launcher):
    found = []
    for process in Path("/proc").iterdir():
        try:
            command = (process / "cmdline").read_text().split("\0")
            parent = int((process / "stat").read_text().rsplit(")", 1)[1].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        if parent == launcher and command[0] == TOOL:
            found.append(int(process.name))
    return found


def killed_rank():
    launcher = subprocess.Popen([MPIRUN, "-n", "3", TOOL, "ring", "--n", "262144", "--heads", "8",
                                 "--no-check"], env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True)
    deadline = time.monotonic() + 60
    while len(ranks_of(launcher.pid)) < 3 and time.monotonic() < deadline:
        time.sleep(0.05)
    time.sleep(2)  # they compute
    os.kill(ranks_of(launcher.pid)[1], signal.SIGKILL)
    killed = time.monotonic()
    _, message = launcher.communicate(timeout=60)
    seconds = time.monotonic() - killed
    check(launcher.returncode != 0 and "signal 9" in message, f"no message: {message}")
    check(seconds < 20, f"the job went on for {seconds:.1f} s after a rank was killed")
    print(f"mpi: a killed rank ended the job after {seconds:.1f} s")


def build_denier(folder):
    denier = str(Path(folder) / "deny.so")
    compiler = os.environ.get("CC", "cc").split()
    source = str(Path(__file__).resolve().parent / "deny.c")
    subprocess.run([*compiler, "-std=gnu11", "-O1", "-shared", "-fPIC", source, "-o", denier],
                   check=True)
    return denier


def ends_within(seconds, arguments):
    """Exit code and stderr; a job that hangs is ended by mpirun, which takes the ranks with it."""
    job = subprocess.Popen(arguments, env=ENVIRONMENT, stdout=subprocess.DEVNULL,
                           stderr=subprocess.PIPE, text=True)
    try:
        _, message = job.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        job.terminate()
        job.communicate()
        return None, ""
    return job.returncode, message


def one_rank_out_of_memory():
    # 1000 positions on 3 ranks: 334 rows on the first, 333 on each other one.
    command = [TOOL, "ring", "--n", "1000", "--d-head", "40", "--layout", "contiguous",
               "--repeats", "1"]
    share = 333 * 40 * 4
    with tempfile.TemporaryDirectory(prefix="fovea-ring-") as folder:
        denier = build_denier(folder)
        for rank, what, size in [(0, "the others' results", f"{share}-{share}"),
                                 (0, "the others' reports", "145000-150000"),
                                 (0, "the whole sequence", "160000-160000"),
                                 (1, "its share", f"{share}-{share}"),
                                 (2, "a ring", "98400-100000")]:
            denied = ["env", f"LD_PRELOAD={denier}", f"FOVEA_DENY={size}", *command]
            job = [MPIRUN]
            for r in range(3):
                job += [":"] * (r > 0) + ["-n", "1", *(denied if r == rank else command)]
            code, message = ends_within(60, job)
            check(code is not None, f"no memory for {what} on rank {rank}: the job hangs")
            lines = [line for line in message.splitlines() if line.startswith("fovea: ")]
            check(code == 1 and len(lines) == 1 and "out of memory" in lines[0],
                  f"no memory for {what} on rank {rank}: exit code {code}, {message}")
    print("mpi: a rank without memory ended the job with one message")


equal_to_one_process()
shares_work()
needs_less_memory()
one_message_for_mistakes()
nothing_is_computed_for_a_picture_that_cannot_be_made()
one_rank_out_of_memory()
killed_rank()
