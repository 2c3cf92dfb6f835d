# Two commands on a fresh machine: `make demo` and `make test`. Both make .venv first, once.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo test test-label clean

test: .venv/ready
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m pytest

test-label: .venv/ready .venv-label/ready
	$(BIN)/python -m pytest -m label

demo: .venv/ready
	$(BIN)/python -m tanq_monai demo --size tiny --output-dir demo

.venv/ready: pyproject.toml
	@echo "Making .venv and installing tanq-monai into it (PyTorch with CUDA: several GB, once) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --python $(BIN)/python --editable '.[test]'
	@touch $@

# monailabel by pip: uv leaves out its launcher and its sample apps.
.venv-label/ready: requirements/label.txt | .venv/ready
	@echo "Making .venv-label and installing MONAI Label into it ..."
	$(PYTHON) -m venv .venv-label
	.venv-label/bin/python -m pip install --quiet --no-deps "$$(grep ^monailabel== requirements/label.txt)"
	$(BIN)/uv pip install --python .venv-label/bin/python --requirement requirements/label.txt
	@touch $@

clean:
	rm -rf .venv .venv-label demo
