"""What once went wrong with served models, each fault against llama.cpp's own server: served_faults.py TOOL FOLDER

The model is random, so that what it says is chosen by the server's own means: a grammar, or a bias
on one token. Its tokens are bytes: 3 + B is the byte B.
"""

import difflib
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

from llama import HERE, Llama, check, command, post, rows, run

GRID = ["--task", "niah_single_1", "--lengths", 900, "--depths", "0,100", "--samples", 1, "--max-tokens", 8]
ONE = ["--task", "niah_single_1", "--lengths", 900, "--depths", 50, "--samples", 1, "--max-tokens", 24]
MRCR = HERE.parent / "served" / "mrcr.jsonl"
THINKS = (
    "{% for m in messages %}{{ m.role }}: {% if m.reasoning_content %}<think>\n{{ m.reasoning_content }}\n</think>\n\n{% endif %}"
    "{{ m.content }}\n{% endfor %}{% if add_generation_prompt %}assistant: <think>\n"
    "{% if enable_thinking is defined and not enable_thinking %}</think>\n\n{% endif %}{% endif %}"
)


class Bench:
    def __init__(self, tool, folder, model):
        self.tool, self.folder, self.model, self.log = tool, folder, model, folder / "server.log"

    def server(self, *options, **more):
        return Llama(self.model, self.log, *options, **more)

    def ask(self, address, name, *arguments, verb="needle", **more):
        words = [verb, "--endpoint", address, "--model", "random", "--concurrency", 2, "--retries", 1, "--out", self.folder / name]
        return run(self.tool, *words, *arguments, **more)

    def rows(self, name, *columns):
        return rows(self.folder / name, *columns)


def bias(byte):
    return json.dumps({"logit_bias": [[3 + byte, 100]]})


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def first_status(url):
    """What a server says as soon as it says anything."""
    for _ in range(3000):
        try:
            with urllib.request.urlopen(url) as reply:
                return reply.status
        except urllib.error.HTTPError as refused:
            return refused.code
        except OSError:
            time.sleep(0.01)
    return None


def key_of_an_answer(bench):
    """1: other settings ask anew, the same ask nothing, and a dead server does not pass for a live one."""
    with bench.server() as address:
        for extra in ([], ["--extra", '{"top_k": 1}'], ["--max-tokens", 9], []):
            bench.ask(address, "key", *GRID, "--label", "one", *extra)
        check(len(bench.rows("key", "id")) == 6, f"{bench.rows('key', 'extra, max_tokens')}")
        kv = ["--task", "kv", "--sizes", "3", "--depths", "0", "--samples", 2, "--extra", bias(ord(" "))]
        bench.ask(address, "cut", *kv, "--max-tokens", 4, verb="middle")
        bench.ask(address, "cut", *kv, "--max-tokens", 6, verb="middle")
        check([row[0] for row in bench.rows("cut", "max_tokens")] == [4, 4, 6, 6], f"{bench.rows('cut', 'class, max_tokens')}")
    done = bench.ask(address.replace("127.0.0.1", "localhost"), "key", *GRID, "--label", "one", code=2)
    check("--same-model" in done.stderr, done.stderr)


def lengths(bench):
    """2 and 3: prompt and answer keep to the length, sample by sample, for every --max-tokens, up to the whole context."""
    context = 4096
    with bench.server(context=context) as address:
        for limit in (8, 700):
            bench.ask(address, "lengths", "--task", "fwe", "--lengths", 3000, "--samples", 6, "--max-tokens", limit,
                      "--extra", bias(ord("a")), "--label", "fwe")
        bench.ask(address, "whole", "--task", "niah_multikey_2", "--lengths", context, "--depths", 50, "--samples", 6, "--max-tokens", 8)
    for name, n in (("lengths", 12), ("whole", 6)):
        found = bench.rows(name, "class, length, prompt_tokens, max_tokens")
        check(len(found) == n and not any(row[0] in ("error", "truncated") for row in found), f"{name}: {found}")
        check(all(0.9 * length < prompt + limit <= length for _, length, prompt, limit in found), f"{name}: {found}")


