"""What only PostgreSQL has: arrays, ranges, hstore, vectors, full text, exclusion constraints, its indexes and its operations.

Put ``"covet.postgres"`` into INSTALLED_APPS for the look-ups on ordinary texts: ``__search``, ``__unaccent`` and
``__trigram_similar``. All else works by importing it.
"""
