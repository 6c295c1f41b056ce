# Two commands are all the set-up there is: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
BENCH := .venv-benchmarks
WORKERS ?= 3
POOL_PORT ?= 4222
ARGS ?=

# Debian puts nats-server where only root looks for programs.
export PATH := $(PATH):/usr/sbin

.PHONY: demo cluster-demo test test-reference lint benchmark soak setup clean

demo: $(VENV)/.runtime  ## start the page on the embedded sample family; ARGS="--port 8000 --share"
	$(BIN)/python app.py $(ARGS)

cluster-demo: $(VENV)/.cluster  ## a NATS server, two workers and the page on this machine (docs/pool.md)
	@command -v nats-server >/dev/null || \
		{ echo "nats-server is needed. Try: apt install nats-server, or: brew install nats-server"; exit 1; }; \
	nats-server -js -a 127.0.0.1 -p $(POOL_PORT) -sd outputs/pool & server=$$!; \
	$(BIN)/python -m bksdm_demo worker --pool nats://127.0.0.1:$(POOL_PORT) --name worker-1 & one=$$!; \
	$(BIN)/python -m bksdm_demo worker --pool nats://127.0.0.1:$(POOL_PORT) --name worker-2 & two=$$!; \
	trap 'kill $$one $$two 2>/dev/null; wait $$one $$two; kill $$server 2>/dev/null' EXIT; trap : INT TERM; \
	$(BIN)/python app.py --pool nats://127.0.0.1:$(POOL_PORT) $(ARGS)

test: $(VENV)/.dev  ## every test that needs no torch; ARGS="-k scheduler"
	$(BIN)/python -m pytest -m "not reference" -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-reference: $(VENV)/.reference  ## live comparison with torch, diffusers and coremltools' converter
	$(BIN)/python -m pytest -m reference -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

benchmark: $(BENCH)/.installed  ## against torch, ONNX Runtime and OpenVINO's own way; ARGS="--quick" (benchmarks/README.md)
	$(BENCH)/bin/python -m benchmarks $(ARGS)

soak: $(VENV)/.runtime  ## load, kills, crashes and hostile files; ARGS="--scale 0.02" (docs/reliability.md)
	$(BIN)/python -m benchmarks.soak $(ARGS)

setup: $(VENV)/.dev  ## everything for working on the code

clean:
	rm -rf $(VENV) $(BENCH)

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; $(PYTHON) is $$($(PYTHON) --version). Try: make PYTHON=python3.11 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.platform == "darwin" and sys.version_info >= (3, 14))' || \
		{ echo "On a Mac coremltools has no build for Python 3.14 or newer yet. Try: make PYTHON=python3.13 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip

# Each stamp is newer than the list it was installed from, so an edited list is installed again.
$(VENV)/.runtime: requirements.txt | $(VENV)/bin/python
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

$(VENV)/.cluster: requirements-cluster.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-cluster.txt
	touch $@

$(VENV)/.dev: requirements-dev.txt requirements-cluster.txt $(VENV)/.runtime
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-dev.txt
	touch $@

$(VENV)/.reference: requirements-reference.txt $(VENV)/.dev
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements-reference.txt
	touch $@

# The peers live in an environment of their own: the demo's stays as its users have it.
$(BENCH)/.installed: benchmarks/requirements.txt requirements.txt
	$(PYTHON) -m venv $(BENCH)
	$(BENCH)/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@