def one_task_too_short(bench):
    """4: a length that one task is too short for stops no other; served.py asks cwe at RULER's first length."""
    with bench.server() as address:
        done = bench.ask(address, "short", "--task", "niah_single_1,vt", "--lengths", 900, "--depths", 0, "--samples", 1,
                         "--max-tokens", 8, code=1)
    check("length 900 is below what vt needs" in done.stderr, done.stderr)
    check(bench.rows("short", "task", "class != 'error'") == [("niah_single_1",)], f"{bench.rows('short', 'task, class')}")


def loading(bench):
    """5: a server that answers 503 while it loads is waited for; a long template counts."""
    long = "{% for m in messages %}" + 300 * "system " + "{{ m.content }}{% endfor %}"
    port = free_port()
    server = bench.server("--port", port, "--chat-template", long, context=4096)
    server.start()
    try:
        first = first_status(f"http://127.0.0.1:{port}/health")
        bench.ask(f"http://127.0.0.1:{port}", "loading", "--task", "niah_single_1", "--lengths", 4000, "--depths", 0,
                  "--samples", 2, "--max-tokens", 8)
    finally:
        server.__exit__()
    found = bench.rows("loading", "class, prompt_tokens")
    check(len(found) == 2 and all(row[0] != "error" and 3800 < row[1] <= 3992 for row in found), f"{found}")
    print(f"interop: the first that its /health said was {first}", flush=True)


def thoughts(bench):
    """6: what the template opens as a thought is none of the answer; budgets of thought go with --extra."""
    with bench.server("--chat-template", THINKS) as address:
        bench.ask(address, "thought", *ONE)
        bench.ask(address, "thought", *ONE, "--extra", '{"thinking_budget_tokens": 4}')
        bench.ask(address, "thought", *ONE, "--extra", '{"chat_template_kwargs": {"enable_thinking": false}}')
    found = bench.rows("thought", "class, reply, thought_tokens, completion_tokens")
    check(found[0][0] in ("cut off", "looping") and not found[0][1] and found[0][2] == found[0][3] == 24, f"{found}")
    check(found[1][1] and 0 < found[1][2] < 24, f"a budget of 4: {found}")
    check(found[2][1] and not found[2][2], f"without thoughts: {found}")


def addresses(bench):
    """7: paths of their own, keys and headers (xllamacpp's server has no SSL: certificates stay with tests/served)."""
    plain = {name: value for name, value in os.environ.items() if not name.endswith("API_KEY")}
    keyed = {**plain, "FOVEA_API_KEY": "sk-secret-of-the-gate"}
    with bench.server("--api-prefix", "/gate", "--api-key", "sk-secret-of-the-gate") as address:
        for name, end in (("base", "/gate/v1"), ("whole", "/gate/v1/chat/completions")):
            bench.ask(address + end, name, *GRID, environment=keyed)
        bench.ask(address + "/gate/v1", "header", *GRID, "--header", "X-Api-Key: $GATE",
                  environment={**plain, "GATE": "sk-secret-of-the-gate"})
        done = bench.ask(address + "/gate/v1", "denied", *GRID, code=1, environment=plain)
        check("401" in done.stdout + done.stderr, done.stderr)
        done = bench.ask(address + "/other/v1", "astray", *GRID, code=1, environment=keyed)
        check("/other/v1/chat/completions" in done.stdout + done.stderr, done.stderr)
    for name in ("base", "whole", "header"):
        check(len(bench.rows(name, "id")) == 2, name)
        check(b"sk-secret-of-the-gate" not in (bench.folder / name / "eval.db").read_bytes(), f"{name}: the key is stored")


def replies(bench):
    """8: NUL, bytes that are no text, and values at the limit of tokens are answers."""
    digits = json.dumps({"grammar": 'root ::= "It is 1234567. " [a-z]*'})
    prose = json.dumps({"grammar": 'root ::= "It is in the text" [a-z]*'})
    with bench.server() as address:
        for extra in (bias(0), bias(0xff), digits, prose):
            bench.ask(address, "replies", *ONE, "--extra", extra)
        bench.ask(address, "replies", *ONE, "--extra", bias(0x1b))
    classes = [row[0] for row in bench.rows("replies", "class")]
    check("error" not in classes and classes[2:4] == ["wrong", "cut off"], f"{classes}")
    print(f"interop: replies of one byte are {classes[0]}, {classes[1]}, {classes[4]}", flush=True)
    shown = run(bench.tool, "needle", "--show", 5, "--out", bench.folder / "replies")
    check("\x1b" not in shown.stdout + shown.stderr, "an escape is shown as it is")


