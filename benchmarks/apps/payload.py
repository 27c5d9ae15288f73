"""The hundred objects that contenders give without a database, as plain data."""

from __future__ import annotations

from typing import Any

OBJECTS: list[dict[str, Any]] = [
    {
        "id": number,
        "name": f"Name {number}",
        "email": f"user{number}@example.com",
        "active": number % 2 == 0,
        "score": number / 7,
        "tags": ["a", "b"],
        "note": None,
        "items": [{"sku": f"x-{number}", "count": number, "price": 9.5}],
    }
    for number in range(100)
]
