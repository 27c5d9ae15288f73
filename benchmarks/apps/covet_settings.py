"""Settings of Covet's contender: no middleware, as the peers have none."""

from benchmarks.data import database_url

SECRET_KEY = "benchmarks-only-" + "x" * 40
DEBUG = False
ALLOWED_HOSTS = ["*"]
INSTALLED_APPS = ["covet.rest", "benchmarks.apps.bench"]
MIDDLEWARE: list[str] = []
ROOT_URLCONF = "benchmarks.apps.bench.urls"
DATABASES = {"default": database_url()}
