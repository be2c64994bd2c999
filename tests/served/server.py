#!/usr/bin/env python3
"""A small OpenAI-compatible server that answers with a planted accuracy and misbehaves on request.

    server.py [--config FILE] [--log FILE]

Prints its port on stdout and serves until killed. It finds the needle in the prompt by itself and
answers rightly with the probability planted for that depth and length; how it fails otherwise is
planted too. The same prompt always gets the same answer. POST /plant merges a JSON object into the
configuration:

    plant       {"length": {"depth": share of right answers}}, the nearest entries count
    otherwise   {"distractor": 1, "wrong": 1, "refusal": 1, "empty": 1, "cut off": 1}, weights
    tokenize    "vllm", "llama.cpp", "llama-cpp" or "" for a server that does not count
    uneven      words cost 1 to 3 tokens each
    template    tokens that a chat's template adds to its text
    shown       whether /apply-template shows it
    loading     seconds from the start on in which everything answers 503
    usage       whether replies say how many tokens were read
    context     the longest prompt; beyond it HTTP 400, or with "truncate" it silently reads less
    key, model  what requests must have
    delay       seconds before an answer
    stream      what an answer asked for in pieces is: "", in one all the same; "refused"; "events", a word a
                piece; with more words behind it "bytes", written in pieces of a few bytes; "returns", lines that
                end in carriage returns; "thought", a thought before it; "held", all at one moment; "unclosed",
                it ends too soon; "unread", without usage; "broken", an error in the middle
    first, pace seconds before the first piece, and before each further one
    details     further members of usage
    timings     llama.cpp's, of every reply
    logprobs    whether log-probabilities are told where they are asked for, and how: "", not at all; "content",
                OpenAI's list of chats, for completions too; "usual", for completions the lists of its older form;
                "refused", by an error that names them; "strict", by one that does not; "broken", by HTTP 500
    sure        what log-probabilities are multiplied by
    crowd       questions under way at once from which on every answer is wrong
    form        how an answer is written: "thought", the right value in a closed thought before it;
                "open thought", the whole answer inside one; "cut thought", the same at the limit of tokens;
                "begun thought", the same without a mark, which the template has; "looping thought", one that
                never ends; "apart", the same, but in reasoning_content; "begun apart", a short one there, which the
                template has begun, before an answer that runs on to the limit; "reasoning", beside an
                empty content; "effort", a thought as long as the request's reasoning_effort and thinking_budget
                say, cut at max_tokens; "plan", a closed one in marks of its own; "parts", a list; "loose", with
                what is no JSON; "terminal", with what steers terminals behind it
    base        the path at which the API stands
    query       what follows the question mark of its addresses
    header      a line that every request must have
    tls         certificate and key: the server speaks https
    needs       tokens that an answer needs; where max_tokens allows fewer, all but one in three are cut off
    lists       the model that it lists, whatever it is asked for
    name        what the header Server says
    owner, build, version   what the list of models, /props and /version say of the server
    health      whether /health says how it is
    returns     the model as replies name it
    salt        prompts that are answered rightly are others than with another salt
    noise       share of answers that are drawn anew at every arrival
    faults      [{"kind": ..., "share": of prompts, "times": arrivals that fail, -1 for all}]

The log has a JSON line for every completion that was begun: the prompt's digest, length and what was
done with it. Of a chat of several messages the prompt is their JSON text (conversation.py).
"""

import argparse
import asyncio
import hashlib
import json
import random
import re
import ssl
import sys
import time
import zlib

from conversation import conversation, repeat, whole_text

DEFAULTS = {
    "plant": {"1": {"0": 1.0}},
    "otherwise": {"wrong": 1},
    "tokenize": "vllm",
    "uneven": False,
    "template": 0,
    "shown": True,
    "loading": 0,
    "usage": True,
    "context": 0,
    "truncate": False,
    "key": "",
    "model": "",
    "delay": 0,
    "stream": "",
    "first": 0.0,
    "pace": 0.0,
    "details": {},
    "timings": {},
    "logprobs": "",
    "sure": 1.0,
    "crowd": 0,
    "form": "",
    "base": "/v1",
    "query": "",
    "header": "",
    "tls": [],
    "needs": 0,
    "lists": "m",
    "name": "",
    "owner": "",
    "build": "",
    "version": "",
    "returns": "",
    "salt": "",
    "noise": 0,
    "health": True,
    "faults": [],
}
REFUSAL = "I'm sorry, but I cannot find that in the text."
KEY_MENTIONED = re.compile(r"for (\S+?) mentioned in the provided text\?")


