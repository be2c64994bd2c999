"""`fovea needle` against llama.cpp's own server and a random model: served.py TOOL FOLDER

Nothing is known about the answers, but everything about the questions: each is asked once, none is
cut, and the server reads as many tokens as the prompt, built again from its row, has for it.
"""

import json
import sqlite3
import subprocess
import sys
import urllib.request
from pathlib import Path

HERE = Path(__file__).resolve().parent
LENGTHS = [2900]  # in bytes, which are this model's tokens
CASES = {
    "needle-completions": ["needle", "--api", "completions", "--task", "niah_single_1,niah_multikey_2,vt"],
    "needle-chat": ["needle", "--api", "chat", "--task", "niah_single_1"],
    "middle": ["middle", "--api", "completions", "--task", "kv"],
}


def check(condition, message):
    if not condition:
        sys.exit(f"interop: {message}")


def count_tokens(address, text):
    body = json.dumps({"content": text, "add_special": True}).encode()
    with urllib.request.urlopen(urllib.request.Request(address + "/tokenize", data=body)) as reply:
        return len(json.load(reply)["tokens"])


def ask(tool, address, out, arguments):
    sizes = ["--sizes", "3,6"] if arguments[0] == "middle" else ["--lengths", ",".join(map(str, LENGTHS))]
    command = [tool, *arguments, *sizes, "--endpoint", address, "--model", "random", "--depths", "0,100"]
    command += ["--samples", "1", "--max-tokens", "8", "--concurrency", "2", "--out", out, "--quiet"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    check(done.returncode == 0, f"{command}: {done.stdout}{done.stderr}")


def look(tool, address, name, out):
    with sqlite3.connect(out / "eval.db") as db:
        rows = db.execute("SELECT id, class, length, unit, prompt_tokens, completion_tokens FROM asks").fetchall()
    for row, answer, length, unit, prompt_tokens, answer_tokens in rows:
        check(answer not in ("error", "truncated"), f"{name}: row {row} is {answer}")
        check(unit != "tokens" or prompt_tokens + answer_tokens <= length, f"{name}: row {row} is longer than {length}")
        shown = subprocess.run([tool, "needle", "--show", str(row), "--out", out], capture_output=True, check=True)
        counted = count_tokens(address, shown.stdout.decode())
        extra = prompt_tokens - counted  # a chat's template adds some
        check(extra == 0 or ("chat" in name and 0 < extra < 64), f"{name}: row {row} has {counted} tokens, {prompt_tokens} were read")
    print(f"interop: {name}: {len(rows)} questions, every prompt read whole", flush=True)


def look_whose(tool, address, model, out):
    """The rows say which program answered and with which model; another address under their label is refused."""
    with sqlite3.connect(out / "eval.db") as db:
        origins = db.execute("SELECT DISTINCT endpoint, server, model_returned, sampling, max_tokens FROM asks").fetchall()
    check(len(origins) == 1, f"{origins}")
    endpoint, server, returned, sampling, max_tokens = origins[0]
    check(endpoint == f"{address}/v1" and server.startswith("llama.cpp b") and returned == str(model), f"{origins}")
    check(sampling == '{"temperature":0.0}' and max_tokens == 8, f"{origins}")
    label = f"random at {address.split('//')[1]}"
    command = [tool, "needle", "--endpoint", address.replace("127.0.0.1", "localhost"), "--model", "random", "--label", label,
               "--out", out, "--lengths", "2900", "--dry-run"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True)
    check(done.returncode == 2 and f"are of random ({model}) at {address}/v1" in done.stderr, f"{done}")
    done = subprocess.run(list(map(str, command)) + ["--same-model"], capture_output=True, text=True)
    check(done.returncode == 0, f"{done}")
    print("interop: the rows say whose they are", flush=True)


def main():
    tool, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    model = folder / "random.gguf"
    subprocess.run([sys.executable, HERE / "served_model.py", model], check=True, capture_output=True)
    server = subprocess.Popen([sys.executable, HERE / "served_llama.py", model], stdin=subprocess.PIPE,
                              stdout=subprocess.PIPE, stderr=open(folder / "server.log", "w"), text=True)
    try:
        address = server.stdout.readline().strip()
        check(address, f"the server did not start: see {folder}/server.log")
        for name, arguments in CASES.items():
            ask(tool, address, folder / name, arguments)
            look(tool, address, name, folder / name)
        look_whose(tool, address, model, folder / "needle-chat")
    finally:
        server.stdin.close()
        server.wait(timeout=30)


if __name__ == "__main__":
    main()
