# Everything here sets up what it needs first. PYTHON names the interpreter, TORCH_PIP_ARGS what pip needs to
# find the build of torch that this machine wants (see "Installation" in the README).
PYTHON ?= python3.11
TORCH ?= torch==2.13.0
TORCH_PIP_ARGS ?=
BIN := .venv/bin
READY := .venv/ready

.PHONY: demo test lint bench verify lm-eval lock clean

demo: $(READY)
	$(BIN)/corpusmill demo

test: $(READY)
	$(BIN)/python -m pytest

verify: $(READY)
	$(BIN)/python -m pytest -m verify --timeout 3600

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

bench: $(READY) .venv-peers/ready
	$(BIN)/corpusmill bench

# What is timed beside us, in an environment of its own. The list is complete, so that torch, which is in none, is not asked for.
.venv-peers/ready: $(READY) infra/lock/peers.txt
	test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	VIRTUAL_ENV=.venv-peers $(BIN)/uv pip install --quiet --compile-bytecode --no-deps --require-hashes -r infra/lock/peers.txt
	.venv-peers/bin/python -c "import torch" 2>/dev/null || .venv-peers/bin/pip install --quiet --no-deps $(TORCH_PIP_ARGS) $(TORCH)
	touch .venv-peers/ready

lm-eval: .venv-lm-eval/ready

# lm-evaluation-harness, likewise.
.venv-lm-eval/ready: $(READY) infra/lock/lm-eval.txt
	test -x .venv-lm-eval/bin/python || $(PYTHON) -m venv .venv-lm-eval
	VIRTUAL_ENV=.venv-lm-eval $(BIN)/uv pip install --quiet --no-deps --require-hashes -r infra/lock/lm-eval.txt
	.venv-lm-eval/bin/python -c "import torch" 2>/dev/null || .venv-lm-eval/bin/pip install --quiet --no-deps $(TORCH_PIP_ARGS) $(TORCH)
	touch .venv-lm-eval/ready

# Installed from lists that are locked and hash-checked; torch apart, because its build depends on the machine.
$(READY): infra/lock/uv.txt infra/lock/requirements.txt infra/lock/build.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --require-hashes -r infra/lock/uv.txt
	VIRTUAL_ENV=.venv $(BIN)/uv pip install --quiet --compile-bytecode --require-hashes --build-constraints infra/lock/build.txt -r infra/lock/requirements.txt
	$(BIN)/python -c "import torch" 2>/dev/null || $(BIN)/pip install --quiet $(TORCH_PIP_ARGS) $(TORCH)
	$(BIN)/pip install --quiet --no-deps --no-build-isolation --editable .
	touch $(READY)

# Choose newer versions: run by hand, look at the difference, commit it.
lock: $(READY)
	cd infra/lock && ../../$(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header --python-version 3.11 --universal --generate-hashes --override torch-apart.in --group ../../pyproject.toml:dev ../../pyproject.toml torch-needs.in -o requirements.txt
	cd infra/lock && ../../$(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header --python-version 3.11 --generate-hashes build.in -o build.txt
	cd infra/lock && ../../$(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header --python-version 3.11 --generate-hashes uv.in -o uv.txt
	cd infra/lock && ../../$(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header --python-version 3.11 --generate-hashes --override torch-apart.in peers.in torch-needs.in -o peers.txt
	cd infra/lock && ../../$(BIN)/uv pip compile --quiet --upgrade --no-annotate --no-header --python-version 3.11 --generate-hashes --override torch-apart.in lm-eval.in torch-needs.in -o lm-eval.txt

clean:
	rm -rf .venv .venv-peers .venv-lm-eval
