# On a fresh machine `make demo`, `make check` and `make test` make .venv first, once. `make check` is `make test` without
# what is marked slow. The other tests run real clients in environments of their own: a model zoo's stranger, a MONAI Label
# server, a MONAI Deploy application, the validator of BIDS, servers of NVIDIA FLARE, an installation without torch, a browser.
PYTHON ?= python3
BIN := .venv/bin
# What runs is kept compiled: else every start of Python compiles torch and MONAI anew where PYTHONDONTWRITEBYTECODE is set.
export PYTHONDONTWRITEBYTECODE :=
# Processes that share the tests, with one thread and up to 2 GB each.
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder
CLIENTS := not label and not deploy and not zoo and not web and not bids and not federated and not runtime

# Linters and $(1) side by side; in the end how long that took.
with_linters = @began=$$(date +%s); $(MAKE) --no-print-directory --jobs 3 linters $(1) && how=passed || how=FAILED; \
    echo "make $@ $$how after $$(($$(date +%s) - began)) s"; test $$how = passed

.PHONY: check test quick-tests heavy-tests other-tests linters test-zoo test-label test-deploy test-bids test-federated test-runtime test-web web docs dist \
    lock notebook tools dciodvfy chromium demo clean

check: .venv/ready
	$(call with_linters,quick-tests)

test: .venv/ready
	$(call with_linters,heavy-tests other-tests)

quick-tests:
	$(PYTEST) -m "not slow and $(CLIENTS)"

# In two processes beside each other, tests/scripts apart from tests/deploy: within one, torch numbers TorchScript's classes on.
HEAVY := tests/bundles tests/deploy tests/integration
HALF := OMP_NUM_THREADS=1 $(BIN)/python -m pytest

heavy-tests:
	$(HALF) $(HEAVY)

other-tests:
	$(HALF) $(addprefix --ignore=,$(HEAVY))

linters:
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test-zoo: .venv/ready .venv-zoo/ready
	$(BIN)/python -m pytest -m zoo tests/integration/test_zoo.py

test-label: .venv/ready .venv-label/ready
	$(BIN)/python -m pytest -m label tests/integration/test_label.py

test-deploy: .venv/ready .venv-deploy/ready dciodvfy
	$(BIN)/python -m pytest -m deploy tests/integration/test_deploy_app.py

test-bids: .venv/ready .venv-bids/ready
	$(BIN)/python -m pytest -m bids tests/integration/test_bids_derivative.py

test-federated: .venv/ready .venv-federated/ready
	$(BIN)/python -m pytest -m federated tests/integration/test_federated.py

test-runtime: .venv/ready .venv-runtime/ready
	$(BIN)/python -m pytest -m runtime tests/integration/test_small_installation.py

# docs/web.md: network, packages and browser are got beside each other.
web: .venv/ready
	@$(MAKE) --no-print-directory --jobs 2 web/dist/index.html

test-web: .venv/ready
	@$(MAKE) --no-print-directory --jobs 3 chromium web/dist/index.html
	$(BIN)/python -m pytest -m web tests/integration/test_web.py

# docs/README.md and all that it leads to, as a site. A link that leads nowhere is an error.
docs: .venv-docs/ready
	.venv-docs/bin/sphinx-build --quiet --fail-on-warning --keep-going --fresh-env -c docs . docs/_build

# The notebook's pictures and figures anew, by the weights that are shipped.
notebook: .venv/ready
	TQDM_DISABLE=1 PYTHONWARNINGS=ignore OMP_NUM_THREADS=1 $(BIN)/jupyter execute --inplace --NotebookClient.record_timing=False \
	  docs/first_label.ipynb

# A release: wheel, source, and the zoo.
dist: .venv/ready
	$(BIN)/uv build --quiet --out-dir dist
	$(BIN)/python scripts/package_zoo.py --output dist/zoo

# Versions of the development environment, for all Pythons and systems; kept where they still do. `make lock UPGRADE=--upgrade`
# takes the newest.
lock: .venv/ready
	$(BIN)/uv pip compile --quiet --no-config --universal --python-version 3.10 --generate-hashes --extra test $(UPGRADE) --custom-compile-command "make lock" \
	  --output-file requirements/dev.lock pyproject.toml

