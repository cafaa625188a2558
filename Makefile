# 'make help' lists what there is. Everything is installed in .venv; .stamps remembers what is done, 'make clean' forgets.

PYTHON ?= python3
VENV := $(CURDIR)/.venv
BIN := $(VENV)/bin
STAMPS := .stamps
OUT ?= demo-out
# Seconds for all device tests, boot included. Without KVM the guest is ten times slower than the host.
DEVICE_TIMEOUT ?= 2700
VM := $(BIN)/python -m testbed run

NATIVE := $(shell find src -name '*.pyx' -o -name '*.pxd' -o -name '*.h' 2>/dev/null)

.DELETE_ON_ERROR:
.PHONY: help demo demo-vm test test-host test-device bench lint format build testbed clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 14

demo: $(STAMPS)/demo ## install on this machine and run the demo into OUT=demo-out
	$(BIN)/zcore demo --out $(OUT)

demo-vm: $(STAMPS)/ready ## the demo on the kernel's own drivers, in the virtual machine
	$(VM) --timeout 600 -- $(BIN)/python -m testbed.demo --out $(OUT)

test: test-host test-device ## all tests: on this machine, then on real drivers in the virtual machine

test-host: $(STAMPS)/ready ## tests that need no device
	$(BIN)/python -m pytest --ignore=tests/device $(PYTEST)

test-device: $(STAMPS)/ready ## tests on real drivers; PYTEST='-k name -x' goes to pytest
	$(VM) --timeout $(DEVICE_TIMEOUT) -- $(BIN)/python -m pytest -p no:cacheprovider tests/device $(PYTEST)

bench: $(STAMPS)/ready ## timed on this machine, then counted in instructions in the virtual machine
	$(BIN)/python -m pytest bench --benchmark-only $(PYTEST)
	$(VM) --icount --timeout 1800 -- $(BIN)/python -m bench.counted

lint: $(STAMPS)/build ## ruff, mypy, cython-lint, and the stubs against the compiled modules
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/mypy -p testbed
	PATH="$(BIN):$$PATH" $(BIN)/cython-lint src
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist tests/stubtest-allow.txt zcore

format: $(STAMPS)/install ## let ruff put the Python files into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

build: $(STAMPS)/build ## compile the native half in place

testbed: $(STAMPS)/ready ## the kernel and all packages for the virtual machine

clean: ## forget everything that was made here (the kernel stays in its cache)
	rm -rf build dist .venv $(STAMPS) $(OUT) .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks
	find python src -name '*.so' -delete
	find . -name __pycache__ -not -path './.git/*' -prune -exec rm -rf {} +

# One installation for all: editable, so that a changed Python file needs nothing and a changed Cython file one module.

$(STAMPS)/packages-build: testbed/setup.sh
	./testbed/setup.sh --build-only
	@mkdir -p $(@D) && touch $@

$(STAMPS)/packages: testbed/setup.sh
	./testbed/setup.sh
	@mkdir -p $(@D) && touch $@

$(STAMPS)/venv: pyproject.toml | $(STAMPS)/packages-build
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo 'zcore needs Python 3.11 or newer: make PYTHON=python3.13 ...' >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -c 'import tomllib; p = tomllib.load(open("pyproject.toml", "rb")); \
		print(*p["build-system"]["requires"], sep="\n")' > $(STAMPS)/build-requires.txt
	$(BIN)/pip install -q --upgrade pip -r $(STAMPS)/build-requires.txt
	@touch $@

$(STAMPS)/install: $(STAMPS)/venv setup.py
	$(BIN)/pip install -q --no-build-isolation -e '.[cli,software,test,dev,testbed]'
	@touch $@

$(STAMPS)/demo: $(STAMPS)/venv setup.py $(NATIVE)
	$(BIN)/pip install -q --no-build-isolation -e '.[cli,software]'
	@touch $@

$(STAMPS)/build: $(STAMPS)/install $(NATIVE)
	$(BIN)/python setup.py -q build_ext --inplace -j $$(nproc)
	@touch $@

$(STAMPS)/kernel: testbed/kernel.config testbed/kernel.py $(STAMPS)/packages $(STAMPS)/install
	$(BIN)/python -m testbed build
	@touch $@

$(STAMPS)/ready: $(STAMPS)/build $(STAMPS)/kernel
	@touch $@
