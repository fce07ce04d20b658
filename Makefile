# The two commands: `make demo` and `make test`.  Both install what is missing (Debian packages, with sudo when not root).
BUILD      ?= build
BUILD_ASAN ?= build-asan
BUILD_TSAN ?= build-tsan
DEMO_ARGS  ?= --out out
BENCH_ARGS ?=

.PHONY: all build demo test soak bench install clean format tidy fuzz deps deps-test deps-bench

all: build

deps:
	@tools/bootstrap.sh build

deps-test:
	@tools/bootstrap.sh build test

deps-bench:
	@tools/bootstrap.sh build bench

build: deps
	@[ -f $(BUILD)/build.ninja ] || meson setup $(BUILD) >/dev/null
	@ninja -C $(BUILD) --quiet
	@tools/link-bin.sh $(BUILD)

demo: build
	@$(BUILD)/bin/securecloud demo $(DEMO_ARGS)

test: deps-test build
	@[ -f $(BUILD_ASAN)/build.ninja ] || CC=clang meson setup $(BUILD_ASAN) -Db_sanitize=address,undefined -Db_lundef=false >/dev/null
	@ninja -C $(BUILD_ASAN) --quiet
	@tools/link-bin.sh $(BUILD_ASAN)
	@tools/run-tests.sh $(BUILD) $(BUILD_ASAN)

# The engine's proof suites at full size (hours); SUITES="flips fuzz" for some of them: docs/testing-kvs.md.
soak: deps-test build
	@[ -f $(BUILD_TSAN)/build.ninja ] || CC=clang meson setup $(BUILD_TSAN) -Db_sanitize=thread -Db_lundef=false >/dev/null
	@ninja -C $(BUILD_TSAN) --quiet $(addprefix tests/kvs/test_kvs_,history threads random powercut)
	@tools/soak.sh $(BUILD) $(BUILD_TSAN) $(SUITES)

# Ours beside RocksDB (bench/README.md has the others).  The build is set up anew, so that a peer just installed is found.
bench: deps-bench build
	@meson setup --reconfigure $(BUILD) >/dev/null
	@ninja -C $(BUILD) --quiet
	@$(BUILD)/bench/bench_kvs --scratch $(BUILD)/bench-scratch $(BENCH_ARGS)

install: build
	meson install -C $(BUILD)

# libFuzzer on every target, FUZZ_SECONDS each.
fuzz: deps-test
	@tools/fuzz.sh $${FUZZ_SECONDS:-60}

format:
	@git ls-files "*.c" | xargs clang-format -i

tidy: build
	@git ls-files 'src/*.c' | xargs -n 8 -P 2 clang-tidy -p $(BUILD) --quiet

clean:
	rm -rf $(BUILD) $(BUILD_ASAN) $(BUILD_TSAN) build-fuzz out
