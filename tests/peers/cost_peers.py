"""Fovea beside other calculators of parameters and KV cache that install from the Python registry:
vramcalc, which reads a config.json, and hf-mem, which asks a hub for the headers of the weights. The
hub is a server of this script's own, whose headers hold as many numbers as the model has.

    pip install vramcalc hf-mem
    python3 tests/peers/cost_peers.py build/fovea known.json oracles.json

Each file is a list of {"name", "config", "params"}, and "kv_bytes_bf16_at": {"tokens": bytes} where
the cache is known; where it is not, KEYS has it for the families of long standing. Prints a table,
and every model that somebody has wrong with --all."""
import argparse
import contextlib
import http.server
import importlib
import importlib.metadata
import json
import struct
import subprocess
import threading
import warnings

TOKENS = 32768

# --- the truth --------------------------------------------------------------------------------------


def alternates(config, first_slides, every):
    """Layers that slide, where every `every`-th does not."""
    n = config["num_hidden_layers"]
    if "layer_types" in config:
        return [t == "sliding_attention" for t in config["layer_types"][:n]]
    return [(i % 2 == 0) == first_slides if every == 2 else (i + 1) % every != 0 for i in range(n)]


def attended(config, tokens):
    """Numbers in the cache of a family of long standing, after so many tokens."""
    family = config["model_type"]
    n = config.get("num_hidden_layers", config.get("n_layer"))
    if family in ("mamba", "falcon_mamba"):
        return 0
    if family in ("deepseek_v2", "deepseek_v3"):
        return n * tokens * (config["kv_lora_rank"] + config["qk_rope_head_dim"])
    if family == "gpt2":
        return n * tokens * 2 * config["n_embd"]
    heads = config["num_attention_heads"]
    each = 2 * config.get("num_key_value_heads", heads) * (config.get("head_dim") or config["hidden_size"] // heads)
    if family == "jamba":
        layers = range(config["attn_layer_offset"], n, config["attn_layer_period"])
        return len(layers) * tokens * each
    if family == "zamba2":
        return config["layers_block_type"].count("hybrid") * tokens * 2 * heads * config["attention_head_dim"]
    slides = [False] * n
    if family in ("mistral", "mixtral"):
        slides = [config.get("sliding_window") is not None] * n
    elif family in ("gemma2", "gpt_oss"):
        slides = alternates(config, True, 2)
    elif family == "gemma3_text":
        slides = alternates(config, True, 6)
    return sum(min(tokens, config["sliding_window"]) if s else tokens for s in slides) * each


def truth(entry):
    """Parameters, tokens and bytes of the cache at two bytes a number."""
    known = entry.get("kv_bytes_bf16_at") or {}
    if known:
        tokens = max((t for t in known if int(t) <= TOKENS), key=int)
        return entry["params"], int(tokens), known[tokens]
    return entry["params"], TOKENS, 2 * attended(entry["config"], TOKENS)


# --- the calculators --------------------------------------------------------------------------------
# Each gives parameters and bytes of the cache, None for one that it does not say, or raises.


def fovea(program):
    def ask(entry, tokens):
        run = subprocess.run([program, "cost", "-", "--json", "--context", str(tokens)],
                             input=json.dumps(entry["config"]), capture_output=True, text=True)
        if run.returncode:
            raise ValueError(run.stderr)
        totals = json.loads(run.stdout)["totals"]
        return totals["parameters"], totals["cache"]
    return ask


def vramcalc():
    from vramcalc.arch import Arch
    from vramcalc.memory import kv_cache

    def ask(entry, tokens):
        arch = Arch.from_config(entry["config"])
        return arch.param_count(), kv_cache(arch, 1, tokens, 2)
    return ask


class Hub(http.server.BaseHTTPRequestHandler):
    """Three files of one model, the one of self.server.entry."""

    def do_GET(self):
        entry = self.server.entry
        if "/tree/" in self.path:
            body = json.dumps([{"type": "file", "path": p} for p in ("config.json", "model.safetensors")]).encode()
        elif self.path.endswith("config.json"):
            config = {"torch_dtype": "bfloat16", "architectures": ["ForCausalLM"], **entry["config"]}
            body = json.dumps(config).encode()
        else:
            shape, size = [entry["params"]], 2 * entry["params"]
            header = json.dumps({"model.weight": {"dtype": "BF16", "shape": shape, "data_offsets": [0, size]}}).encode()
            body = struct.pack("<Q", len(header)) + header
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def hf_mem():
    import httpx2
    run = importlib.import_module("hf_mem.run")  # the package's own `run` is a function

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()

    class Local(httpx2.AsyncHTTPTransport):
        async def handle_async_request(self, request):
            request.url = request.url.copy_with(scheme="http", host="127.0.0.1", port=server.server_port)
            return await super().handle_async_request(request)

    client = httpx2.AsyncClient
    httpx2.AsyncClient = lambda **options: client(transport=Local(), timeout=options["timeout"])

    def ask(entry, tokens):
        server.entry = entry
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            got = run.run("a/model", experimental=True, max_model_len=tokens, kv_cache_dtype="bfloat16")
        return None, got.kv_cache
    try:
        yield ask
    finally:
        httpx2.AsyncClient = client
        server.shutdown()


# --- the table --------------------------------------------------------------------------------------


def judge(ask, entries):
    """For parameters and cache: how many are right, wrong and not said; and the wrong ones."""
    counts = {what: {"right": 0, "wrong": 0, "none": 0} for what in ("parameters", "cache")}
    wrong = []
    for entry in entries:
        parameters, tokens, cache = truth(entry)
        try:
            got = ask(entry, tokens)
        except Exception:  # whatever a calculator fails with, it does not count this model
            got = (None, None)
        for what, want, have in zip(("parameters", "cache"), (parameters, cache), got):
            verdict = "none" if have is None else "right" if have == want else "wrong"
            counts[what][verdict] += 1
            if verdict == "wrong":
                wrong.append(f"{entry['name']}: {what} {have}, not {want}")
    return counts, wrong


def cell(counts):
    if counts["right"] + counts["wrong"] == 0:
        return "-"
    parts = [f"{counts['right']} right"]
    if counts["wrong"]:
        parts.append(f"{counts['wrong']} wrong")
    if counts["none"]:
        parts.append(f"{counts['none']} not counted")
    return ", ".join(parts)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("fovea")
    parser.add_argument("known")
    parser.add_argument("oracles")
    parser.add_argument("--all", action="store_true", help="also name every number that is wrong")
    o = parser.parse_args()
    sets = {}
    known = [e for e in json.load(open(o.known)) if e["name"].startswith("published/")]
    sets[f"{len(known)} published models of {len({e['config']['model_type'] for e in known})} families"] = known
    oracles = json.load(open(o.oracles))
    sets[f"{len(oracles)} configurations of {len({e['name'].split('/')[0] for e in oracles})} further families"] = oracles
    with hf_mem() as ask_hub:
        peers = {"Fovea": fovea(o.fovea),
                 f"vramcalc {importlib.metadata.version('vramcalc')}": vramcalc(),
                 f"hf-mem {importlib.metadata.version('hf-mem')}": ask_hub}
        results = {(name, peer): judge(ask, entries) for name, entries in sets.items() for peer, ask in peers.items()}
    print("| | " + " | ".join(peers) + " |")
    print("|---" * (len(peers) + 1) + "|")
    for name in sets:
        for what in ("parameters", "cache"):
            print(f"| {name}: {what} | " + " | ".join(cell(results[name, p][0][what]) for p in peers) + " |")
    if o.all:
        for (name, peer), (_, wrong) in results.items():
            for line in wrong:
                print(f"{peer}: {line}")


if __name__ == "__main__":
    main()
