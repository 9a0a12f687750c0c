# `make app` starts the app, `make test` checks everything. Both make .venv by themselves.

PYTHON ?= $(shell for name in python3.14 python3.13 python3.12 python3.11 python3; do \
	$$name -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $$name && break; \
	done)
BIN := .venv/bin
# Each worker has a browser and a server of its own, which wait for one another: three keep two
# cores busy. Who is done takes tests of the others.
PYTEST := $(BIN)/python -m pytest -n 3 --dist worksteal
DIST := dist
# Debian keeps Python's venv in a package of its own; installed when this user may.
APT_GET := $(shell test "$$(id -u)" = 0 && echo apt-get || echo sudo -n apt-get)

.PHONY: app test test-long lint style format unit gpu-test browser browser-found screenshots pictures worksheet wheel audit cluster-test

app: .venv/app-installed
	$(BIN)/python -m streamlit run app.py

# Pytest is the last thing that runs, so that its closing line is the last that is printed. One of
# its tests is mypy, on one core while the other tests use the other.
test: style browser-found
	$(PYTEST)

# The same with all widths and themes, hundreds of random examples and every mutation.
test-long: style browser-found
	$(PYTEST) --long

lint: style
	$(BIN)/mypy

style: .venv/dev-installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: .venv/dev-installed
	$(BIN)/ruff format .

# Without what needs a browser, and without what is a long program of its own: mypy, the notebook,
# the commands of the documents.
unit: .venv/dev-installed
	$(PYTEST) --ignore=tests/browser -m "not early"

# Where CUDA is; elsewhere there is nothing in tests/gpu to run.
gpu-test: .venv/dev-installed
	$(BIN)/python -m pytest tests/gpu

# Two replicas of Ray Serve, one of which is killed; Ray is in an environment of its own.
cluster-test: .venv/dev-installed
	$(BIN)/python -m pytest --long tests/deploy

browser: browser-found
	$(PYTEST) tests/browser

screenshots: browser-found
	$(BIN)/python tests/browser/screenshots.py

# Published advisories about what requirements.txt brings. Fails too where one could not be asked about.
audit: .venv/dev-installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check pip-audit==2.10.1
	$(BIN)/python -m pip_audit --strict --requirement requirements.txt

# The two pictures of the README.
pictures: browser-found
	$(BIN)/python tests/browser/pictures.py

# What a class writes on in the lesson of docs/lesson.md.
worksheet: .venv/dev-installed
	mkdir -p $(DIST)
	$(BIN)/python docs/worksheet.py $(DIST)/worksheet.pdf

# Built with what is installed here, so that it needs no network.
wheel: .venv/dev-installed
	$(BIN)/python -m pip wheel --no-build-isolation --no-deps --wheel-dir $(DIST) .

browser-found: .venv/dev-installed
	@$(BIN)/python tests/browser/find_browser.py > /dev/null

.venv/app-installed: requirements.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements.txt
	@touch $@

.venv/dev-installed: requirements.txt requirements-dev.txt | $(BIN)/python
	$(BIN)/python -m pip install --disable-pip-version-check -r requirements-dev.txt
	@touch $@

# What .venv has and Ray, for tests/deploy.
.venv-cluster/installed: requirements-cluster.txt .venv/dev-installed
	$(BIN)/python -m venv .venv-cluster
	$(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))' > \
		$$(.venv-cluster/bin/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/app.pth
	.venv-cluster/bin/python -m pip install --disable-pip-version-check -r requirements-cluster.txt
	@touch $@

# Made once; with | above, an interpreter that the system updates does not install everything again.
$(BIN)/python:
	@test -n "$(PYTHON)" || { echo "Python 3.11 or newer is needed: apt-get install python3" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ $(APT_GET) update && $(APT_GET) -y install python3-venv; } || \
		{ echo "Python's venv is needed: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
