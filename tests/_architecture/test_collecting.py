"""What pytest has collected is none of the garbage collector's business while the tests run."""

from __future__ import annotations

import gc

import pytest


def test_what_was_collected_is_not_looked_through_for_garbage(request: pytest.FixtureRequest) -> None:
    """It is the most of what there is: a test that collects garbage would take the better part of a second."""
    looked_through = {id(one) for one in gc.get_objects()}

    assert gc.isenabled()
    assert id(request.session) not in looked_through
    assert not any(id(item) in looked_through for item in request.session.items)
