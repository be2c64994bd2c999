# The verbs. CMake holds the targets; this file only calls it. `make help` lists everything.
BUILD ?= build
JOBS ?= $(shell nproc 2>/dev/null || getconf _NPROCESSORS_ONLN)
PREFIX ?= /usr/local
FUZZ_SECONDS ?= 300
STACKS ?= 1000
SEEDS ?= 1 2 3 4 5 6 7 8 9 10
OUT ?= out/all
CMAKE_FLAGS ?=

FOVEA = $(BUILD)/fovea
C_FILES = $(shell git ls-files '*.c' '*.h')
CTEST = ctest --output-on-failure -j $(JOBS)

.DEFAULT_GOAL = all
.PHONY: all python web selenium web-test test recipes gallery bench bench-against bench-scale bench-peers lint format sanitize sanitize-kernels test-arm fuzz interop interop-served interop-smollm2 interop-ruler exact gradients faults mutations builds dist deb install clean help

all: ## build the tool and the libraries into build/ (BUILD=, CMAKE_FLAGS=)
	@cmake -S . -B $(BUILD) -DCMAKE_INSTALL_PREFIX="$(PREFIX)" $(CMAKE_FLAGS)
	@cmake --build $(BUILD) -j $(JOBS)

test: all ## build and run every test
	@cmake --build $(BUILD) -j $(JOBS) --target tests
	cd $(BUILD) && $(CTEST)

python: ## make the Python package's wheel in build/wheels, and run it in an environment without a compiler (needs the network)
	scripts/wheel.sh $(BUILD)

web: ## build the explorer, a page that trains in a browser: build/web (needs ./bootstrap web)
	web/sources.sh $(BUILD)/web-sources
	@[ -f $(BUILD)/wasm/Makefile ] || NODE_PATH=/usr/share/nodejs emcmake cmake -S web -B $(BUILD)/wasm -DFOVEA_WEB_SOURCES="$(abspath $(BUILD))/web-sources"
	@NODE_PATH=/usr/share/nodejs cmake --build $(BUILD)/wasm -j $(JOBS)
	web/assemble.py $(BUILD)/wasm/engine.wasm $(BUILD)/web

selenium: ## have what drives Chromium in the explorer's tests (from the network, once)
	@python3 -c 'import selenium' 2>/dev/null || [ -x $(BUILD)/web-venv/bin/python ] || \
	  { python3 -m venv $(BUILD)/web-venv && $(BUILD)/web-venv/bin/pip install -q selenium; } || \
	  { rm -rf $(BUILD)/web-venv; exit 1; }

web-test: all web selenium ## test the explorer: bits of every experiment in Node and in Chromium, the page in Chromium and Firefox, its speed
	@cmake --build $(BUILD) -j $(JOBS) --target web_native web_libm
	node tests/web/libm.mjs $(BUILD)/wasm/libm.wasm $(BUILD)/tests/web_libm
	node tests/web/bits.mjs $(BUILD)/wasm/engine.wasm $(BUILD)/tests/web_native --all --keep $(BUILD)/web-bits.json
	tests/web/browser.py $(BUILD) --bits $(BUILD)/web-bits.json --speed
	tests/web/firefox.py $(BUILD)

bench: all ## time training steps against this machine's measured limits
	$(FOVEA) bench train

bench-against: all ## hold every row of `bench train` against another build; fails above 1.03 of its time (BEFORE=path/to/fovea, CASE=regex)
	scripts/against.py $(BEFORE) $(FOVEA) $(if $(CASE),--case '$(CASE)')

bench-scale: all ## time the start, 100,000 short runs, their store and figures (RUNS=100000)
	scripts/scale.py $(FOVEA) --runs $(or $(RUNS),100000)

bench-peers: all ## time the same steps in PyTorch and JAX, and print the ratios (BUDGET=800 seconds, ISA=avx2, PARTS=1 for parts of attention)
	tests/peers/run.sh $(FOVEA) $(BUILD)/peers $(if $(BUDGET),--budget $(BUDGET)) $(if $(ISA),--isa $(ISA)) $(if $(PARTS),--parts)

lint: all ## check formatting, and run clang-tidy, cppcheck and shellcheck where installed
	scripts/lint.sh $(BUILD)

format: ## rewrite the C files in the house format
	clang-format -i $(C_FILES)

