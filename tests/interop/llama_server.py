"""llama.cpp's own HTTP server, from the package xllamacpp, called as its program llama-server is:
llama_server.py -m MODEL.gguf [--port N] [-c TOKENS] [-np SLOTS] ...; --help lists all

The package has the server as a library and no program. -c is the context of all slots together.
Prints the server's address, with a port that is free where --port is 0, and serves until it is ended.
"""

import argparse
import signal

import xllamacpp


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-m", "--model", required=True)
    parser.add_argument("--port", type=int, default=8080)
    parser.add_argument("-c", "--ctx-size", type=int, default=0)
    parser.add_argument("-np", "--parallel", type=int, default=1)
    parser.add_argument("-t", "--threads", type=int, default=1)
    parser.add_argument("--chat-template", default="")
    parser.add_argument("--api-key", default="")
    parser.add_argument("--api-prefix", default="")
    return parser.parse_args()


def main():
    given = arguments()
    parameters = xllamacpp.CommonParams()
    parameters.model.path = given.model
    parameters.n_ctx, parameters.n_parallel = given.ctx_size, given.parallel
    parameters.hostnames, parameters.port = ["127.0.0.1"], given.port
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = given.threads
    parameters.warmup = False
    parameters.chat_template, parameters.api_prefix = given.chat_template, given.api_prefix
    parameters.api_keys = [given.api_key] if given.api_key else []
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    while True:
        signal.pause()


if __name__ == "__main__":
    main()
