"""Settings of the blog example. Each can come from the environment too: COVET_DEBUG=false, DATABASE_URL=postgres://…"""

from pathlib import Path

BASE_DIR = Path(__file__).resolve().parent.parent

DEBUG = True
SECRET_KEY = "an-example-has-no-secrets-" + "0" * 30
ALLOWED_HOSTS = ["localhost", "127.0.0.1", "[::1]", "testserver"]

INSTALLED_APPS = [
    "covet.contenttypes",
    "covet.auth",
    "covet.sessions",
    "covet.rest",
    "covet.graphql",
    "covet.websocket",
    "blog",
]

MIDDLEWARE = [
    "covet.middleware.security.SecurityMiddleware",
    "covet.sessions.middleware.SessionMiddleware",
    "covet.middleware.common.CommonMiddleware",
    "covet.middleware.csrf.CsrfMiddleware",
    "covet.auth.middleware.AuthenticationMiddleware",
]

DATABASES = {"default": f"sqlite:///{BASE_DIR / 'db.sqlite3'}"}
CHANNELS = {"default": "memory://"}
ROOT_URLCONF = "blogsite.urls"
