# Each target makes what it needs. PYTHON names the interpreter that .venv is made from, BENCH options of the bench,
# TESTS what to test (all), SECONDS how long to fuzz.

PYTHON ?= python3
SECONDS ?= 60
VENV := .venv
BIN := $(VENV)/bin
CYTHON_MADE := runtime/_executor.c runtime/_prepared.c runtime/_reference.c
C_FILES := $(filter-out $(CYTHON_MADE), $(shell find schema runtime firmware bench tests -name '*.[ch]'))
# One includes headers that its test generates, and is compiled there.
C_SOURCES := $(filter-out tests/firmware/run_networks.c, $(filter %.c, $(C_FILES)))
SOURCES := $(filter-out $(CYTHON_MADE), $(shell find runtime schema compiler cli firmware data evaluation report explorer -type f \( -name '*.py' -o -name '*.py[xi]' -o -name '*.px[di]' -o -name '*.[ch]' -o -name '*.fbs' -o -name '*.in' -o -name '*.ld' \))) \
  $(wildcard report/page/built/*) setup.py pyproject.toml MANIFEST.in README.md
# As many processes as there are CPUs; above eight, what each imports costs more than it brings.
# A comma would end an argument of call.
ASAN := address,undefined
DEMO_DEVICE := onnx,device
PYTEST := $(BIN)/python -m pytest --numprocesses logical --maxprocesses 8 --dist worksteal

.DEFAULT_GOAL := help
.PHONY: help demo demo-device generate test test-all peers test-asan test-tsan mutants lint docs bench bench-device fuzz page screenshot clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## compile a real network and run it on real images
	@mkdir -p build
	$(BIN)/qrt compile examples/digits/digits_resnet.onnx -o build/digits.qfb --test-vectors 2
	$(BIN)/qrt check build/digits.qfb
	$(BIN)/python examples/digits/demo.py build/digits.qfb

demo-device: $(VENV)/demo-device.stamp ## run the same network as C on an emulated Cortex-M4
	@mkdir -p build
	$(BIN)/qrt compile examples/digits/digits_resnet.onnx -o build/digits.qfb --test-vectors 2 --quiet
	$(BIN)/qrt firmware build/digits.qfb -o build/digits --target cortex-m4
	$(BIN)/python examples/firmware/demo.py build/digits

# The package need not be installed, nor even compile, to make what it is compiled from.
generate: ## regenerate files from qrt.fbs, SPEC.md and qrt_kernels.h (needs flatc 2.0.8)
	@mkdir -p build/generate/qrt && touch build/generate/qrt/__init__.py && ln -sfn ../../../schema build/generate/qrt/schema
	PYTHONPATH=build/generate $(PYTHON) -m qrt.schema.generate

page: ## bundle the page of qrt report (needs node and npm)
	cd report/page && npm ci --no-audit --no-fund && npm run build

screenshot: $(VENV)/test.stamp ## a picture of a page of qrt report, for docs/ (needs Chromium)
	@mkdir -p build docs/images
	$(BIN)/qrt compile examples/digits/digits_resnet.onnx -o build/digits.qfb --test-vectors 2 --quiet
	$(BIN)/qrt report build/digits.qfb -o build/digits.html --against examples/digits/digits_resnet.onnx \
	  --inputs examples/digits/test_digits.npz --evaluate examples/digits/test_digits.npz \
	  --target cortex-m4 --max-ram 8k --max-flash 64k
	$(BIN)/python tests/page_picture.py build/digits.html docs/images/report.png

test: $(VENV)/test.stamp ## install what the tests need, with LiteRT and TFLM, and run them (TESTS=tests/schema: only those)
	QRT_DIST=$(CURDIR)/dist $(PYTEST) $(TESTS)

peers: $(VENV)/peers.stamp ## install PyTorch, torchao, scikit-learn and matplotlib; make test then tests against them too

test-all: peers ## make peers, then make test: every test that can run on this machine
	$(MAKE) test

# The interpreter is not built with sanitizers, so their library comes first, with C++'s, whose exceptions it watches.
# What the interpreter itself leaves unfreed is no leak of qrt's. pytest keeps what a process writes before it dies, so
# reports go to files. $(1): what the compiler calls the sanitizers; $(2): their library; $(3): the tests.
define test-sanitized
@[ -e "$$($(CC) -print-file-name=$(2))" ] || { echo "'$(CC)' has no $(2); gcc has: make CC=gcc $@" >&2; exit 1; }
rm -rf build/$@
CFLAGS="-fsanitize=$(1) -fno-sanitize-recover=all -g1" LDFLAGS="-fsanitize=$(1)" \
  $(BIN)/python setup.py --quiet build --build-lib build/$@/lib --build-temp build/$@/temp --parallel 2
LD_PRELOAD="$$($(CC) -print-file-name=$(2)) $$($(CC) -print-file-name=libstdc++.so)" \
  ASAN_OPTIONS=detect_leaks=0:log_path=$(CURDIR)/build/$@/report UBSAN_OPTIONS=log_path=$(CURDIR)/build/$@/report \
  TSAN_OPTIONS=halt_on_error=1:log_path=$(CURDIR)/build/$@/report \
  QRT_DIST=$(CURDIR)/dist QRT_SANITIZERS=$(1) PYTHONPATH=$(CURDIR)/build/$@/lib $(PYTEST) $(3) \
  || { cat build/$@/report.* 2> /dev/null; exit 1; }
endef

test-asan: $(VENV)/test.stamp ## all tests once more, with the extensions built under ASan and UBSan (needs gcc)
	$(call test-sanitized,$(ASAN),libasan.so,$(TESTS))

test-tsan: $(VENV)/test.stamp ## the tests of threads and forks, with the extensions built under TSan (needs gcc)
	$(call test-sanitized,thread,libtsan.so,$(or $(TESTS),tests/runtime/test_threads.py tests/runtime/test_forks.py))

mutants: $(VENV)/test.stamp ## remove each check of the validator in turn; a test must fail for each
	$(BIN)/python tests/fuzz/mutate_validator.py

lint: $(VENV)/lint.stamp ## ruff, mypy on the installed package, clang-format, C warnings as errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV) && bin/mypy --config-file ../pyproject.toml -p qrt
	$(BIN)/clang-format --dry-run -Werror $(C_FILES) $(wildcard examples/*/*.[ch])
	printf '%s\n' $(C_SOURCES) | xargs -P "$$(getconf _NPROCESSORS_ONLN)" -I FILE \
	  $(CC) -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -Iruntime -Iruntime/kernels -Ischema -Ifirmware -Ifirmware/generate -c FILE -o /dev/null

docs: $(VENV)/docs.stamp ## build the documentation's site: build/site/index.html
	$(BIN)/python -m sphinx -W --keep-going -q -b html docs build/site

bench: $(VENV)/bench.stamp ## compare with LiteRT, ONNX Runtime and OpenVINO on this machine (twenty minutes; BENCH=options)
	$(BIN)/python -m bench $(BENCH)

bench-device: $(VENV)/bench.stamp ## compare with BakeNN and CMSIS-NN on emulated microcontrollers (BENCH=options)
	$(BIN)/python -m bench.device $(BENCH)

fuzz: $(VENV)/test.stamp ## fuzz the reader, the kernels and the frontends for SECONDS=60
	@$(BIN)/python -m pip install --quiet "$$(echo dist/*.whl)[fuzz]" || echo "atheris cannot be installed here; the frontends are not fuzzed"
	cd tests && ../$(BIN)/python -m fuzz --seconds $(SECONDS)

clean: ## remove what was built
	rm -rf $(VENV) build dist *.egg-info runtime/*.so $(CYTHON_MADE)

$(VENV)/made.stamp:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "qrt needs Python 3.10 or newer; $(PYTHON) is $$($(PYTHON) --version 2>&1). Say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	@command -v $(CC) > /dev/null || { echo "qrt needs a C compiler; '$(CC)' is not there. Install one, or say which: make CC=clang ..." >&2; exit 1; }
	@$(PYTHON) -c 'import os, sys, sysconfig; sys.exit(not os.path.exists(sysconfig.get_path("include") + "/Python.h"))' || { \
	  echo "qrt needs the headers of $(PYTHON), Python.h. Install them (Debian: python3-dev), or say which: make PYTHON=python3.12 ..." >&2; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

# What is shipped is built once, the sdist and the wheel from that sdist; everything else installs this wheel.
dist/.stamp: $(VENV)/made.stamp $(SOURCES)
	rm -rf dist qrt.egg-info
	$(BIN)/python -m pip install --quiet build
	$(BIN)/python -m build --quiet > /dev/null
	@touch $@

# By its path pip takes a wheel of the same version for installed.
define install
$(BIN)/python -m pip install --quiet --force-reinstall --no-deps dist/*.whl
$(BIN)/python -m pip install --quiet "$$(echo dist/*.whl)[$(1)]"
@touch $@
endef

$(VENV)/demo.stamp: dist/.stamp
	$(call install,onnx)

$(VENV)/demo-device.stamp: dist/.stamp
	$(call install,$(DEMO_DEVICE))

$(VENV)/test.stamp: dist/.stamp
	$(call install,test)

$(VENV)/peers.stamp: $(VENV)/test.stamp
	$(call install,peers)

$(VENV)/lint.stamp: dist/.stamp
	$(call install,lint)

$(VENV)/docs.stamp: dist/.stamp
	$(call install,docs)

$(VENV)/bench.stamp: dist/.stamp
	$(call install,bench)
