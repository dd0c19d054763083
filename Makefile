# The two commands:  make lab   make test        (make help lists the rest)

PYTHON ?= python3
VENV ?= .venv
PY := $(VENV)/bin/python
# The environment grows in two steps: what a learner needs, then what the tests need.
LAB := $(VENV)/.made-for-the-lab
TESTS_TOO := $(VENV)/.made-for-the-tests

# Overrides:  make lab PORT=9999 BROWSER=firefox      make lab LAB_ARGS="--no-browser"
#             make test TESTS=tests/tcp               make test PYTEST_ARGS="-m 'not slow'"        make test JOBS=0
PORT ?= 8888
BROWSER ?=
LAB_ARGS ?=
TESTS ?=
PYTEST_ARGS ?=
JOBS ?= auto
NOTEBOOKS ?=
SCRIPTS ?= $(if $(VERSIONS),100,20000)
FUZZ_ARGS ?=
LOWEST ?= 3.11
REPOSITORY ?=
LESSONS ?= lessons/0*.ipynb
SITE_ARGS ?=
CONTAINER_ARGS ?=
# The learner's own copy, without the stored answers; an update of the course leaves alone what was changed in it.
COPY ?= course

.DEFAULT_GOAL := help
.PHONY: help lab test lint notebooks assignments instructor badges record programs audit benchmark site slides site-test page-kernel screenshots cheatsheet matrix containers faults hub versions fuzz pins differences kernels kernel-test env clean

help: ## show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "make %-11s %s\n", $$1, $$2}' Makefile

lab: $(LAB) ## open the course in JupyterLab (PORT=8888 BROWSER=... LAB_ARGS=...)
	@$(PY) -m tcploop_lab lab $(COPY) --port=$(PORT) --browser='$(BROWSER)' -- $(LAB_ARGS)

# tests/conftest.py says in how many processes, and which tests keep together.
test: env ## run every test and every notebook (TESTS=... PYTEST_ARGS=... JOBS=...)
	@echo "Running the tests and the notebooks ..."
	@$(PY) -m pytest --numprocesses=$(JOBS) --dist=loadscope --no-loadscope-reorder $(PYTEST_ARGS) $(TESTS)

lint: env ## check style and types
	@echo "Checking style and types ..."
	@$(PY) -m ruff check .
	@$(PY) -m mypy
	@$(VENV)/bin/lint-imports

notebooks: env ## run the notebooks again, in order, and store them clean (NOTEBOOKS=...)
	@$(PY) tools/notebooks.py $(NOTEBOOKS)

assignments: env ## make again what students get, notebooks/assignments/release
	@cd notebooks/assignments && PATH="$(abspath $(VENV))/bin:$$PATH" nbgrader generate_assignment --force --log-level=WARN "*"
	@rm -f notebooks/assignments/gradebook.db
	@echo "Made: notebooks/assignments/release"

instructor: ## pack solutions, judges and nbgrader's settings for the instructor, in dist/
	@mkdir -p dist
	@tar --create --gzip --file dist/tcploop-lab-instructor.tar.gz --directory notebooks \
	  $(addprefix assignments/,README.md nbgrader_config.py classroom.yml hub source judges release)
	@echo "Made: dist/tcploop-lab-instructor.tar.gz"

record: env ## record again what ships recorded, on this kernel (a minute)
	@$(PY) tools/record.py

programs: env ## get what is audited from PyPI and npm into build/programs, and say how to get the rest
	@$(PY) tools/audit_table.py --get

audit: env ## audit the real programs of this machine again, and store the table (minutes)
	@$(PY) tools/audit_table.py

site: env ## build the course as web pages in build/site/html, and check their links (SITE_ARGS=--no-kernel: offline)
	@$(PY) tools/site.py $(SITE_ARGS)

slides: env ## make slides of the lessons in build/slides: the question first, the answer with the next key
	@$(PY) tools/slides.py

