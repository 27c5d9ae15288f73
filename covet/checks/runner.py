"""Collects what registered checks and app parts find, sorts it, and leaves out what is silenced."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

from covet.checks.messages import CheckMessage, Tags
from covet.concurrency import signature
from covet.conf import settings

if TYPE_CHECKING:
    from covet.apps.registry import Apps

__all__ = ["register", "registered_tags", "run_checks", "unregister"]

F = TypeVar("F", bound=Callable[..., Any])

# Checks register at import, as in Django: the one table of this module, asked only by ``run_checks``.
_checks: dict[Callable[..., Any], tuple[frozenset[str], bool]] = {}


def register(*tags: str, deploy: bool = False) -> Callable[[F], F]:
    """Make a function a check: ``@register(Tags.urls)``.

    The function is called with ``apps`` and gives messages: a list, a generator, or a coroutine of either.

    Args:
        tags: What the check is about, for ``check --tag``. One with ``Tags.database`` runs only for the databases that
            ``check --database`` names, and is called with ``databases=`` as well, where it takes that.
        deploy: Run it only with ``--deploy``.
    """

    def mark(function: F) -> F:
        _checks[function] = (frozenset(tags), deploy)
        return function

    return mark


def unregister(function: Callable[..., Any]) -> None:
    """Forget a check."""
    _checks.pop(function, None)


def registered_tags(apps: Apps, *, deploy: bool = False) -> list[str]:
    """Return the tags of all registered checks and parts, sorted."""
    tags = {tag for found, only_deploy in _checks.values() if deploy or not only_deploy for tag in found}
    tags.update(tag for part in apps.parts() for tag in part.tags)
    return sorted(tags)


async def run_checks(
    apps: Apps,
    tags: Iterable[str] | None = None,
    deploy: bool = False,
    labels: Iterable[str] | None = None,
    databases: Iterable[str] = (),
) -> list[CheckMessage]:
    """Return what the checks find, the worst first; silenced ids left out.

    Args:
        apps: The registry to check.
        tags: Only checks with one of these tags.
        deploy: Also the checks meant for production.
        labels: Only findings about these apps, where a finding says what it is about.
        databases: The aliases of databases that may be asked: without one, no check with the tag ``database`` runs.
    """
    aliases = list(databases)
    wanted = None if tags is None else frozenset(tags)
    found: list[CheckMessage] = []
    for part in apps.parts():
        if wanted is None or wanted & frozenset(part.tags):
            found += await _messages(part.check(apps), f"{type(part).__qualname__}.check")
            if deploy:
                found += await _messages(part.check_deploy(apps), f"{type(part).__qualname__}.check_deploy")
            if aliases:
                found += await _messages(
                    part.check_databases(apps, aliases), f"{type(part).__qualname__}.check_databases"
                )
    for function, (own, only_deploy) in list(_checks.items()):
        if (only_deploy and not deploy) or (Tags.database in own and not aliases):
            continue
        if wanted is None or wanted & own:
            named = {"databases": aliases} if Tags.database in own and _takes_databases(function) else {}
            found += await _messages(function(apps, **named), function.__qualname__)
    silenced = set(settings.SILENCED_SYSTEM_CHECKS)
    shown = [message for message in found if message.id not in silenced or message.id is None]
    if labels is not None:
        kept = frozenset(labels)
        shown = [message for message in shown if _label(message, apps) in kept]
    # Stable for what is equally bad: parts in their order, apps in theirs.
    return sorted(shown, key=lambda message: -message.level)


def _takes_databases(function: Callable[..., Any]) -> bool:
    parameters = signature(function).parameters
    return "databases" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


async def _messages(result: Any, name: str) -> list[CheckMessage]:
    if inspect.isawaitable(result):
        result = await result
    if hasattr(result, "__aiter__"):
        messages = [message async for message in result]
    else:
        messages = list(result or ())
    for message in messages:
        if not isinstance(message, CheckMessage):
            raise TypeError(f"The check {name} must give check messages such as Error('…'), not {message!r}.")
    return messages


def _label(message: CheckMessage, apps: Apps) -> str | None:
    obj = message.obj
    label = getattr(getattr(obj, "_meta", None), "app_label", None)
    if label is None:
        label = getattr(getattr(getattr(obj, "model", None), "_meta", None), "app_label", None)
    if label is None and hasattr(obj, "label") and hasattr(obj, "name"):
        label = obj.label
    if label is None and hasattr(obj, "__module__"):
        config = apps.get_containing_app_config(obj.__module__)
        label = config.label if config is not None else None
    return label
