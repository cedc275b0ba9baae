# make report   read an export (the made-up sample without EXPORT) and say why its messages failed and who can be reached again
# make test     run what proves it; the long runs are make campaign
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

EXPORT   ?= data/samples/failed_messages.csv
LANGUAGE ?= en
TAG      ?= $(if $(filter es% Es% ES% Spanish spanish castellano,$(LANGUAGE)),transmisión fallida,failed broadcast) {channel} {date:%d%m%y} {time}
OUT      ?= results
ifeq ($(EXPORT),data/samples/failed_messages.csv)
CHANNELS ?= data/samples/channels.toml
MESSAGES ?= data/samples/messages.csv
CONTACTS ?= data/samples/contacts.csv
CHANNEL  ?= 1001
endif

# An option is passed on only where its variable has a value.
option = $(if $(2),--$(1) "$(2)")
COMMON = $(call option,channels,$(CHANNELS)) $(call option,messages,$(MESSAGES)) $(call option,language,$(LANGUAGE)) \
         $(call option,timezone,$(TIMEZONE)) $(call option,date-format,$(DATE_FORMAT)) $(call option,rules,$(RULES)) \
         $(call option,from,$(FROM)) $(call option,to,$(TO)) $(call option,channel,$(CHANNEL)) --overwrite

# A variable of the command line that this file does not know is a typing error; those of the
# environment are none of its business.
KNOWN := EXPORT CHANNELS MESSAGES CONTACTS CHANNEL TAG LANGUAGE TIMEZONE DATE_FORMAT RULES FROM TO \
         ATTEMPTED LEDGER OUT PYTHON VENV BIN SHELL KILLS STEP FUZZ_SECONDS SOURCE_DATE_EPOCH
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command line,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(KNOWN) MAKEFLAGS,$(GIVEN))
HINT = import difflib, sys; name, *known = sys.argv[1:]; near = difflib.get_close_matches(name.upper(), known, 1); \
       print(name, "is no variable here.", *(["Did you mean", *near] if near else ["Known:", *known]))
ifdef UNKNOWN
$(error $(shell $(PYTHON) -I -c '$(HINT)' '$(firstword $(UNKNOWN))' $(KNOWN)))
endif

.PHONY: options campaign check dist fuzz sbom report test lab bench notebooks screenshots lock catalogues clean

report: $(VENV)/.run
	@$(BIN)/rebroadcast report "$(EXPORT)" $(COMMON) $(call option,attempted,$(ATTEMPTED)) --out "$(OUT)/failure_report"
	@$(BIN)/rebroadcast recover "$(EXPORT)" $(COMMON) $(call option,contacts,$(CONTACTS)) \
	    $(call option,ledger,$(LEDGER)) --tag "$(TAG)" --out "$(OUT)/tag_import"

test: $(VENV)/.dev
	$(MAKE) -s check
	@$(BIN)/python -m compileall -q lib tests   # hundreds of processes read it, some of which may not write
	$(BIN)/pytest -n 2 --dist loadfile --no-loadscope-reorder --nbval --nbval-current-env --nbval-cell-timeout=300 \
	    --nbval-sanitize-with=tests/sanitize.cfg --doctest-modules tests notebooks lib

# What takes seconds: layout, mistakes, types, and the order of the wings; .pre-commit-config.yaml calls it.
check: $(VENV)/.dev
	$(BIN)/ruff format --check lib tests data benchmarks
	$(BIN)/ruff check lib tests data benchmarks
	$(BIN)/mypy
	$(BIN)/lint-imports

lab: $(VENV)/.dev
	$(BIN)/jupyter lab notebooks

