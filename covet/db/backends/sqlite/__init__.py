"""SQLite, by aiosqlite."""
