# `make help` lists the targets. Everything is installed into .venv, from lock files with hashes.
VENV := .venv
PYTHON ?= python3
BIN := $(VENV)/bin
TIER ?=
DEMO := demo
DEMO_SECONDS ?= 10
BENCH ?=
ONLY ?=
LIVES ?= 10000
# Of `make model`: the number of the first life; REPLAY is what a failure says, and plays that life alone.
FIRST ?= $(shell date +%s)
REPLAY ?=
# Of `make images REGISTRY=…`: the images' tag, and the first of docker, podman and buildah that is there.
TAG ?= $(shell sed -n 's/^version = "\(.*\)"/\1/p' pyproject.toml)
BUILDER ?= $(notdir $(firstword $(foreach one,docker podman buildah,$(shell command -v $(one)))))
STORM ?= 1000 20 2

.DEFAULT_GOAL := help

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(VENV)/installed ## write a Digital RF recording and compute its spectrogram, without a cluster
	@mkdir -p $(DEMO)/recordings $(DEMO)/results
	@$(BIN)/python examples/make_recording.py $(DEMO)/recordings --seconds $(DEMO_SECONDS) --replace
	@$(BIN)/spectrogram run examples/spectrogramjob.yaml \
		--mount recordings=$(DEMO)/recordings --mount results=$(DEMO)/results

test: $(VENV)/installed ## run every tier of tests that this machine can run; TIER=unit runs one
	@$(BIN)/python tests/run.py $(if $(TIER),--tier $(TIER)) $(if $(DEMAND_ALL),--demand-all)

lint: $(VENV)/installed ## ruff, mypy --strict, import-linter
	@$(BIN)/python tests/run.py --tier lint

planted: $(VENV)/installed ## plant known bugs in copies of both programs, and see whether the tests notice; ONLY=NAME plants one; MODEL=1: whether `make model` does
	@PYTHONPATH=tests $(BIN)/python -m $(if $(MODEL),planted.by_model,planted.run $(if $(ONLY),--only $(ONLY)))

model: $(VENV)/installed ## play ten thousand lives of jobs against the real reconciler, others each time; LIVES=100 for a look
	@echo "FIRST=$(FIRST)"
	@MODEL_LIVES=$(LIVES) MODEL_FIRST=$(FIRST) MODEL_REPLAY='$(REPLAY)' $(BIN)/python -m pytest -q -n auto \
		--show-capture=no tests/unit/operator/control/model/test_model.py

compatibility: $(VENV)/installed ## the operator on the oldest and newest Kubernetes that it is meant for; ONLY=1.32 for one of them
	@PYTHONPATH=tests $(BIN)/python -m harness.kubernetes.compatibility $(ONLY)

kueue: $(VENV)/installed ## the operator beside the real Kueue, which is built once, in some four minutes (needs Go)
	@$(BIN)/python -m pytest -q -n 1 tests/kueue

storm: $(VENV)/installed ## 1,000 jobs of every fate, two operators killed twenty times, an API server restarted twice (needs Go); STORM='100 4 1' for a look
	@STORM='$(STORM)' $(BIN)/python -m pytest -q -s tests/cluster/operators/test_storm.py

bench: $(VENV)/installed ## this worker against scipy, FFTW, sox, ffmpeg, librosa and drf_sti; BENCH=--quick for a look
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.bench $(BENCH)

bench-operator: $(VENV)/installed ## the operator with many jobs, beside native Jobs; ONLY=ROW for one row, BENCH=--quick for a look
	@PYTHONPATH=tests $(BIN)/python -m benchmarks.bench_operator $(BENCH) $(ONLY)

bench-memory: $(VENV)/installed ## what forty varied jobs ask for and take on a real node, with fixed memory and memory: auto (Debian, as root); ONLY=JOB for one
	@PYTHONPATH=tests $(BIN)/python -m harness.programs.binaries
	@PYTHONPATH=tests $(BIN)/python -m harness.installation
	@PYTHONPATH=tests $(BIN)/python -m harness.nodes.network run -- $(BIN)/python -m benchmarks.bench_memory $(ONLY)

