"""llama.cpp's own HTTP server, from the package xllamacpp: served_llama.py MODEL.gguf CONTEXT

Prints the server's address on stdout and serves until its stdin is closed.
"""

import sys

import xllamacpp


def main():
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.n_parallel = 2
    parameters.n_ctx = int(sys.argv[2]) * parameters.n_parallel
    parameters.hostnames = ["127.0.0.1"]
    parameters.port = 0
    parameters.warmup = False
    parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 2
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
