"""What the code of another framework needs once ``import_django_app`` has rewritten it."""

from __future__ import annotations

from typing import Any, NoReturn

from covet.exceptions import CovetError

__all__ = ["Missing", "NotPorted", "missing"]


class NotPorted(CovetError):
    """A name was used that Covet has no equivalent for; the text says which one."""


class Missing:
    """Stands for a name that has no equivalent: importing it is fine, using it raises ``NotPorted``.

    Args:
        path: The dotted path that the name was imported from.
    """

    def __init__(self, path: str) -> None:
        self.__dict__["_path"] = path

    def __repr__(self) -> str:
        return f"<missing {self._path}>"

    def __call__(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Refuse to be called."""
        self._refuse()

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__") and name.endswith("__"):
            # Python asks for these by itself: copying, pickling, abstract classes.
            raise AttributeError(name)
        return self._refuse()

    def __getitem__(self, item: Any) -> NoReturn:
        self._refuse()

    def __mro_entries__(self, bases: tuple[Any, ...]) -> NoReturn:
        """Refuse to be the base of a class."""
        self._refuse()

    def _refuse(self) -> NoReturn:
        path = self.__dict__["_path"]
        raise NotPorted(f"{path} has no equivalent in Covet. Rewrite the code that uses it.")


def missing(path: str) -> Any:
    """Return a stand-in for a name that Covet has no equivalent for.

    Args:
        path: The dotted path that the name was imported from.

    Returns:
        An object that raises ``NotPorted`` as soon as it is used.
    """
    return Missing(path)