def edges(bench):
    """9: options that nothing reads, and vt's spelling, in what a real server was sent; a loop is named."""
    with bench.server() as address:
        done = bench.ask(address, "unread", "--task", "kv", "--documents", MRCR, verb="middle", code=2)
        check("--documents" in done.stderr, done.stderr)
        bench.ask(address, "vt", "--task", "vt", "--lengths", 2600, "--samples", 1, "--max-tokens", 90, "--extra", bias(ord("a")))
    shown = run(bench.tool, "needle", "--show", 1, "--out", bench.folder / "vt")
    check("variables are assigned the value" in shown.stdout and "assgined" not in shown.stdout, shown.stdout)
    check(bench.rows("vt", "class") == [("looping",)], f"{bench.rows('vt', 'class, reply')}")


def serve(bench):
    """--serve starts the server and ends it; what it wrote stands in the error where it does not come up."""
    words = " ".join(f"'{word}'" for word in command(bench.model, "-c", 8192, "--port", "{port}"))
    run(bench.tool, "needle", "--serve", words, "--model", "random", "--label", "mine", "--out", bench.folder / "serve", *GRID)
    check(len(bench.rows("serve", "id")) == 2, "--serve")
    left = subprocess.run(["pgrep", "-f", f"llama_server.py -m {bench.model} -c 8192"], capture_output=True, text=True).stdout
    check(not left, f"the server was not ended: {left}")
    words = words.replace(str(bench.model), str(bench.folder / "missing.gguf"))
    done = run(bench.tool, "needle", "--serve", words, "--model", "random", "--out", bench.folder / "none", *GRID, code=1)
    check("Traceback" in done.stderr or "load" in done.stderr, done.stderr)


def mrcr(bench):
    """Rows of MRCR are asked message by message; their scores are difflib's, of a real server's replies too."""
    lines = [json.loads(line) for line in MRCR.read_text().splitlines()]
    with bench.server() as address:
        for number, line in enumerate(lines[:2]):
            begin = json.dumps(line["random_string_to_prepend"] + line["answer"][len(line["random_string_to_prepend"]):][:40])
            one, pred = bench.folder / f"mrcr-{number}.jsonl", bench.folder / f"mrcr-pred-{number}"
            one.write_text(json.dumps({key: value for key, value in line.items() if key != "response"}) + "\n")
            extra = json.dumps({"grammar": f"root ::= {begin} [a-z ]*"})
            bench.ask(address, "mrcr", "--questions", one, "--predictions", pred, "--label", f"row {number}", "--max-tokens", 120,
                      "--extra", extra)
            written = next(pred.rglob("*.jsonl"))
            row = json.loads(written.read_text())
            cut = len(row["random_string_to_prepend"])
            check(row["response"].startswith(row["random_string_to_prepend"]), row["response"])
            theirs = difflib.SequenceMatcher(None, row["response"][cut:], row["answer"][cut:]).ratio()
            score = json.loads(run(bench.tool, "needle", "--score", written, "--json").stdout)["score"]
            check(abs(score - 100 * theirs) < 1e-9 and 0 < theirs < 1, f"row {number}: {score} here, {100 * theirs} by difflib")


