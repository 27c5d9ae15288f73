"""Async model factories: factory-boy's declarations, rows made by awaiting.

``author = await AuthorFactory(name="Ann")``. The declarations of a factory and of its sub-factories are resolved first,
into instances that are not saved yet; then the rows are written, parents before children, and the post-generation
hooks run after their row exists, awaited when they are async; what they change of the row is saved. So a ``LazyAttribute``
sees the sub-factory's instance with all its values but without its primary key. One that gives a coroutine is awaited when
the rows before are written: ``LazyAttribute(lambda o: Profile.objects.get(user=o.user))``.
"""

from __future__ import annotations

import inspect
from collections import deque
from collections.abc import Generator, Iterable, Iterator
from contextlib import contextmanager
from copy import deepcopy
from typing import TYPE_CHECKING, Any, Generic, Self

from msgspec import Struct
from typing_extensions import TypeVar

from covet.concurrency import maybe_await
from covet.exceptions import MissingDependency

try:
    from factory import builder, enums, errors
    from factory.base import Factory as PlainFactory
    from factory.base import FactoryOptions, OptionDefault
except ImportError as error:
    raise MissingDependency("factory-boy", extra="test", feature="covet.test.factories") from error

if TYPE_CHECKING:
    from covet.db.models import Model

__all__ = ["Factory"]

M = TypeVar("M", bound="Model", default=Any)


class _Entry(Struct):
    """One instance that was built and waits to be written, and the values that are awaited before."""

    meta: Any
    instance: Any
    step: Any
    post: Any
    late: dict[str, Any]


class _PlanBuilder(builder.StepBuilder):
    """factory-boy's step, which notes the instance in a plan where the original would create the row."""

    def __init__(self, factory_meta: Any, extras: dict[str, Any], strategy: str, plan: deque[_Entry]) -> None:
        super().__init__(factory_meta, extras, strategy)
        self.plan = plan

    def build(self, parent_step: Any = None, force_sequence: int | None = None) -> Any:
        """Resolve the declarations, make the instance, put it into the plan."""
        meta = self.factory_meta
        pre, post = builder.parse_declarations(
            self.extras, base_pre=meta.pre_declarations, base_post=meta.post_declarations
        )
        for sequence in (force_sequence, self.force_init_sequence):
            if sequence is not None:
                break
        else:
            sequence = meta.next_sequence()
        step = builder.BuildStep(builder=self, sequence=sequence, parent_step=parent_step)
        try:
            step.resolve(pre)
            args, kwargs = meta.prepare_arguments(step.attributes)
            if not isinstance(meta.factory, type) or not issubclass(meta.factory, Factory):
                return meta.instantiate(step=step, args=args, kwargs=kwargs)  # DictFactory and the like: plain values
            late = {name: value for name, value in kwargs.items() if inspect.iscoroutine(value)}
            given = {name: value for name, value in kwargs.items() if name not in late} if late else kwargs
            instance = meta.get_model_class()(*args, **given)
        except BaseException:
            _close(step.attributes.values())
            raise
        self.plan.append(_Entry(meta, instance, step, post, late))
        return instance

    def recurse(self, factory_meta: Any, extras: dict[str, Any]) -> _PlanBuilder:
        """Carry the plan into a sub-factory."""
        return _PlanBuilder(factory_meta, extras, self.strategy, self.plan)


_ELSEWHERE = {
    "database": "Write using = '…'.",
    "django_get_or_create": "Write get_or_create = ('name', …).",
    "skip_postgeneration_save": "Leave it out: what its hooks change of a row is saved, and nothing else.",
    "sqlalchemy_get_or_create": "Write get_or_create = ('name', …).",
}
"""Options that the factories of other frameworks have."""


class _Options(FactoryOptions):
    """``class Meta`` of a factory: factory-boy's options, ``using`` and ``get_or_create``."""

    def _fill_from_meta(self, meta: Any, base_meta: Any) -> None:
        factory: Any = self.factory
        for name, words in _ELSEWHERE.items():
            if name in vars(meta or object):
                raise TypeError(f"'class Meta' of {factory.__qualname__} has no option '{name}'. {words}")
        super()._fill_from_meta(meta, base_meta)

    def _build_default_options(self) -> list[Any]:
        return [
            *super()._build_default_options(),
            OptionDefault("using", None, inherit=True),
            OptionDefault("get_or_create", (), inherit=True),
        ]


