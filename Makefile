.PHONY: demo test check docs lock clean

demo:  ## raw events to features in Redis, read back
	@scripts/demo

test:  ## build the example project from the seed, then pytest; make test ARGS="tests/x.py -k y"
	@scripts/test $(ARGS)

check:  ## format, lint, types, SQL style, dbt deprecations
	@scripts/check

docs:  ## the dbt site as one file: target/static_index.html
	@scripts/docs

lock:  ## pyproject.toml to requirements.txt, with hashes; newer versions: make lock ARGS=--upgrade
	@scripts/install
	@command -v uv >/dev/null || .venv/bin/python -m pip install -q uv
	PATH="$$PATH:$$PWD/.venv/bin" uv pip compile pyproject.toml --all-extras --group dev --universal \
		--python-version 3.11 --generate-hashes --no-strip-extras --no-header --quiet --output-file requirements.txt $(ARGS)

clean:  ## everything made here but .venv
	@if [ -d target/redis ] && [ -x .venv/bin/fsync ]; then .venv/bin/fsync redis stop; fi
	rm -rf target dbt_packages logs build *.egg-info .mypy_cache .ruff_cache .pytest_cache .hypothesis
