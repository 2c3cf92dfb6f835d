# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv first, once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test clean

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

clean:
	rm -rf .venv demo
