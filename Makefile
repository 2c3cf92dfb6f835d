# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv first, once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-zoo clean

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

test-zoo: .venv/ready .venv-zoo/ready
	$(BIN)/python -m pytest -m zoo

demo: .venv/ready
	$(BIN)/python -m tanq_monai demo --size tiny --output-dir demo

.venv/ready: pyproject.toml
	@echo "Making .venv and installing tanq-monai into it (PyTorch with CUDA: several GB, once) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --python $(BIN)/python --editable '.[test]'
	@touch $@

# For each bundle what its metadata ask for, and nothing else.
.venv-zoo/ready: $(wildcard bundles/*/configs/metadata.json) | .venv/ready
	@echo "Making .venv-zoo, an environment for each bundle ..."
	for name in tanq_translation vs_cochlea_seg; do \
	    $(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-zoo/$$name && \
	    $(BIN)/python scripts/zoo_requirements.py bundles/$$name > .venv-zoo/$$name/requirements.txt && \
	    $(BIN)/uv pip install --quiet --python .venv-zoo/$$name/bin/python --requirement .venv-zoo/$$name/requirements.txt \
	    || exit 1; \
	done
	@touch $@

clean:
	rm -rf .venv .venv-zoo demo
