# make help says what there is.

PYTHON := .venv/bin/python
PYTEST := $(PYTHON) -m pytest

# The tests start the program hundreds of times: what is compiled once is kept.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test check slow nightly gallery fuzz bench calibrate

help: ## this list
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 10

setup: ## install everything needed: Debian packages and .venv
	@tools/setup

demo: setup ## build the Debian 12 sample and verify it
	image=$$($(PYTHON) -m images.build debian-12) && .venv/bin/harness verify "$$image"

test: setup ## format, lint, types, and all tests but the slow and the nightly ones
	$(MAKE) --no-print-directory check
	$(PYTEST) -q -n 2 -m "(boot or programs) and not slow and not nightly" --durations 20  # a machine without KVM keeps one processor busy

check: setup ## format, lint, types, fast tests: no machine is started
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	$(PYTEST) -q -n $$((2 * $$(nproc))) -m "not boot and not programs and not slow and not nightly"  # most wait for other programs

FUZZ_RUNS := 1000000

fuzz: setup ## a million mutated images of each kind against the gate: half an hour
	.venv/bin/pip install --quiet --disable-pip-version-check --editable '.[fuzz]'
	$(PYTHON) tests/fuzz/fuzz_gate.py qcow2 -runs=$(FUZZ_RUNS)
	$(PYTHON) tests/fuzz/fuzz_gate.py iso -runs=$(FUZZ_RUNS)

bench: setup ## what a check costs: time, memory, bytes read
	$(PYTHON) tools/bench.py

gallery: setup ## every broken image of the gallery, through the program: an hour without KVM
	$(PYTHON) -m images.gallery -j $$(( ($$(nproc) + 1) / 2 ))

slow: setup ## the slow tests
	$(PYTEST) -q -n 2 -m "slow and not nightly"

# Where a matrix of the night is kept; NIGHTLY holds options of harness matrix, "-j 2" say.
NIGHT := build/nightly

nightly: setup ## every recipe and every broken image, the slow and the nightly tests: hours without KVM
	mkdir -p $(NIGHT)
	$(PYTHON) -m images.gallery --catalog > $(NIGHT)/gallery.toml
	status=0; \
	.venv/bin/harness matrix images/catalog/recipes.toml $(NIGHT)/gallery.toml \
	    --report-dir $(NIGHT)/$$(date +%Y%m%d-%H%M%S) $(NIGHTLY) || status=$$?; \
	$(PYTEST) -q -m "slow or nightly" || status=$$?; \
	exit $$status

calibrate: setup ## predictions of today beside recorded boots, over every image of the project
	$(PYTHON) -m images.gallery --calibrate