ifdef REGISTRY
images: ## build both images and push them to REGISTRY=…; without it, as archives that docker, podman and containerd load
	$(BUILDER) build --file Dockerfile.operator --build-arg VERSION=$(TAG) --tag "$(REGISTRY)/spectrogram-operator:$(TAG)" .
	$(BUILDER) build --file Dockerfile.worker --build-arg VERSION=$(TAG) --tag "$(REGISTRY)/spectrogram-worker:$(TAG)" .
	$(BUILDER) push "$(REGISTRY)/spectrogram-operator:$(TAG)"
	$(BUILDER) push "$(REGISTRY)/spectrogram-worker:$(TAG)"
else
images: $(VENV)/installed
	@PYTHONPATH=tests $(BIN)/python -m harness.installation
endif

cluster: $(VENV)/installed ## start a real Kubernetes to try the operator in (Debian, as root)
	@PYTHONPATH=tests $(BIN)/python -m harness.trial up

cluster-down: $(VENV)/installed ## end it
	@PYTHONPATH=tests $(BIN)/python -m harness.trial down

crds: $(VENV)/installed ## write crds/ from the pydantic models
	@$(BIN)/python -m spectrogram_operator.api.crd > crds/spectrogramjobs.yaml.new
	@mv crds/spectrogramjobs.yaml.new crds/spectrogramjobs.yaml
	@cp crds/spectrogramjobs.yaml helm/spectrogram-operator/files/spectrogramjobs.yaml

chart: $(VENV)/installed ## write the chart's README.md from the comments of its values
	@PYTHONPATH=tests $(BIN)/python -m harness.pages.chart_readme > helm/spectrogram-operator/README.md.new
	@mv helm/spectrogram-operator/README.md.new helm/spectrogram-operator/README.md

metrics: $(VENV)/installed ## write docs/metrics.md from the metrics
	@PYTHONPATH=tests $(BIN)/python -m harness.pages.metrics > docs/metrics.md.new
	@mv docs/metrics.md.new docs/metrics.md

reference: $(VENV)/installed ## write docs/reference.md, and the table of reasons in docs/troubleshooting.md
	@PYTHONPATH=tests $(BIN)/python -m harness.pages.reference

faults: $(VENV)/installed ## write docs/fault-tests.md from docs/faults.md, the table of reasons, and the tests
	@PYTHONPATH=tests $(BIN)/python -m harness.pages.faults > docs/fault-tests.md.new
	@mv docs/fault-tests.md.new docs/fault-tests.md

lock: ## write the lock files anew: names, versions and hashes (needs uv)
	echo hatchling | uv pip compile pyproject.toml - --all-extras $(LOCK) -o tests/requirements.txt
	echo hatchling | uv pip compile pyproject.toml - --extra operator $(LOCK) -o operator/requirements.txt
	echo hatchling | uv pip compile pyproject.toml - --extra worker $(LOCK) -o worker_image/requirements.txt

LOCK := --generate-hashes --no-emit-index-url --no-emit-find-links --universal --no-header --quiet

KERNEL := $(wildcard worker_image/build_kernel.py worker_image/spectrogram_worker/spectrum/compiled/sources.py worker_image/spectrogram_worker/spectrum/kernel/*.[ch])

$(VENV)/installed: tests/requirements.txt pyproject.toml $(KERNEL)
	@echo "Preparing $(VENV): a minute or two, this once"
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/pip install --quiet --disable-pip-version-check --require-hashes -r tests/requirements.txt
	@$(BIN)/pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	@touch $@

.PHONY: help demo test lint planted model storm kueue compatibility bench bench-operator bench-memory images cluster cluster-down crds chart metrics reference faults lock
