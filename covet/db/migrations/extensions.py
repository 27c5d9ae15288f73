"""What to write when a migration fails because a PostgreSQL extension is not installed in the database."""

from __future__ import annotations

import re
from typing import Final

__all__ = ["extension_hint"]

_OPERATIONS: Final = {
    "bloom": "BloomExtension()",
    "btree_gin": "BtreeGinExtension()",
    "btree_gist": "BtreeGistExtension()",
    "hstore": "HStoreExtension()",
    "pg_trgm": "TrigramExtension()",
    "pgcrypto": "CryptoExtension()",
    "unaccent": "UnaccentExtension()",
    "vector": "VectorExtension()",
}
"""The operations of ``covet.postgres.operations`` by extension; any other is a ``CreateExtension``."""

_TYPES: Final = {
    "citext": "citext",
    "cube": "cube",
    "halfvec": "vector",
    "hstore": "hstore",
    "ltree": "ltree",
    "sparsevec": "vector",
    "vector": "vector",
}
_METHODS: Final = {"bloom": "bloom", "hnsw": "vector", "ivfflat": "vector"}
_FUNCTIONS: Final = {
    "crypt": "pgcrypto",
    "digest": "pgcrypto",
    "gen_salt": "pgcrypto",
    "similarity": "pg_trgm",
    "strict_word_similarity": "pg_trgm",
    "unaccent": "unaccent",
    "uuid_generate_v4": "uuid-ossp",
    "word_similarity": "pg_trgm",
}
_PLAIN: Final = {"gin": "btree_gin", "gist": "btree_gist"}


def extension_hint(message: str) -> str:
    """Return what to write in a migration that failed with this message of PostgreSQL; an empty text where nothing is known."""
    message = message.lower()  # drivers begin their sentences as they like
    found = re.search(r'could not open extension control file|extension "(?P<name>[\w-]+)" is not available', message)
    if found is not None:
        what = f"extension '{found['name']}'" if found["name"] else "extension"
        return (
            f"The server has no such {what}: install the package that brings it on the server's machine "
            "(postgresql-contrib for those of PostgreSQL itself)."
        )
    found = re.search(r'permission denied to create extension "(?P<name>[\w-]+)"', message)
    if found is not None:
        name = found["name"]
        return (
            f'Let a superuser run CREATE EXTENSION "{name}" in this database once; the operation then finds it there.'
        )
    name = _missing(message)
    if not name:
        return ""
    operation = _OPERATIONS.get(name, f'CreateExtension("{name}")')
    return f"The extension '{name}' is not installed in the database: add {operation} of covet.postgres.operations before it."


def _missing(message: str) -> str:
    """Return the extension that a message is about."""
    found = re.search(r'type "(?P<name>\w+)(?:\(\d+\))?" does not exist', message)
    if found is not None:
        return _TYPES.get(found["name"], "")
    found = re.search(r'operator class "(?P<name>\w+)" does not exist', message)
    if found is not None:
        if found["name"] in ("gin_trgm_ops", "gist_trgm_ops"):
            return "pg_trgm"
        return "vector" if re.match(r"(?:vector|halfvec|sparsevec|bit)_\w+_ops", found["name"]) else ""
    found = re.search(r'access method "(?P<name>\w+)" does not exist', message)
    if found is not None:
        return _METHODS.get(found["name"], "")
    found = re.search(r'has no default operator class for access method "(?P<name>gin|gist)"', message)
    if found is not None:
        return _PLAIN[found["name"]]
    found = re.search(r"function (?:\w+\.)?(?P<name>\w+)\(.*\) does not exist", message)
    return "" if found is None else _FUNCTIONS.get(found["name"], "")