class Factory(PlainFactory[Any], Generic[M]):
    """The base class of a project's factories.

    ``await ArticleFactory()`` and ``await ArticleFactory.create()`` write a row, ``await
    ArticleFactory.create_batch(3)`` several, ``ArticleFactory.build()`` makes an unsaved instance.

    ``class Meta`` takes, beside factory-boy's own options: ``model``; ``using``, the database alias; and
    ``get_or_create``, the field names by which an existing row is taken instead of writing a new one.
    """

    _options_class = _Options

    class Meta:
        """An abstract base: it has no model of its own."""

        abstract = True

    if TYPE_CHECKING:

        def __new__(cls, **values: Any) -> Self:
            """Return what is awaited for the row; the one that is inherited says that it never returns."""

        def __init__(self, **values: Any) -> None: ...
        def __await__(self) -> Generator[Any, Any, M]: ...

    @classmethod
    def build(cls, **values: Any) -> M:
        """Make an instance that is not saved; what must be awaited, values and post-generation hooks, is left out."""
        plan: deque[_Entry] = deque()
        with _closing(plan):
            instance: M = cls._planned(values, plan, enums.BUILD_STRATEGY)
            while plan:
                entry = plan[0]
                _close(entry.late.values())
                for name in entry.post.sorted():
                    hook = entry.post[name]
                    result = hook.declaration.evaluate_post(
                        instance=entry.instance, step=entry.step, overrides=hook.context
                    )
                    _close((result,))
                plan.popleft()
        return instance

    @classmethod
    async def create(cls, **values: Any) -> M:
        """Write one row, and the rows it needs, and return its instance."""
        plan: deque[_Entry] = deque()
        with _closing(plan):
            instance: M = cls._planned(values, plan)
            await _write(plan)
        return instance

    @classmethod
    async def create_batch(cls, size: int, **values: Any) -> list[M]:  # type: ignore[override]  # awaited here
        """Write ``size`` rows, one after another, and return their instances."""
        return [await cls.create(**values) for _ in range(size)]

    @classmethod
    async def _save(cls, instance: Any) -> None:
        """Write one instance: where a project's factory saves in its own way."""
        meta: Any = cls._meta  # it has the options of _Options
        if meta.get_or_create:
            manager = type(instance)._default_manager
            names = meta.get_or_create
            found = await manager.using(meta.using).filter(**{name: getattr(instance, name) for name in names}).first()
            if found is not None:
                instance.__dict__.clear()
                instance.__dict__.update(found.__dict__)
                return
        await maybe_await(instance.save(using=meta.using, force_insert=True))

    @classmethod
    def _planned(cls, values: dict[str, Any], plan: deque[_Entry], strategy: str = enums.CREATE_STRATEGY) -> Any:
        if cls._meta.abstract:
            raise errors.FactoryError(f"{cls.__name__} is abstract: give it a 'class Meta' with 'model = …'.")
        return _PlanBuilder(cls._meta, values, strategy, plan).build()


async def _write(plan: deque[_Entry]) -> None:
    """Save what the plan holds, in order; what a post-generation hook adds follows at once."""
    while plan:
        entry = plan[0]
        for name, value in entry.late.items():
            setattr(entry.instance, name, await value)
        await entry.meta.factory._save(entry.instance)
        before = _columns(entry.instance) if entry.post.sorted() else {}
        results = {}
        for name in entry.post.sorted():
            hook = entry.post[name]
            added: deque[_Entry] = deque()
            waiting, entry.step.builder.plan = entry.step.builder.plan, added
            with _closing(added):
                try:
                    result = hook.declaration.evaluate_post(
                        instance=entry.instance, step=entry.step, overrides=hook.context
                    )
                    if inspect.isawaitable(result) and not hasattr(type(result), "_meta"):
                        result = await result
                finally:
                    entry.step.builder.plan = waiting
                await _write(added)
            results[name] = result
        await _save_changes(entry, before)
        after = entry.meta.factory._after_postgeneration(entry.instance, create=True, results=results)
        if inspect.isawaitable(after):
            await after
        plan.popleft()


@contextmanager
def _closing(plan: deque[_Entry]) -> Iterator[None]:
    """Close what an error leaves in a plan that nobody awaits any more: Python would warn of each."""
    try:
        yield
    finally:
        for entry in plan:
            _close(entry.late.values())


def _close(values: Iterable[Any]) -> None:
    for value in values:
        if inspect.iscoroutine(value):
            value.close()


def _columns(instance: Any) -> dict[str, Any]:
    """Return what an instance holds of its row, by the fields' names: of lists and documents a copy, for hooks may change them in place."""
    own = instance.__dict__
    held = {field.name: own[field.attname] for field in instance._meta.concrete_fields if field.attname in own}
    return {name: deepcopy(value) if isinstance(value, (list, dict)) else value for name, value in held.items()}


async def _save_changes(entry: _Entry, before: dict[str, Any]) -> None:
    """Save what hooks have changed of the row, such as the password that ``set_password`` gives to a user."""
    after = _columns(entry.instance) if before else {}
    changed = [name for name, value in after.items() if value != before.get(name)]
    # One that has another key, or none, was removed by a hook.
    if changed and entry.instance._meta.pk.name not in changed:
        await maybe_await(entry.instance.save(using=entry.meta.using, update_fields=changed))
