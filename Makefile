# Every target sets up .venv by itself; all it needs is make and Python 3.11 to 3.14.
.DEFAULT_GOAL := help
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do \
	$$p -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 15))' 2>/dev/null && echo $$p && break; done)
BIN := .venv/bin
READY := .venv/.ready

.PHONY: help install up demo test lint format lock openapi clean

help: ## Show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "%-10s%s\n", $$1, $$2}' 

$(READY): requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "Python 3.11 to 3.14 is needed: install one, or make PYTHON=/path/to/python3"; exit 1; }
	@echo "Setting up .venv with $$($(PYTHON) --version); the first time downloads PyTorch ..."
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || \
		{ rm -rf .venv; echo "python -m venv failed: on Debian, apt install python3-venv"; exit 1; }
	@if command -v uv >/dev/null 2>&1; then \
		uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes -r requirements.lock && \
		uv pip install --quiet --python $(BIN)/python --no-build-isolation --no-deps -e . ; \
	else \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e . ; \
	fi
	@touch $@

install: $(READY) ## Set up .venv

up: $(READY) ## Run the whole stack on this machine (Ctrl-C stops it)
	@$(BIN)/unlearnable up

demo: $(READY) ## Protect real images through the API and prove the effect, in minutes
	@$(BIN)/unlearnable demo

# Two at a time, since much of a test is waiting; one thread each, or the threads of both processes spin
# for the same cores. Which tests stay together, and which begin: tests/conftest.py.
test: $(READY) ## Run all tests on real servers, two at a time
	@OMP_NUM_THREADS=$${OMP_NUM_THREADS:-1} $(BIN)/python -m pytest -n 2

lint: $(READY) ## Check style, types and floors
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

format: $(READY) ## Format the code and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

COMPILE := uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
	--no-emit-index-url --no-header pyproject.toml

# Without triton, a gigabyte that only torch.compile asks for (torch's wheels for Windows have none).
lock: ## Pin the dependencies anew (needs uv)
	$(COMPILE) --extra dev -o requirements.lock
	$(COMPILE) --extra service -c requirements.lock -o docker/requirements-service.lock
	$(COMPILE) --extra worker -c requirements.lock --no-emit-package triton -o docker/requirements-worker.lock

openapi: $(READY) ## Release the API's document, docs/openapi.json, if it only grew
	@$(BIN)/python -m service.released --write

clean: ## Remove the environment and what the tools left (not the data of `up`)
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
