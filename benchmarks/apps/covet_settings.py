"""Settings of Covet's contender: no middleware, as the peers have none."""

import json
import os

from benchmarks.data import database_url

SECRET_KEY = "benchmarks-only-" + "x" * 40
DEBUG = False
ALLOWED_HOSTS = ["*"]
# The suite of costs asks for a whole stack by the environment.
INSTALLED_APPS = json.loads(os.environ.get("BENCH_APPS", '["covet.rest", "benchmarks.apps.bench"]'))
MIDDLEWARE: list[str] = json.loads(os.environ.get("BENCH_MIDDLEWARE", "[]"))
ROOT_URLCONF = "benchmarks.apps.bench.urls"
# As many connections as the peers' pools have.
DATABASES = {"default": f"{database_url()}?pool_max_size=16"}
