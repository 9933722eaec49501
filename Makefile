# Everything here works on a machine that has only python3 and make: the first target that needs it makes .venv.
#
#   make demo         a simulated plant with a month of history, live on a page; Ctrl-C ends it
#   make test         the tests
#   make check        ruff, mypy, import rules, then the tests
#   make soak         the same questions asked for longer: tests marked `soak`
#   make mutants      takes each guard of tests/mutants.py out, and sees a test go red
#   make bench        the figures of docs and README, measured here, against their targets
#   make constraints  newest versions of everything, written to constraints.txt
#   make pictures     the pictures of docs/tour.md, from what the tests see (Chromium)
#   make schema       docs/plant.schema.json from the types, docs/schema.md from the tables
#   make dashboards   Grafana's dashboards from docker/grafana/dashboards.py

PYTHON ?= python3
BIN := .venv/bin
READY := .venv/.ready
# A process a core, four at most; a file's tests stay together, for they share what takes long to start.
SIDE_BY_SIDE := -n auto --maxprocesses=4 --dist loadfile

.PHONY: demo test check soak mutants bench constraints pictures schema dashboards clean

demo: $(READY)
	@$(BIN)/tailrace demo

test: $(READY)
	$(BIN)/pytest -q $(SIDE_BY_SIDE)

check: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check --quiet
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	@$(MAKE) --no-print-directory test

soak: $(READY)
	$(BIN)/pytest -q -m soak

mutants: $(READY)
	$(BIN)/pytest -q -m soak tests/test_mutants.py

bench: $(READY)
	$(BIN)/python bench/run.py

pictures: $(READY)
	TAILRACE_PICTURES=docs/images $(BIN)/pytest -q tests/test_demo.py

schema: $(READY)
	$(BIN)/tailrace validate --schema | $(BIN)/python -m json.tool > docs/plant.schema.json
	$(BIN)/python -m tailrace.projections.schema_page > docs/schema.md

dashboards: $(READY)
	$(BIN)/python docker/grafana/make.py

# Exact versions first, then the checkout itself without asking the index again.
$(READY): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r constraints.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --no-deps -e .
	@touch $@

constraints:
	rm -rf build/fresh && $(PYTHON) -m venv build/fresh
	build/fresh/bin/python -m pip install --quiet --disable-pip-version-check --upgrade setuptools wheel '.[dev]'
	build/fresh/bin/python -m pip freeze --all --exclude tailrace --exclude pip > constraints.txt
	rm -rf build/fresh

clean:
	rm -rf .venv build dist *.egg-info