def count_tokens(text, uneven=False):
    """Words and line breaks: a tokenizer that is fast on megabytes."""
    if uneven:
        return sum(1 + zlib.crc32(word.encode()) % 3 for word in text.split())
    return text.count(" ") + text.count("\n") + 1


def share(text, salt):
    """A number in [0, 1) that belongs to the text."""
    digest = hashlib.blake2b(text.encode(), digest_size=8, salt=salt.encode()).digest()
    return int.from_bytes(digest, "big") / 2**64


EFFORT = {"none": 0, "low": 10, "medium": 50, "high": 200}  # tokens of thought


def think(request, text, finish):
    """(text, finish_reason, tokens of thought): the answer behind a thought of a word a token."""
    n = min(EFFORT[request.get("reasoning_effort", "medium")], request.get("thinking_budget", 10**9))
    limit = request.get("max_tokens", 16)
    if n >= limit:
        return "<think>" + "".join(f"hm{i} " for i in range(limit)), "length", limit
    return (f"<think>{''.join(f'hm{i} ' for i in range(n))}</think>{text}" if n else text), finish, n


def token_logprobs(prompt, text, sure):
    """[(token, logprob)]: pieces of up to three characters, with the blanks before them."""
    return [(token, -sure * share(f"{prompt}{i}", "logprob")) for i, token in enumerate(re.findall(r"\s*\S{1,3}|\s+", text))]


def told_logprobs(tokens, form):
    """The object `logprobs` of a choice. Beside each token another one is named."""
    if form == "usual":
        others = [{token: logprob, " no": logprob - 1} for token, logprob in tokens]
        return {"tokens": [token for token, _ in tokens], "token_logprobs": [logprob for _, logprob in tokens],
                "top_logprobs": others, "text_offset": []}
    entries = [{"token": token, "logprob": logprob, "bytes": list(token.encode())} for token, logprob in tokens]
    return {"content": [dict(entry, top_logprobs=[entry, {"token": " no", "logprob": entry["logprob"] - 1, "bytes": None}])
                        for entry in entries], "refusal": None}


def find_needle(prompt):
    """(value, place in the prompt, other values) of what the prompt asks for, or None."""
    tail = prompt[-600:]
    asked = KEY_MENTIONED.search(tail)
    if asked:
        marker = f" for {asked.group(1)} is: "
        place = prompt.find(marker)
        if place < 0:
            return None
        value = prompt[place + len(marker) : prompt.index(".", place)]
        around = prompt[max(0, place - 3000) : place] + prompt[place + 90 : place + 3000]
        return value, place, re.findall(r" is: (\S+)\.", around)
    asked = re.search(r'Key: "([^"]+)"\nCorresponding value:$', tail)
    if asked:
        marker = f'"{asked.group(1)}": "'
        place = prompt.find(marker)
        value = prompt[place + len(marker) : prompt.index('"', place + len(marker))]
        around = prompt[max(0, place - 3000) : place] + prompt[place + 90 : place + 3000]
        return value, place, re.findall(r'": "([0-9a-f-]{36})"', around)
    asked = re.search(r"Question: What does (\S+) keep\?\s+Answer:$", tail)
    if asked:
        marker = f"{asked.group(1)} keeps "
        place = prompt.find(marker)
        return prompt[place + len(marker) : prompt.index(".", place)], place, []
    return None


def nearest(table, value):
    return table[min(table, key=lambda entry: abs(float(entry) - value))]