def logprobs(bench):
    """The log-probabilities that are stored are those of llama.cpp's own /completion, in every form of reply."""
    plain = {"n_probs": 5, "n_predict": 24, "temperature": 0, "stream": False}
    with bench.server() as address:
        bench.ask(address, "logprobs", *ONE, "--label", "unforced")
        value = json.loads(bench.rows("logprobs", "expected")[0][0])[0]
        grammar = f'root ::= "It is {value}."'
        forms = {"chat": [], "chat whole": ["--stream"], "completions": ["--api", "completions"]}
        for name, more in forms.items():
            extra = {"grammar": grammar, **({"stream": False} if more == ["--stream"] else {})}
            more = [] if more == ["--stream"] else more
            bench.ask(address, "logprobs", *ONE, "--label", name, "--logprobs", "--extra", json.dumps(extra), *more)
            row, kind, total, told = bench.rows("logprobs", "id, class, answer_logprob, answer_logprobs")[-1]
            prompt = run(bench.tool, "needle", "--show", row, "--out", bench.folder / "logprobs").stdout
            if not more:
                prompt = post(address + "/apply-template", messages=[{"role": "user", "content": prompt}])["prompt"]
            said = post(address + "/completion", prompt=prompt, grammar=grammar, **plain)["completion_probabilities"]
            wanted = [token["logprob"] for token in said if token["token"].isdigit()]
            check(kind == "found" and len(wanted) == len(value), f"{name}: {kind}, {said}")
            check(len(json.loads(told)) == len(wanted), f"{name}: {told} is not {wanted}")
            check(all(abs(a - b) < 2e-3 for a, b in zip(json.loads(told), wanted)), f"{name}: {told} is not {wanted}")
            check(abs(total - sum(json.loads(told))) < 1e-4 and total < -1, f"{name}: {total} is not the sum of {told}")
    check(bench.rows("logprobs", "answer_logprob")[0] == (None,), "stored without being asked for")


def against(bench):
    """Two quantisations of one model are asked the same bytes; the same model twice does not differ."""
    coarse = bench.folder / "coarse.gguf"
    subprocess.run([sys.executable, HERE / "gguf_requantise.py", bench.model, coarse, "q4_0"], check=True, capture_output=True)
    ask = ["--task", "niah_single_1", "--lengths", 900, "--depths", "0,100", "--samples", 4, "--max-tokens", 12]
    report = bench.folder / "gates.xml"
    with bench.server(slots=1) as first, Llama(coarse, bench.log, slots=1) as second:
        words = ["needle", "--endpoint", second, "--model", "random", "--label", "q4_0", "--against", first, "--against-label", "f32",
                 "--concurrency", 1, "--out", bench.folder / "against", *ask, "--extra", '{"cache_prompt": false}']
        done = run(bench.tool, *words, "--noise", "--fail-if-worse", "--fail-unless-within", 0.01, "--junit", report, code=3)
        check("8 prompts that are the same to the byte" in done.stdout, done.stdout)
        check("asked twice, q4_0 found once and missed once 0 of 8" in done.stdout, done.stdout)
        check("FAILED --fail-unless-within" in done.stdout and "FAILED --fail-if-worse" not in done.stdout, done.stdout)
        check('failures="1"' in report.read_text(), report.read_text())
    hashes = {label: [row[0] for row in rows(bench.folder / "against", "prompt_hash", f"model = '{label}'")] for label in ("f32", "q4_0")}
    check(set(hashes["f32"]) == set(hashes["q4_0"]) and len(set(hashes["f32"])) == 8, f"{hashes}")
    replies = {label: rows(bench.folder / "against", "reply", f"model = '{label}'") for label in hashes}
    check(replies["f32"] != replies["q4_0"], "both quantisations say the same")


CHECKS = [key_of_an_answer, lengths, one_task_too_short, loading, thoughts, addresses, replies, edges, serve, mrcr, logprobs, against]


def check_all(tool, folder, model, names=()):
    for one in CHECKS:
        if not names or one.__name__ in names:
            started = time.monotonic()
            part = folder / one.__name__
            part.mkdir()
            one(Bench(tool, part, model))
            print(f"interop: {one.__doc__.splitlines()[0]} ({time.monotonic() - started:.0f} s)", flush=True)


def main():
    tool, folder = str(Path(sys.argv[1]).resolve()), Path(sys.argv[2]).resolve()
    model = folder / "random.gguf"
    subprocess.run([sys.executable, HERE / "served_model.py", model], check=True, capture_output=True)
    check_all(tool, folder, model, sys.argv[3:])


if __name__ == "__main__":
    main()