# Debian's packages for test-deploy and test-web; dciodvfy judges DICOM, dcmcjpeg packs it. apt does not work twice at once.
tools: dciodvfy chromium

dciodvfy:
	@command -v dciodvfy >/dev/null || { test "$$(id -u)" = 0 && apt-get update -qq && apt-get install -y -qq dicom3tools; } \
	  || { echo "error: dciodvfy is missing; install Debian's package dicom3tools" >&2; exit 1; }

chromium:
	@command -v chromium >/dev/null && command -v dcmcjpeg >/dev/null && exit 0; { test "$$(id -u)" = 0 && apt-get update -qq && \
	  apt-get install -y -qq --no-install-recommends chromium dcmtk >/dev/null; } \
	  || { echo "error: chromium or dcmcjpeg is missing; install Debian's packages chromium and dcmtk" >&2; exit 1; }

demo: .venv/ready
	$(BIN)/python -m tanq_monai demo --size tiny --output-dir demo

.venv/ready: pyproject.toml requirements/dev.lock
	@echo "Making .venv and installing tanq-monai into it (PyTorch with CUDA: several GB, once) ..."
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade pip uv
	$(BIN)/uv pip install --python $(BIN)/python --constraint requirements/dev.lock --editable '.[test]'
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

# monailabel by pip: uv leaves out its launcher and its sample apps.
.venv-label/ready: requirements/label.txt | .venv/ready
	@echo "Making .venv-label and installing MONAI Label into it ..."
	$(PYTHON) -m venv .venv-label
	.venv-label/bin/python -m pip install --quiet --no-deps "$$(grep ^monailabel== requirements/label.txt)"
	$(BIN)/uv pip install --python .venv-label/bin/python --requirement requirements/label.txt
	@touch $@

.venv-deploy/ready: pyproject.toml | .venv/ready
	@echo "Making .venv-deploy and installing MONAI Deploy into it (several GB, once) ..."
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-deploy
	$(BIN)/uv pip install --quiet --python .venv-deploy/bin/python --editable '.[deploy]'
	@touch $@

.venv-bids/ready: requirements/bids.txt | .venv/ready
	@echo "Making .venv-bids and installing the validator of BIDS into it ..."
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-bids
	$(BIN)/uv pip install --quiet --python .venv-bids/bin/python --requirement requirements/bids.txt
	@touch $@

.venv-federated/ready: requirements/federated.txt | .venv/ready
	@echo "Making .venv-federated and installing NVIDIA FLARE into it ..."
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-federated
	$(BIN)/uv pip install --quiet --python .venv-federated/bin/python --editable '.[full]' --requirement requirements/federated.txt
	@touch $@

.venv-docs/ready: requirements/docs.txt
	@echo "Making .venv-docs and installing Sphinx into it ..."
	$(PYTHON) -m venv .venv-docs
	.venv-docs/bin/python -m pip install --quiet --requirement requirements/docs.txt
	@touch $@

.venv-runtime/ready: pyproject.toml | .venv/ready
	@echo "Making .venv-runtime, the installation without torch (200 MB) ..."
	$(BIN)/uv venv --quiet --clear --python $(BIN)/python .venv-runtime
	$(BIN)/uv pip install --quiet --python .venv-runtime/bin/python --editable '.[runtime]'
	@touch $@

web/dist/index.html: web/assets/facts.json web/node_modules/ready web/build.mjs web/tsconfig.json $(shell find web/src -type f)
	npm --prefix web run --silent build

# The network is exported, and tried beside torch, by much of the package: any change of it makes both files anew.
WEB_SEGMENTER := $(addprefix bundles/vs_cochlea_seg/,$(addprefix configs/,inference.yaml metadata.json) \
    $(addprefix models/,model.pt plans.json dataset.json))

web/assets/facts.json: scripts/web_assets.py $(WEB_SEGMENTER) $(shell find tanq_monai -name '*.py' -o -name '*.yaml')
	$(BIN)/python scripts/web_assets.py
	@touch $@

web/node_modules/ready: web/package-lock.json
	npm --prefix web ci --silent --no-audit --no-fund
	@touch $@

clean:
	rm -rf .venv .venv-zoo .venv-label .venv-deploy .venv-bids .venv-federated .venv-runtime .venv-docs demo dist docs/_build docs/jupyter_execute docs/api zoo web/assets web/dist web/node_modules
