# `make help` lists what there is. On a machine with Python 3.11 and nothing else, `make run` and
# `make test` install what they need into .venv and keep their data under var/.

.DEFAULT_GOAL := help
SHELL := /bin/sh
PYTHON ?= python3
BIN := .venv/bin
T ?=

# Production's settings, for checks alone.
AS_DEPLOYED := @SECRET_KEY=checked-only-never-used-5f2c1e0d9b8a7766554433221100ffee \
	SITE_URL=https://door.example.org EMAIL_URL=smtps://user:password@mail.example.org:465 \
	TRUSTED_PROXY_COUNT=1

.PHONY: run dev test lint asvs audit sbom bench requirements clean help python

run: .venv/installed ## everything on this machine: web, workers, scheduler, Redis, SQLite
	@$(BIN)/python -m bottomline.local || [ $$? -eq 130 ]

dev: .venv/installed ## the same, restarting the web server when a file changes
	@$(BIN)/python -m bottomline.local --reload || [ $$? -eq 130 ]

test: .venv/installed-dev ## the whole test suite, or T=path of it
	@$(BIN)/python -m pytest $(T)

lint: .venv/installed-dev ## format, style, types, import rules, missing migrations, deploy check
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(AS_DEPLOYED) $(BIN)/mypy
	$(BIN)/lint-imports
	$(AS_DEPLOYED) $(BIN)/python manage.py makemigrations --check --dry-run
	$(AS_DEPLOYED) $(BIN)/python manage.py check --deploy --fail-level WARNING

asvs: python ## what OWASP ASVS 5.0 asks and what proves it: writes docs/asvs.md
	@$(PYTHON) docs/asvs.py

audit: .venv/installed-dev ## ask PyPI for known faults of every pinned package; needs the network
	$(BIN)/pip-audit --strict --disable-pip --require-hashes -r requirements.txt -r requirements-dev.txt

sbom: python ## every package that runs in production, as CycloneDX on standard output
	@$(PYTHON) docs/sbom.py

bench: .venv/installed-dev ## how fast it is, beside others on this machine; T=storm under attack
	@$(BIN)/python -m bench $(T)

requirements: .venv/installed-dev ## pin the newest versions that requirements*.in allow
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make requirements" requirements.in -o requirements.txt
	$(BIN)/uv pip compile -q --upgrade --universal --python-version 3.11 --generate-hashes \
		--no-annotate --custom-compile-command "make requirements" requirements-dev.in -o requirements-dev.txt

clean: ## remove what was installed or built; var/ with its data stays
	rm -rf .venv staticfiles .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

.venv/bin/python: | python
	@$(PYTHON) -m venv .venv || { rm -rf .venv; echo "bottomline cannot be installed: $(PYTHON) has no venv module, or this folder is read-only. Install it (on Debian: apt install python3-venv), or copy the project to a folder of yours." >&2; exit 1; }

.venv/installed: requirements.txt | .venv/bin/python
	@echo "Installing into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.txt
	@touch $@

.venv/installed-dev: requirements-dev.txt .venv/installed
	@echo "Installing what the tests need into .venv (once) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.txt
	@touch $@

python:
	@command -v $(PYTHON) >/dev/null || { echo "bottomline needs Python 3.11 or newer and there is no $(PYTHON) here. Install it, or name it: make run PYTHON=/path/to/python3." >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "bottomline needs Python 3.11 or newer and $(PYTHON) is older. Name a newer one: make run PYTHON=python3.12." >&2; exit 1; }
