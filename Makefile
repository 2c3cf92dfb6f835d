# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv first, once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-deploy clean

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

demo: .venv/ready
	$(BIN)/python -m tanq_monai demo --size tiny --output-dir demo

.venv/ready: pyproject.toml
	@echo "Making .venv and installing tanq-monai into it (PyTorch with CUDA: several GB, once) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --python $(BIN)/python --editable '.[test]'
	@touch $@

# MONAI Deploy's real application, holoscan and all, on the CPU. Its environment is its own; dciodvfy judges its DICOM.
test-deploy: .venv/ready .venv-deploy/ready
	@command -v dciodvfy >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq dicom3tools; } \
	  || { echo "error: dciodvfy is missing; install Debian's package dicom3tools" >&2; exit 1; }
	$(BIN)/python -m pytest -m deploy tests/integration/test_deploy_app.py

.venv-deploy/ready: .venv/ready pyproject.toml
	@echo "Making .venv-deploy with MONAI Deploy (several GB, once) ..."
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-deploy
	$(BIN)/uv pip install --quiet --python .venv-deploy/bin/python --editable '.[deploy]'
	@touch $@

clean:
	rm -rf .venv .venv-deploy demo
