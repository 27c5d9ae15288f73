"""YAML, read by a loader that makes plain values only; anchors, which bombs are made of, are refused."""

from __future__ import annotations

import functools
from typing import Any, Final

from covet.exceptions import MissingDependency
from covet.rest.formats.base import Format, FormatError

__all__ = ["YAML"]

MAX_DEPTH: Final = 100
MAX_SIZE: Final = 1024 * 1024


def _check() -> None:
    try:
        import yaml  # noqa: F401
    except ImportError as error:
        raise MissingDependency("PyYAML", extra="formats", feature="The format 'yaml'") from error


@functools.cache
def _classes() -> tuple[Any, Any]:
    """Return the loader and the dumper; made late, as the library may not be there."""
    _check()
    import yaml

    class Loader(yaml.SafeLoader):
        """Safe values, no aliases, no deep nests, no key twice."""

        depth = 0

        def compose_node(self, parent: Any, index: Any) -> Any:
            if self.check_event(yaml.events.AliasEvent):
                raise FormatError("YAML aliases are not read here; write the value out.")
            self.depth += 1
            if self.depth > MAX_DEPTH:
                raise FormatError("The body nests too deeply.")
            try:
                return super().compose_node(parent, index)
            finally:
                self.depth -= 1

        def construct_mapping(self, node: Any, deep: bool = False) -> Any:
            mapping = super().construct_mapping(node, deep=deep)
            if len(mapping) < len(node.value):
                raise FormatError("A key stands twice in one mapping.")
            for key in mapping:
                if not isinstance(key, str):
                    raise FormatError(f"The keys of a mapping are texts, and {key!r} is none; write it in quotes.")
            return mapping

    class Dumper(yaml.SafeDumper):
        """Writes every value out."""

        def ignore_aliases(self, data: Any) -> bool:
            return True

    return Loader, Dumper


def _read(raw: bytes) -> Any:
    import yaml

    if len(raw) > MAX_SIZE:
        raise FormatError(f"A YAML body may have {MAX_SIZE} bytes at most; send JSON.")
    loader, _ = _classes()
    try:
        return yaml.load(raw.decode("utf-8"), Loader=loader)  # noqa: S506  a SafeLoader that takes less
    except UnicodeDecodeError as error:
        raise FormatError("The body is not UTF-8.") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f" in line {mark.line + 1}" if mark is not None else ""
        raise FormatError(f"The body is not valid YAML: {getattr(error, 'problem', None) or 'error'}{where}") from error
    except (ValueError, OverflowError) as error:  # 2001-99-99 looks like a date and is none
        if isinstance(error, FormatError):
            raise
        raise FormatError(f"The body is not valid YAML: {error}") from error


def _write(value: Any) -> bytes:
    import yaml

    _, dumper = _classes()
    text: str = yaml.dump(value, Dumper=dumper, allow_unicode=True, sort_keys=False)
    return text.encode()


YAML: Final = Format("yaml", ("application/yaml", "application/x-yaml", "text/yaml"), _write, _read, check=_check)
