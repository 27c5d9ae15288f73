"""Settings of Covet's contender: no middleware, as the peers have none."""

from benchmarks.data import database_url

SECRET_KEY = "benchmarks-only-" + "x" * 40
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["covet.rest", "benchmarks.apps.bench"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.apps.bench.urls"
# As many connections as the peers' pools have.
DATABASES = {"default": f"{database_url()}?pool_max_size=16"}