site-test: site ## try the pages: the kernel in the first one, axe in both themes (minutes)
	@$(PY) -m pytest -q -s tests/e2e/page_kernel.py

page-kernel: env ## build the first page's small kernel from Debian's source, and keep it in the cache (five minutes)
	@$(PY) tools/page_kernel.py --small

screenshots: env ## take the README's screenshots again in Chromium and a terminal (two minutes)
	@$(PY) -m tools.screenshots

cheatsheet: env ## print docs/cheatsheet.md as one page, docs/cheatsheet.pdf, with Chromium
	@$(PY) tools/cheatsheet.py

badges: env ## have the README's buttons open a repository of GitHub in Binder and Codespaces (REPOSITORY=owner/name)
	@$(PY) tools/badges.py $(REPOSITORY)

matrix: env ## run every lesson on every kind of machine, and store docs/matrix.md (some minutes)
	@$(PY) -m tests.matrix.table

containers: ## build the image and try it with podman, as root: docs/containers.md (minutes; CONTAINER_ARGS=...)
	@$(PYTHON) tools/containers.py $(CONTAINER_ARGS)

faults: env ## make every fault twenty times, and store docs/faults.md (some minutes)
	@$(PY) -m tests.faults.table

# One cell of the table in docs/teaching.md. uv takes the lowest versions; a Python that is not here it fetches. What a
# wheel needs is not "direct" to uv, and would be the newest: so the requirements are pyproject.toml's.
versions: env ## run the lessons with the lowest versions allowed, from the wheel, simulated (LOWEST=... LESSONS=...)
	@command -v uv > /dev/null || { echo "uv finds the lowest versions, and is not here: pip install uv" >&2; exit 3; }
	@rm -rf build/versions && mkdir -p build/versions
	@$(PY) -m build --no-isolation --wheel --outdir build/versions . > /dev/null
	@uv venv --quiet --python $(LOWEST) build/versions/env
	@uv pip install --quiet --python build/versions/env --resolution lowest-direct -r pyproject.toml 'nbval>=0.11'
	@uv pip install --quiet --python build/versions/env --no-deps build/versions/*.whl
	@cd build/versions && env/bin/tcploop notebooks lessons && TCPLOOP_TESTBED=simulated env/bin/python -m pytest -q \
	  -c /dev/null --rootdir=. -p no:cacheprovider --nbval-lax --nbval-current-env --nbval-cell-timeout=120 $(LESSONS)

# Its users must reach the environment: not one below /root, nor of a Python there.
hub: env ## follow the instructor's page on a real JupyterHub: as root, where accounts can be made (needs npm)
	@test "$$(id -u)" = 0 || { echo "make hub makes accounts: run it as root, in a container with nothing to lose" >&2; exit 3; }
	@command -v npm > /dev/null || { echo "JupyterHub's proxy comes from npm, which is not here: apt install npm" >&2; exit 3; }
	@test -x build/hub/bin/jupyterhub || /usr/bin/python3 -m venv build/hub
	@build/hub/bin/python -m pip install -qq --disable-pip-version-check --constraint constraints.txt '.[grading]' 'jupyterhub>=5'
	@test -d build/hub/node_modules || npm install --silent --prefix build/hub configurable-http-proxy
	@PATH="$(abspath build/hub/bin):$(abspath build/hub/node_modules/.bin):$$PATH" $(PY) -m pytest -q tests/hub/monday.py

fuzz: env ## give every parser 10,000 inputs, and more by coverage where atheris is installed (FUZZ_ARGS=...)
	@FUZZ_INPUTS=10000 $(PY) -m pytest -q --timeout=0 tests/faults/test_fuzz.py
	@! $(PY) -c "import atheris" 2> /dev/null || $(PY) tools/fuzz_pcap.py $(FUZZ_ARGS)

kernels: env ## fetch every real kernel that can be had, measure it, and store docs/kernels.md (twenty minutes; VERSIONS=...)
	@$(PY) tools/kernels.py $(VERSIONS)

kernel-test: env ## start a kernel in QEMU and try it (a minute)
	@$(PY) -m pytest -q tests/kernels/cloud_kernel.py

differences: env ## play random scripts on real kernels and on the simulated ones: docs/simulated.md (SCRIPTS=... VERSIONS=...)
	@$(PY) -m tests.stacks.differences $(SCRIPTS) $(VERSIONS)

benchmark: env ## measure the lab against a C loop, and draw docs/figures/benchmark.png (a quiet machine, minutes)
	@$(PY) benchmarks/compare.py --figure docs/figures/benchmark.png

# For every Python from the oldest on, and for every system: uv resolves them without being there.
# From jsonschema 4.25 on each program of Jupyter compiles a grammar of international addresses as it starts, for more
# than a second, which no notebook needs.
# With its extras: pip takes the newest of a package that is asked for with an extra and pinned without, and stops there.
pin = uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header --no-strip-extras \
  --constraint build/held.txt pyproject.toml
pins: ## write the lock again with the newest versions, for maintainers (needs uv)
	@mkdir -p build
	@echo 'jsonschema<4.25' > build/held.txt
	@$(pin) --upgrade --extra test --output-file build/tests.txt
	@$(pin) --constraint build/tests.txt --output-file environment/lab.txt
	@{ echo '-r lab.txt'; awk 'NR == FNR { seen[$$0]; next } /^[^ ]/ { new = !($$0 in seen) } new' environment/lab.txt build/tests.txt; } > environment/tests.txt
	@{ grep '^#' constraints.txt; sed -n 's/^\([^ []*\)\(\[.*\]\)\{0,1\}\(==[^ ]*\) .*/\1\3/p' build/tests.txt; } > build/constraints.txt
	@mv build/constraints.txt constraints.txt

