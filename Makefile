# Each target makes what it needs. PYTHON names the interpreter that .venv is made from, BENCH options of the bench,
# TESTS what test-asan runs (all), SECONDS how long to fuzz.

PYTHON ?= python3
SECONDS ?= 60
VENV := .venv
BIN := $(VENV)/bin
SOURCES := $(shell find runtime schema compiler cli -type f \( -name '*.py' -o -name '*.pyx' -o -name '*.pxd' -o -name '*.[ch]' -o -name '*.pyi' -o -name '*.fbs' \)) setup.py pyproject.toml README.md
C_FILES := $(wildcard schema/*.[ch] runtime/*.[ch] runtime/kernels/*.[ch] bench/*.c tests/fuzz/*.[ch])
C_SOURCES := $(wildcard schema/*.c runtime/qrt_*.c runtime/kernels/*.c bench/*.c tests/fuzz/*.c)
CYTHON_MADE := runtime/_executor.c runtime/_reference.c

.DEFAULT_GOAL := help
.PHONY: help demo test test-asan mutants lint bench fuzz clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(VENV)/demo.stamp ## compile a real network and run it on real images
	@mkdir -p build
	$(BIN)/qrt compile examples/digits/digits_resnet.onnx -o build/digits.qfb --test-vectors 2
	$(BIN)/qrt check build/digits.qfb
	$(BIN)/python examples/digits/demo.py build/digits.qfb

test: $(VENV)/test.stamp ## install what the tests need and run them
	$(BIN)/python -m pytest

# The interpreter is not built with sanitizers, so their library comes first, with C++'s, whose exceptions it watches.
# What the interpreter itself leaves unfreed is no leak of qrt's.
SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all
ASAN := $(CURDIR)/build/asan
test-asan: $(VENV)/test.stamp ## all tests once more, with the extensions built under ASan and UBSan (needs gcc)
	@[ -e "$$($(CC) -print-file-name=libasan.so)" ] || { \
	  echo "'$(CC)' has no libasan.so; gcc has: make CC=gcc test-asan" >&2; exit 1; }
	rm -rf $(ASAN)
	CFLAGS="$(SANITIZE) -g1" LDFLAGS="$(SANITIZE)" $(BIN)/python setup.py --quiet build --build-lib $(ASAN)/lib --build-temp $(ASAN)/temp
	LD_PRELOAD="$$($(CC) -print-file-name=libasan.so) $$($(CC) -print-file-name=libstdc++.so)" \
	  ASAN_OPTIONS=detect_leaks=0 PYTHONPATH=$(ASAN)/lib $(BIN)/python -m pytest $(TESTS)

mutants: $(VENV)/test.stamp ## drop each check of the validator in turn; some test must notice each
	$(BIN)/python tests/fuzz/mutate_validator.py

lint: $(VENV)/lint.stamp ## ruff, mypy on the installed package, clang-format, C warnings as errors
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	cd $(VENV) && bin/mypy --config-file ../pyproject.toml -p qrt
	$(BIN)/clang-format --dry-run -Werror $(filter-out $(CYTHON_MADE),$(C_FILES))
	for file in $(C_SOURCES); do \
	  $(CC) -std=c99 -O2 -Wall -Wextra -Wpedantic -Werror -Iruntime -Iruntime/kernels -Ischema -c $$file -o /dev/null || exit 1; \
	done

bench: $(VENV)/bench.stamp ## qrt beside LiteRT, ONNX Runtime and OpenVINO on this machine, about ten minutes
	$(BIN)/python -m bench $(BENCH)

fuzz: $(VENV)/test.stamp ## attack the reader, the kernels and the frontends for SECONDS=60
	@$(BIN)/python -m pip install --quiet ".[fuzz]" || echo "atheris cannot be installed here; the frontends are not fuzzed"
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

# A module that was deleted survives in build/ and would be installed, so build from nothing.
define install
rm -rf build/lib* build/temp* build/bdist* qrt.egg-info
$(BIN)/python -m pip install --quiet $(1)
@touch $@
endef

$(VENV)/demo.stamp: $(VENV)/made.stamp $(SOURCES)
	$(call install,".[onnx]")

$(VENV)/test.stamp: $(VENV)/made.stamp $(SOURCES)
	$(call install,".[test]")

$(VENV)/lint.stamp: $(VENV)/made.stamp $(SOURCES)
	$(call install,".[lint]")

$(VENV)/bench.stamp: $(VENV)/made.stamp $(SOURCES)
	$(call install,".[bench]")