class State:
    def __init__(self, config, log):
        self.config = dict(DEFAULTS, **config)
        self.log = log
        self.arrivals = {}
        self.busy = 0
        self.started = time.monotonic()

    def count(self, text, chat=False):
        return count_tokens(self.render(text, chat), self.config["uneven"])

    def render(self, text, chat):
        mark = "T " * (self.config["template"] if chat else 0)
        messages = conversation(text) if chat else None
        return mark + text if messages is None else "\n".join(mark + message["content"] for message in messages)

    def answer(self, prompt, arrival):
        """(text, finish_reason) for a prompt that is asked for that many times, now included."""
        messages = conversation(prompt)
        if messages is not None:
            accuracy = nearest(nearest(self.config["plant"], count_tokens(prompt)), 0)
            return repeat(messages, share(prompt, "right") < accuracy), "stop"
        found = find_needle(prompt)
        if found is None:
            return "", "stop"
        value, place, others = found
        unique = prompt[-600:] + value + str(place) + str(len(prompt))
        depth = 100 * place / len(prompt)
        accuracy = nearest(nearest(self.config["plant"], count_tokens(prompt)), depth)
        drawn = share(unique, "right" + self.config["salt"])
        if self.config["noise"] and share(unique, f"noise at {arrival}") < self.config["noise"]:
            drawn = share(unique, f"anew at {arrival}")
        if drawn < accuracy:
            return f"It is {value}.", "stop"
        kinds = dict(self.config["otherwise"])
        if not others:
            kinds.pop("distractor", None)
        chosen = random.Random(unique).choices(list(kinds or {"wrong": 1}), list((kinds or {"wrong": 1}).values()))
        return {
            "distractor": (f"It is {others[0] if others else ''}.", "stop"),
            "wrong": ("It is a blue house.", "stop"),
            "runs on": ("It is 7654321. Or is it, as the text says: One of the", "length"),
            "refusal": (REFUSAL, "stop"),
            "empty": ("", "stop"),
            "looping": ("The house is blue and" + 12 * " the house is blue and", "length"),
            "cut off": ("Let me think about where I have seen this before: the text", "length"),
        }[chosen[0]]

    def fault(self, prompt, digest):
        """The kind of fault that this arrival of the prompt meets, or None."""
        self.arrivals[digest] = arrivals = self.arrivals.get(digest, 0) + 1
        low, place = 0.0, share(digest, "fault")
        for fault in self.config["faults"]:
            if low <= place < low + fault["share"]:
                return fault if fault["times"] < 0 or arrivals <= fault["times"] else None
            low += fault["share"]
        return None