env: $(TESTS_TOO) ## make the environment in .venv, that of the tests too, if it is not there yet

# uv does the same as pip in a fraction of the time, where it is installed and gets through; it asks the system, as pip
# can be told to, whom to trust. A file with another hash is refused by both.
install = $(if $(shell command -v uv),UV_SYSTEM_CERTS=1 UV_NATIVE_TLS=1 uv pip install --quiet --python $(PY) $(1) || )\
$(PY) -m pip install -qq --disable-pip-version-check $(1)

$(LAB): pyproject.toml environment/lab.txt
	@echo "Making the environment in $(VENV): a minute the first time, seconds after that ..."
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "This needs Python 3.11 or later. With another one: make lab PYTHON=python3.12" >&2; exit 1; }
	@test -x $(PY) || $(PYTHON) -m venv --clear $(VENV) > /dev/null 2>&1 \
	  || { rm -rf $(VENV); echo "python3 -m venv failed. On Debian and Ubuntu: sudo apt install python3-venv" >&2; exit 1; }
	@$(call install,--require-hashes --requirement environment/lab.txt)
	@$(call install,--no-deps --editable .)
	@# No news or update check: the lab asks nothing of the network.
	@$(PY) -m jupyter labextension disable --level=sys_prefix --log-level=ERROR \
	  "@jupyterlab/apputils-extension:announcements"
	@touch $@

$(TESTS_TOO): $(LAB) environment/tests.txt
	@echo "Adding what the tests need ..."
	@$(call install,--require-hashes --requirement environment/tests.txt)
	@# nbgrader is here for the tests and the command line; its menus and its server are not the learner's business.
	@$(PY) -m jupyter labextension disable --level=sys_prefix --log-level=ERROR "@jupyter/nbgrader"
	@$(PY) -m jupyter server extension disable --sys-prefix --log-level=ERROR \
	  $(addprefix nbgrader.server_extensions.,formgrader validate_assignment assignment_list course_list)
	@touch $@

clean: ## remove the environment and everything else that was made
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache
