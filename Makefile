# Everything a user or developer does, each in one line: `make help`.
PYTHON ?= python3
BUNDLE ?= ventricles_mr_segmentation_unet
DATA   ?= data
STUDY  ?= study
OUT    ?= out
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
ARGS   ?=
quoted  = '$(subst ','\'',$(1))'
.DEFAULT_GOAL := help
.PHONY: help setup format check test fuzz mutants coverage bundles demo train evaluate segment package bench zoo review-page wheel sbom \
	audit docs docs-commands docs-serve clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-13s %s\n", $$1, $$2}' Makefile
	@echo '  variables, paths with blanks and quotes as they are:'
	@echo $(call quoted,  BUNDLE=$(BUNDLE) DATA=$(DATA) STUDY=$(STUDY) OUT=$(OUT)) "ARGS='--set epochs=10'"

setup: $(STAMP)  ## make .venv with everything pinned
$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[dev]'
	@touch $(STAMP)

format: setup  ## format the code
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

check: setup  ## format, lint, types, import contract, rendered bundles unchanged
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/mypy && $(BIN)/lint-imports --no-cache
	$(BIN)/cmr bundle check

test: setup  ## all tests; those on real patients need CMR_DATA
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal $(ARGS)

fuzz: setup  ## 20,000 damaged studies, each read, noted or refused; ARGS='--seed 1 --jobs 4'
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.fuzz.campaign --inputs 20000 $(ARGS)

mutants: setup  ## mutation testing of core, measure and read, for hours; ARGS='pipeline.core.*' is one room
	OMP_NUM_THREADS=1 $(BIN)/mutmut run $(ARGS)
	$(BIN)/mutmut results

coverage: setup  ## lines of pipeline/ that the tests run
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist worksteal --cov pipeline --cov-report term:skip-covered $(ARGS)

bundles: setup  ## render bundles/ from configs/
	$(BIN)/cmr bundle render

demo: setup  ## segment a real heart that comes with the program, beside experts' contours; ARGS=--train trains instead
	$(BIN)/cmr demo $(call quoted,$(OUT)/demo) $(ARGS)

train: setup  ## train BUNDLE on DATA into OUT/BUNDLE
	$(BIN)/cmr train --bundle $(call quoted,$(BUNDLE)) --data $(call quoted,$(DATA)) --out $(call quoted,$(OUT)/$(BUNDLE)) $(ARGS)

evaluate: setup  ## measure the bundle trained into OUT/BUNDLE on DATA
	$(BIN)/cmr evaluate --bundle $(call quoted,$(OUT)/$(BUNDLE)) --data $(call quoted,$(DATA)) $(ARGS)

segment: setup  ## segment STUDY with BUNDLE, a shipped one's name or a folder
	$(BIN)/cmr segment $(call quoted,$(STUDY)) --bundle $(call quoted,$(BUNDLE)) --out $(call quoted,$(OUT)/segmented) $(ARGS)

package: setup  ## zip the bundle trained into OUT/BUNDLE
	$(BIN)/cmr bundle package $(call quoted,$(OUT)/$(BUNDLE)) --out $(call quoted,$(OUT)/dist)

bench: setup  ## speed, as ratios measured side by side
	$(BIN)/python benchmarks/bench.py

zoo: setup  ## every network after one small training each on DATA, as a table; goes on where it stopped
	$(BIN)/python benchmarks/zoo.py $(call quoted,$(DATA)) $(call quoted,$(OUT)/zoo) $(ARGS)

wheel: setup  ## the wheel, with weights and sample, and the source archive, into OUT/dist
	$(BIN)/python -m build --no-isolation --outdir $(call quoted,$(OUT)/dist)

sbom: setup  ## the list of all components with versions and licences, OUT/dist/sbom.cdx.json (CycloneDX)
	@mkdir -p $(call quoted,$(OUT)/dist)
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[release]'
	$(BIN)/cyclonedx-py environment $(VENV) --pyproject pyproject.toml --output-reproducible --of JSON -o $(call quoted,$(OUT)/dist/sbom.cdx.json)

audit: setup  ## look the pinned packages up among known vulnerabilities; needs the internet
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[release]'
	$(BIN)/pip-audit --requirement constraints.txt --no-deps --disable-pip

review-page:  ## build the page of cmr review from review/; needs Node 20.19 or later
	cd review && npm ci --no-audit --no-fund && npm run check && npm test && npm run build

docs: setup  ## build the site of documentation into out/site
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

docs-commands: setup  ## run every command of README and site in a clean folder, half an hour
	OMP_NUM_THREADS=1 $(BIN)/pytest -m documented -s tests/docs/test_documented_commands.py $(ARGS)

docs-serve: setup  ## show the site while its pages are written
	$(BIN)/python -m pip install --quiet -c constraints.txt -e '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs serve

clean:  ## remove what was built, downloads and results aside
	rm -rf build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