# Wheel and source archive, in dist/; a second build shows that the same files give the same bytes.
dist: export SOURCE_DATE_EPOCH ?= $(or $(shell git log -1 --format=%ct 2>/dev/null),1580601600)
dist: $(VENV)/.run
	@rm -rf dist
	@for folder in dist dist/again; do $(BIN)/python -m hatchling build -d $$folder || exit 1; done
	@for file in dist/again/*; do cmp $$file dist/$${file##*/} || exit 1; done; rm -rf dist/again
	@ls dist/*

bench: $(VENV)/.dev
	$(BIN)/python benchmarks/bench.py

# Run the notebooks again and keep what they show: nbval compares with it.
notebooks: $(VENV)/.dev
	$(BIN)/python notebooks/record.py

# Write docs/options.md from the command line's own help.
options: $(VENV)/.dev
	$(BIN)/python docs/options.py

# Take the pictures that the README shows.
screenshots: $(VENV)/.dev
	$(BIN)/python docs/screenshots.py

# Take all texts out of the code into the catalogues, and compile them; these functions and classes have them as arguments.
KEYWORDS = Doubt:2 n_:1,2 n:1,2 sentence RebroadcastError InputError ColumnError DateError ParameterError RulesError ChannelsError QuotaError \
           OutputError LedgerError BatchError RunError
catalogues: $(VENV)/.dev
	@pot=$$(mktemp) && trap 'rm -f "$$pot"' EXIT && \
	$(BIN)/pybabel -q extract -k "$(KEYWORDS)" --no-location --sort-output -o "$$pot" lib && \
	$(BIN)/pybabel -q update --no-wrap -D rebroadcast -l es -N --ignore-obsolete --ignore-pot-creation-date -i "$$pot" -d lib/rebroadcast/common/locale && \
	$(BIN)/pybabel -q compile -D rebroadcast -l es -d lib/rebroadcast/common/locale

# Needs uv; both files name every package with its hashes.
LOCK = uv pip compile -q --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links --no-header --no-annotate
lock:
	$(LOCK) --extra build pyproject.toml -o requirements/run.txt
	$(LOCK) --extra dev -c requirements/run.txt pyproject.toml -o requirements/dev.txt

$(VENV)/.run: requirements/run.txt pyproject.toml
	@echo "Installing the locked dependencies into $(VENV) (once)"
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/run.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

$(VENV)/.dev: requirements/dev.txt $(VENV)/.run
	@echo "Installing JupyterLab and the test tools into $(VENV) (once)"
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements/dev.txt
	@sh tests/system.sh
	@touch $@

# Long runs that try to break it; docs/reliability.md has their results.
campaign: $(VENV)/.dev
	$(BIN)/pytest -n 2 --dist loadfile -m long tests
	$(BIN)/python tests/faults.py $(or $(KILLS),60)
	$(BIN)/python tests/pollution.py --peers --step $(or $(STEP),31)

# Fuzzing led by coverage, FUZZ_SECONDS for each reader and for explain; what it finds worth keeping stays in .fuzz/.
FUZZ_SECONDS ?= 60
fuzz: $(VENV)/.dev
	@for target in explain sift failed messages contacts; do mkdir -p .fuzz/$$target && \
	$(BIN)/python tests/fuzz.py $$target .fuzz/$$target $$(test $$target = explain && echo tests/corpus/explain || echo tests/corpus/sift tests/corpus/contacts) \
	    -max_total_time=$(FUZZ_SECONDS) -timeout=60 -artifact_prefix=.fuzz/ -print_final_stats=1 2>&1 | \
	    grep -E "^Done|number_of_executed|ERROR|Exception|Test unit" || exit 1; ls .fuzz/crash-* .fuzz/timeout-* 2>/dev/null && exit 1; done; true

# What is installed, as a bill of materials (CycloneDX), by its tool in an environment of its own.
sbom: $(VENV)/.dev
	@$(PYTHON) -m venv $(VENV)-sbom && $(VENV)-sbom/bin/python -m pip install -q --disable-pip-version-check cyclonedx-bom==7.5.0
	@$(VENV)-sbom/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --short-PURLs $(BIN)/python | $(BIN)/python docs/sbom.py

clean:
	rm -rf $(VENV) $(VENV)-sbom results