sanitize: ## run the tests under the address and undefined-behaviour sanitizers, then under thread
	scripts/sanitize.sh address,undefined $(BUILD)/sanitize-address $(JOBS)
	scripts/sanitize.sh thread $(BUILD)/sanitize-thread $(JOBS)

sanitize-kernels: ## run the tests of the kernels, each variant, under the sanitizers: once per release, it takes hours
	scripts/sanitize.sh address,undefined $(BUILD)/sanitize-address $(JOBS) kernels

fuzz: ## fuzz every parser (FUZZ_SECONDS=300 each; needs clang)
	scripts/fuzz.sh $(BUILD)/fuzz $(FUZZ_SECONDS) $(JOBS)

test-arm: all ## build for 64-bit Arm, run its tests under qemu and compare bits (needs ./bootstrap arm; 20 minutes)
	scripts/arm.sh $(BUILD)/arm $(JOBS) $(BUILD)

interop: all ## open exported checkpoints with safetensors and TransformerLens, hold recurrences against flash-linear-attention (needs the network)
	tests/interop/run.sh $(FOVEA) $(BUILD)/interop

interop-served: all ## ask llama.cpp's own server, with a random model and SmolLM2 (needs the network once)
	tests/interop/served.sh $(FOVEA) $(BUILD)/interop

interop-smollm2: all ## ask SmolLM2-135M what docs/smollm2.md shows, two quantisations compared (needs the network once)
	tests/interop/served.sh $(FOVEA) $(BUILD)/interop smollm2.py

interop-ruler: all ## hold scores of predictions against RULER's metrics in other programs (needs the network once)
	tests/interop/ruler.sh $(FOVEA) $(BUILD)/interop

exact: all ## hold the decoder against the lab's forward on 100 random stacks, up to 4,096 tokens
	@cmake --build $(BUILD) -j $(JOBS) --target test_decoder
	$(BUILD)/tests/test_decoder --whole

gradients: all ## hold the gradients of 10,000 random stacks against differences (STACKS=1000 of each of SEEDS="1 2 ... 10", a core for 20 minutes)
	@cmake --build $(BUILD) -j $(JOBS) --target double_gradient_stacks
	@set -e; for seed in $(SEEDS); do echo "seed $$seed"; \
	  FOVEA_STACK_SEED=$$seed FOVEA_STACKS=$(STACKS) $(BUILD)/tests/double_gradient_stacks; done

faults: all ## make allocations, writes and disks fail; kill sweeps, interrupt drawing, flip bits of a store; ask served models through all of it
	tests/faults/run.py $(FOVEA)
	tests/faults/kill.py $(FOVEA)
	tests/faults/disk.py $(FOVEA)
	tests/faults/short_picture.py $(FOVEA)
	tests/faults/interrupt.py $(FOVEA)
	tests/faults/flips.py $(FOVEA)
	python3 tests/served/run.py $(FOVEA) --only killed --kills 200
	python3 tests/served/run.py $(FOVEA) --only full_disk --answers 20000
	python3 tests/served/run.py $(FOVEA) --only many_answers --answers 100000

mutations: all ## change thousands of models' configurations: counted or refused in a line, no field silent
	python3 tests/cost/mutate.py $(FOVEA) 5000 --every

recipes: all ## follow each recipe of CONTRIBUTING.md in a copy of the tree, then leave out every line in turn
	scripts/try_recipes.sh --build $(BUILD) --jobs $(JOBS)

gallery: ## make docs/gallery.md of what 'fovea reproduce' left (OUT="out/all" or several folders)
	scripts/gallery.py $(OUT)

install: all ## install the tool, libraries, headers and experiments (PREFIX=/usr/local)
	umask 022 && cmake --install $(BUILD) --prefix "$(PREFIX)"

builds: ## build, test and install under a distributor's flags and with every clang (an hour of CPU time)
	scripts/builds.sh $(BUILD)/builds $(JOBS) "$$(scripts/dist.sh $(BUILD))"

dist: ## make the source archive build/fovea-VERSION.tar.gz of the last commit
	scripts/dist.sh $(BUILD)

deb: ## make Debian packages in build/deb, and have lintian look at them
	scripts/deb.sh $(BUILD)/deb "$$(scripts/dist.sh $(BUILD))"

clean: ## remove the build folder
	rm -rf $(BUILD)

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)