class Server(asyncio.Protocol):
    def __init__(self, state):
        self.state = state
        self.buffer = bytearray()
        self.waiting = None
        self.closed = False

    def connection_made(self, transport):
        self.transport = transport

    def connection_lost(self, _):
        self.closed = True
        if self.waiting:
            self.waiting.cancel()

    def data_received(self, data):
        self.buffer += data
        while self.waiting is None:
            end = self.buffer.find(b"\r\n\r\n")
            if end < 0:
                return
            head = self.buffer[:end].decode("latin-1")
            found = re.search(r"(?i)\r\ncontent-length: *(\d+)", head)
            size = int(found.group(1)) if found else 0
            if len(self.buffer) < end + 4 + size:
                return
            body = bytes(self.buffer[end + 4 : end + 4 + size])
            del self.buffer[: end + 4 + size]
            self.handle(head, body)

    # --- replies

    def send(self, status, body, extra=""):
        if self.closed:
            return
        if not isinstance(body, bytes):
            body = json.dumps(body).encode()
        self.transport.write(
            f"HTTP/1.1 {status} X\r\nContent-Type: application/json\r\n{extra}{self.name()}"
            f"Content-Length: {len(body)}\r\n\r\n".encode() + body
        )

    def name(self):
        name = self.state.config["name"]
        return f"Server: {name}\r\n" if name else ""

    def send_error(self, status, message, extra=""):
        self.send(status, {"error": {"message": message, "code": status}}, extra)

    def send_fault(self, fault, prompt):
        kind = fault["kind"]
        if kind == "429":
            self.send_error(429, "slow down", f"Retry-After: {fault.get('after', 1)}\r\n")
        elif kind == "500":
            self.send_error(500, "something broke inside")
        elif kind == "503":
            self.send_error(503, "overloaded")
        elif kind == "html":
            self.send(502, b"<html><body>Bad Gateway</body></html>")
        elif kind == "malformed":
            self.send(200, b'{"choices": [{"message": {"content": "It is')
        elif kind == "other":
            self.send(200, {"hello": "there"})
        elif kind == "null":
            self.send_answer(prompt, None, "stop")
        elif kind == "large":
            self.send_answer(prompt, "x" * 10_000_000, "stop")
        elif kind == "model":
            self.send_error(404, "The model `m` does not exist.")
        elif kind == "key":
            self.send_error(401, f"Incorrect API key provided: {fault.get('echo', '')}")
        elif kind == "context":
            self.send_error(400, "This model's maximum context length is 100 tokens.")
        elif kind == "reset":
            self.transport.write(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n{\"choices\": [")
            asyncio.get_running_loop().call_later(0.01, self.transport.abort)
        elif kind == "drop":
            self.transport.close()
        elif kind == "endless":
            self.transport.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            self.drip()
        elif kind == "stall":
            self.waiting = asyncio.get_running_loop().call_later(3600, lambda: None)
        else:
            raise ValueError(kind)

    def drip(self):
        if not self.closed:
            self.transport.write(b"1\r\n \r\n")
            self.waiting = asyncio.get_running_loop().call_later(0.02, self.drip)

    def write(self, prompt, text):
        """The content of an answer, as the form has it."""
        form = self.state.config["form"]
        found = find_needle(prompt)
        if form == "thought":
            return f"<think>\nIt says {found and found[0]}, a trap?\n</think>\n\n{text}"
        if form in ("open thought", "cut thought"):
            return f"<think>\nSo {text}"
        if form == "plan":
            return f"<plan>It says {found and found[0]}.</plan>{text}"
        if form == "reasoning":
            return None
        if form == "looping thought":
            return "<think>\nThe text says much." + 40 * " But wait."
        if form == "parts":
            thought = {"type": "thinking", "thinking": [{"type": "text", "text": "Easy."}]}
            return [thought, {"type": "text", "text": text[:4]}, {"type": "text", "text": text[4:]}]
        if form == "terminal":
            return text + "\x1b]0;x\x07\n\x9b2J"
        return text + "\0\ud83d@bytes@" if form == "loose" else text

    def send_answer(self, prompt, text, finish):
        chat = self.chat
        tokens = self.state.count(prompt, chat)
        if self.state.config["truncate"] and self.state.config["context"]:
            tokens = min(tokens, self.state.config["context"])
        form = self.state.config["form"]
        if form in ("cut thought", "begun thought", "reasoning", "looping thought", "apart", "begun apart"):
            finish = "length"
        choice = {"index": 0, "finish_reason": finish}
        choice.update({"message": {"role": "assistant", "content": self.write(prompt, text)}} if chat else {"text": text})
        if form == "begun apart":
            choice["message"]["reasoning_content"] = "Let me see."
        if form == "apart":
            choice["message"] = {"content": None, "reasoning_content": 40 * " But wait."}
        if self.logprobs and self.state.config["logprobs"] in ("content", "usual"):
            self.tokens = token_logprobs(prompt, choice["message"]["content"] if chat else choice["text"], self.state.config["sure"])
            choice["logprobs"] = told_logprobs(self.tokens, "content" if chat else self.state.config["logprobs"])
        reply = {"id": "x", "object": "chat.completion" if chat else "text_completion", "choices": [choice]}
        if self.state.config["returns"]:
            reply["model"] = self.state.config["returns"]
        if self.state.config["usage"]:
            reply["usage"] = {
                "prompt_tokens": tokens,
                "completion_tokens": count_tokens(text or ""),
                "total_tokens": tokens,
                **({} if self.thought is None else {"completion_tokens_details": {"reasoning_tokens": self.thought}}),
                **self.state.config["details"],
            }
        if self.state.config["timings"]:
            reply["timings"] = self.state.config["timings"]
        if self.streaming and self.state.config["stream"]:
            return self.send_stream(reply)
        if self.state.config["form"] == "loose":
            reply.update(created=10**40, score=[float("nan"), float("inf")])
            return self.send(200, json.dumps(reply).encode().replace(b"@bytes@", b"\xff\xc3("))
        if form == "reasoning" and chat:
            choice["message"]["reasoning_content"] = f"So {text}"
        self.send(200, reply)

    # --- streams

    def events(self, reply):
        """(event, whether it waits for a token): an answer in pieces, as vLLM and llama.cpp send it."""
        how, choice = self.state.config["stream"].split(), reply["choices"][0]
        base = {key: value for key, value in reply.items() if key not in ("choices", "usage", "timings")}

        def piece(delta, finish=None):
            inside = {"delta": delta} if self.chat else {"text": delta.get("content", "")}
            return {**base, "choices": [{"index": 0, "finish_reason": finish, **inside}], "usage": None}

        text = choice["message"]["content"] if self.chat else choice["text"]
        yield piece({"role": "assistant", "content": ""}), False
        if "thought" in how:
            for word in ("Let ", "me ", "see. "):
                yield piece({"reasoning_content": word}), True
        if "logprobs" in choice:
            form = "content" if self.chat else self.state.config["logprobs"]
            for token in self.tokens:
                event = piece({"content": token[0]})
                event["choices"][0]["logprobs"] = told_logprobs([token], form)
                yield event, True
            text = ""
        for word in re.findall(r"\S+\s*", text or ""):
            yield piece({"content": word}), True
        if "broken" in how:
            yield {"error": {"message": "the engine died", "code": 500}}, False
        if "unclosed" in how:
            return
        yield piece({}, choice["finish_reason"]), False
        last = {**base, "choices": []}
        if "usage" in reply and "unread" not in how:
            last["usage"] = reply["usage"]
        if "timings" in reply:
            last["timings"] = reply["timings"]
        yield last, False

    def send_stream(self, reply):
        config, how = self.state.config, self.state.config["stream"].split()
        end = "\r" if "returns" in how else "\n"
        texts = [(f": a comment{end}{end}", False)]
        texts += [(f"data: {json.dumps(event)}{end}{end}", waits) for event, waits in self.events(reply)]
        if "unclosed" not in how:
            texts.append((f"data: [DONE]{end}{end}", False))
        if "held" in how:
            texts = [("".join(text for text, _ in texts), True)]
        self.transport.write(f"HTTP/1.1 200 X\r\nContent-Type: text/event-stream\r\n{self.name()}"
                             "Transfer-Encoding: chunked\r\n\r\n".encode())
        steps, pause = [], config["first"]
        for text, waits in texts:
            data = text.encode()
            size = 3 if "bytes" in how else len(data)
            steps += [(pause if waits else 0, data[:size])] + [(0, data[i : i + size]) for i in range(size, len(data), size)]
            pause = config["pace"] if waits else pause
        self.step(iter(steps), None)

    def step(self, steps, chunk):
        self.waiting = None
        if chunk:
            self.transport.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        for pause, chunk in steps:
            if pause > 0 or "bytes" in self.state.config["stream"]:
                self.waiting = asyncio.get_running_loop().call_later(pause, self.step, steps, chunk)
                return
            self.transport.write(f"{len(chunk):x}\r\n".encode() + chunk + b"\r\n")
        self.transport.write(b"0\r\n\r\n")
        self.data_received(b"")

    # --- requests

    def handle(self, head, body):
        path = head.split(" ", 2)[1]
        config = self.state.config
        if path == "/plant":
            config.update(json.loads(body))
            self.state.arrivals.clear()
            return self.send(200, {})
        if time.monotonic() - self.state.started < config["loading"]:
            return self.send_error(503, "Loading model")
        path, _, query = path.partition("?")
        if query != config["query"] and path.startswith(config["base"]):
            return self.send_error(404, "Resource not found")
        if config["header"] and config["header"].lower() not in head.lower().split("\r\n"):
            return self.send_error(401, f"none of {head}")
        if config["key"] and f"authorization: bearer {config['key']}" not in head.lower():
            return self.send_error(401, "Incorrect API key provided")
        if path == "/tokenize" and config["tokenize"] in ("vllm", "llama.cpp"):
            return self.tokenize(json.loads(body), config["tokenize"])
        if path == "/extras/tokenize/count" and config["tokenize"] == "llama-cpp":
            return self.send(200, {"count": self.state.count(json.loads(body)["input"])})
        if path == "/apply-template" and config["tokenize"] == "llama.cpp" and config["shown"]:
            text = self.state.render(whole_text(json.loads(body)["messages"]), True)
            begun = "\n<think>\n" if config["form"].startswith("begun ") else ""
            return self.send(200, {"prompt": text + begun})
        if path == "/health" and config["health"]:
            return self.send(200, {"status": "ok"})
        if path == config["base"] + "/models":
            model = {"id": config["lists"], "owned_by": config["owner"], "max_model_len": config["context"] or None}
            return self.send(200, {"data": [model]})
        if path == "/props" and config["build"]:
            return self.send(200, {"build_info": config["build"]})
        if path == "/version" and config["version"]:
            return self.send(200, {"version": config["version"]})
        if path in (config["base"] + "/chat/completions", config["base"] + "/completions"):
            return self.complete(json.loads(body), path.endswith("/chat/completions"))
        return self.send_error(404, "Not Found")

    def tokenize(self, request, form):
        text = request.get("content" if form == "llama.cpp" else "prompt")
        chat = text is None
        n = self.state.count(whole_text(request["messages"]) if chat else text, chat)
        if form == "vllm":
            return self.send(200, {"count": n, "max_model_len": self.state.config["context"] or None})
        return self.send(200, {"tokens": [1] * n})

    def complete(self, request, chat):
        config = self.state.config
        prompt = whole_text(request["messages"]) if chat else request["prompt"]
        digest = hashlib.blake2b(prompt.encode(), digest_size=8).hexdigest()
        self.chat, self.streaming = chat, request.get("stream", False)
        self.logprobs, self.thought = bool(request.get("logprobs")), None
        fault = self.state.fault(prompt, digest)
        if self.state.log:
            entry = {"digest": digest, "tokens": self.state.count(prompt, chat), "fault": fault and fault["kind"],
                     "stream": self.streaming, "model": request["model"], "logprobs": self.logprobs}
            self.state.log.write(json.dumps(entry) + "\n")
            self.state.log.flush()
        if config["model"] and request["model"] != config["model"]:
            return self.send_error(404, f"The model `{request['model']}` does not exist.")
        if fault:
            return self.send_fault(fault, prompt)
        if self.logprobs and config["logprobs"] == "broken":
            return self.send_error(500, "something broke inside")
        if self.logprobs and config["logprobs"] in ("refused", "strict"):
            said = "'top_logprobs' is not allowed here" if config["logprobs"] == "refused" else "unknown field"
            return self.send_error(400, said)
        if self.streaming and config["stream"] == "refused":
            return self.send_error(400, "This model does not support streaming.")
        limit = config["context"]
        if limit and not config["truncate"] and self.state.count(prompt, chat) + request.get("max_tokens", 16) > limit:
            return self.send_error(400, f"This model's maximum context length is {limit} tokens.")
        text, finish = self.state.answer(prompt, self.state.arrivals[digest])
        self.thought = None
        if config["form"] == "effort":
            text, finish, self.thought = think(request, text, finish)
        if request.get("max_tokens", 16) < config["needs"] and share(prompt, "needs") < 2 / 3:
            text, finish = "Let me think about where I have seen this before: the text", "length"
        if not config["delay"]:
            return self.send_answer(prompt, text, finish)
        self.state.busy += 1
        if config["crowd"] and self.state.busy >= config["crowd"]:
            text = "It is crowded here."

        def later():
            self.waiting = None
            self.state.busy -= 1
            self.send_answer(prompt, text, finish)
            self.data_received(b"")

        self.waiting = asyncio.get_running_loop().call_later(config["delay"], later)


async def serve(options):
    config = json.loads(open(options.config).read()) if options.config else {}
    log = open(options.log, "a") if options.log else None
    state = State(config, log)
    tls = None
    if state.config["tls"]:
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(*state.config["tls"])
    server = await asyncio.get_running_loop().create_server(lambda: Server(state), "127.0.0.1", options.port, ssl=tls)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--config")
    parser.add_argument("--log")
    parser.add_argument("--port", type=int, default=0)
    try:
        asyncio.run(serve(parser.parse_args()))
    except KeyboardInterrupt:
        sys.exit(0)
