# `make bench` and `make test` set everything up by themselves.
#
#   make bench             run suites/quickstart.yaml, compare, write runs/quickstart/report.html
#   make test              the tests that need no more than this machine and a few minutes
#   make test-slow         the rest of them
#   make test-exhaustive   every scenario on twenty seeds; takes long
#   make validity          play experts, cheats and lesser models; write docs/validity.md; takes long
#   make tour              play an expert's episode of each environment; write docs/tour.md
#   make images            build container images; IMAGES="toolserver langchain" names some of them
#   make base-image        make fleetgym-base of Debian packages, for where no image can be pulled
#   make test-docker       the tests that need a Docker daemon; start one if they have to
#   make lint              what CI checks besides
#   make format            let ruff format and mend what it can
#   make refresh           move every lock file to the newest releases
#   make clean             forget environments and caches (runs/ is kept)

PYTHON ?= python3
STATE := .fleetgym
UV := $(STATE)/tools/bin/uv
BIN := .venv/bin
SUITE ?= suites/quickstart.yaml
OUT ?= runs/quickstart
SEEDS ?= 0-19
MEMBERS := . graders knowledge_bases knowledge_bases/cluster knowledge_bases/estate knowledge_bases/platform knowledge_bases/warehouse $(sort $(wildcard envs/*))
PLUGINS := $(sort $(wildcard plugins/*))

export UV_PYTHON_DOWNLOADS := never
export FLEETGYM_HOME := $(abspath $(STATE))

.PHONY: bench test test-slow test-exhaustive test-docker validity tour images base-image lint format setup refresh clean help

help:
	@sed -n 's/^#   //p' Makefile

bench: setup
	@$(BIN)/fleetgym run $(SUITE) --out $(OUT)
	@$(BIN)/fleetgym compare $(OUT)
	@$(BIN)/fleetgym report $(OUT) --out $(OUT)/report.html

test: setup
	@$(BIN)/pytest -n 2 --dist loadgroup -m "not slow and not exhaustive and not docker and not browser"

test-slow: setup
	@$(BIN)/pytest -n 2 --dist loadgroup -m "slow and not docker"

test-exhaustive: setup
	@$(BIN)/pytest -n 2 --dist loadgroup -m exhaustive

test-docker: setup
	@$(BIN)/pytest -n 2 --dist loadgroup -m docker

validity: setup
	@for env in CtiRealm DataExploration DataQuality IncidentTriage K8sTroubleshooting RolloutPlanning ServiceDesk; do \
		$(BIN)/fleetgym check env fleetgym/$$env-v1 --seeds $(SEEDS) --table docs/validity.md || exit; \
	done

tour: setup
	@$(BIN)/fleetgym tour --out docs/tour.md

images: $(STATE)/setup.stamp
	@$(BIN)/python containers/build $(IMAGES)

base-image:
	@containers/base/make

lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(BIN)/fleetgym check scenario

format: setup
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

setup: $(STATE)/setup.stamp
	@$(BIN)/fleetgym plugins add --quiet $(PLUGINS)

$(UV): requirements/bootstrap.txt
	@$(PYTHON) -m pip install -qq --disable-pip-version-check --upgrade --target $(STATE)/tools \
		--require-hashes -r requirements/bootstrap.txt
	@touch $@

$(STATE)/setup.stamp: $(UV) requirements/dev.txt $(addsuffix /pyproject.toml,$(MEMBERS))
	@echo "setting up .venv"
	@test -x $(BIN)/python || $(UV) venv --quiet --python $(PYTHON) .venv
	@$(UV) pip sync --quiet --python $(BIN)/python --require-hashes --compile-bytecode requirements/dev.txt
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation $(addprefix -e ,$(MEMBERS))
	@touch $@

refresh:
	@$(UV) lock --quiet --upgrade
	@$(UV) export --quiet --frozen --no-header --no-annotate --all-packages --extra run --no-dev \
		--no-emit-workspace -o requirements/runner.txt
	@$(UV) export --quiet --frozen --no-header --no-annotate --all-packages --extra run --group dev \
		--no-emit-workspace -o requirements/dev.txt
	@$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
		--no-annotate --no-emit-index-url --constraints requirements/runner.txt \
		--excludes containers/toolserver/excluded.txt containers/toolserver/requirements.in \
		-o containers/toolserver/requirements.txt
	@$(UV) pip compile --quiet --upgrade --universal --generate-hashes --no-header --no-annotate \
		--no-emit-index-url requirements/bootstrap.in -o requirements/bootstrap.txt
	@for plugin in $(PLUGINS); do \
		$(UV) pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-header \
			--no-annotate --no-emit-index-url $$plugin/requirements.in -o $$plugin/requirements.txt || exit 1; \
	done

clean:
	@rm -rf .venv $(STATE)
