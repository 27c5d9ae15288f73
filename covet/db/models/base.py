"""Model: an instance is a row, and awaiting it completes it.

Values live in the instance's ``__dict__`` under the fields' attributes; what is missing there was not loaded, and reading
it raises ``NotLoaded`` with the line that loads it.
"""

from __future__ import annotations

import warnings
from collections.abc import Awaitable, Callable, Collection, Generator, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Self

from covet import __version__, checks
from covet.db.models.expressions.q import Q
from covet.db.models.fields.markers import DATABASE_DEFAULT
from covet.db.models.metaclass import ModelBase, writes_constructor
from covet.db.models.state import State
from covet.exceptions import MultipleObjectsReturned, NotLoaded, ObjectDoesNotExist, ValidationError
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db.models import clean as cleaning
    from covet.db.models import construct, deletion, persistence, places, rows, rules
    from covet.db.models.fields.base import Field
    from covet.db.models.metaclass import ObjectNotUpdated
    from covet.db.models.options import Options
    from covet.db.models.query.queryset import QuerySet
    from covet.db.models.relations import peers
    from covet.porting import twins
else:
    cleaning = late_module(__name__, "covet.db.models.clean", "cleaning")
    deletion = late_module(__name__, "covet.db.models.deletion")
    persistence = late_module(__name__, "covet.db.models.persistence")
    rows = late_module(__name__, "covet.db.models.rows")
    places = late_module(__name__, "covet.db.models.places")
    construct = late_module(__name__, "covet.db.models.construct")
    peers = late_module(__name__, "covet.db.models.relations.peers")
    rules = late_module(__name__, "covet.db.models.rules")
    twins = late_module(__name__, "covet.porting.twins")

__all__ = ["DEFERRED", "Model"]


class _Deferred:
    """The type of ``DEFERRED``: a column that a query left out."""

    def __repr__(self) -> str:
        return "<deferred>"

    def __reduce__(self) -> str:
        return "DEFERRED"


DEFERRED = _Deferred()


class Model(metaclass=ModelBase):
    """The base of all models.

    ``Article(title="Hi")`` builds an instance without touching the database; ``await article.save()`` writes it. What
    waits for the database is awaited; attributes never query.
    """

    if TYPE_CHECKING:
        _meta: ClassVar[Options]
        _row_state: State
        DoesNotExist: ClassVar[type[ObjectDoesNotExist]]
        MultipleObjectsReturned: ClassVar[type[MultipleObjectsReturned]]
        NotUpdated: ClassVar[type[ObjectNotUpdated]]
        _construct: ClassVar[Callable[..., None]]

    # A queryset's delete() is below the rules of deletion; it finds them here.
    @staticmethod
    def _delete_queryset(queryset: QuerySet[Any, Any]) -> Awaitable[tuple[int, dict[str, int]]]:
        return deletion.delete_queryset(queryset)

    def __init__(self, *args: Any, **values: Any) -> None:
        """Build an instance that is not saved yet.

        Args:
            args: Values of the concrete fields, in their order.
            values: Values by field name, attribute (``author_id``), ``pk`` or property.

        Raises:
            TypeError: The model is abstract, or a name is unknown.
        """
        cls: Any = type(self)
        made = cls.__dict__.get("_construct")
        if made is None:
            if cls is Model or cls._meta.abstract:
                raise TypeError(f"{cls.__name__} is abstract: it has no rows. Build an instance of a subclass.")
            if cls._meta.swapped:
                raise TypeError(f"{cls._meta.label} is swapped for {cls._meta.swapped}; build that model instead.")
            made = construct.compile_constructor(cls)
            cls._construct = made
            if _is_built_directly(cls):
                cls.__init__ = made
        made(self, *args, **values)

    @classmethod
    def from_db(cls, db: str, field_names: Sequence[str], values: Sequence[Any], *, fetch_mode: Any = None) -> Self:
        """Build an instance of one row; override it to see every row that is read.

        The queries' own compiled readers are used instead unless a model overrides it.

        Args:
            db: The alias.
            field_names: Attributes of the columns that were read.
            values: Their values, in the same order; ``DEFERRED`` stands for none.
            fetch_mode: How missing parts are loaded later.
        """
        self = object.__new__(cls)
        own = self.__dict__
        for name, value in zip(field_names, values, strict=True):
            if value is not DEFERRED:
                own[name] = value
        partial = any(name not in own for name in cls._meta.attnames)
        self._row_state = State(False, db, partial=partial, fetch_mode=fetch_mode)
        return self

    @classmethod
    def unloaded(cls, pk: Any, using: str | None = None, *, origin: tuple[str, str] | None = None) -> Self:
        """Return an instance that knows its primary key only; ``await`` completes it.

        Args:
            pk: The primary key.
            using: The alias it is loaded from; without one, the router decides.
            origin: Model and name of the relation that it came from, for error texts.
        """
        self = object.__new__(cls)
        self._row_state = State(False, using, loader=peers.load_alone, partial=True, origin=origin)
        self.pk = pk
        return self

    # ── the instance's own state

    @property
    def _state(self) -> State:
        """This instance's own state; changing it touches no other row."""
        state = self._row_state
        if state.shared:
            state = self._row_state = state.copy()
        return state

    @_state.setter
    def _state(self, state: State) -> None:
        self._row_state = state

    # The metaclass gives each model a ``pk`` of its own that runs in C; this one serves composite keys and checkers.
    if TYPE_CHECKING:
        pk: Any
    else:

        @property
        def pk(self) -> Any:
            """The primary key; ``None`` before the row has one."""
            return _get_pk(self)

        @pk.setter
        def pk(self, value: Any) -> None:
            _set_pk(self, value)

    def _is_pk_set(self) -> bool:
        """Whether every part of the primary key has a value."""
        pk = self.pk
        return pk is not None and not (isinstance(pk, tuple) and None in pk)

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            """Python comes here for what the instance does not have: say what to write."""
            if name[:2] != "__":
                field = type(self)._meta._forward_map.get(name)
                if field is not None and name in (field.name, getattr(field, "attname", None)):
                    # ``del article.body`` leaves the field out. A ``__delattr__`` that noted it there and then would send
                    # every assignment through Python (one type slot serves both): rows would take five times as long.
                    if "_row_state" in self.__dict__ and not self._row_state.partial:
                        self._state.partial = True
                    raise NotLoaded(_not_loaded(self, name))
                if hasattr(type(self), name):
                    # A property, or a descriptor, has raised an AttributeError itself, which Python has dropped. Asked once more,
                    # it says what it lacks, where we would say that it is not there.
                    return object.__getattribute__(self, name)
                raise twins.no_attribute(self, name, [*type(self)._meta.fields_map, "pk"])
            raise twins.no_attribute(self, name, ())

    def __await__(self) -> Generator[Any, None, Self]:
        """Load whatever is missing, for all peers of this row in one query, and return the instance.

        An instance that is complete comes back at once.
        """
        state = self._row_state
        if state.loader is None and not state.partial and not state.adding:
            return self
        load = state.loader or peers.complete
        found: Self = yield from load(self).__await__()
        return found

    # ── saving and loading

    async def save(
        self,
        *,
        force_insert: bool | tuple[type[Model], ...] = False,
        force_update: bool = False,
        using: str | None = None,
        update_fields: Iterable[str] | None = None,
    ) -> None:
        """Write this instance: INSERT if it is new, else UPDATE of every loaded field.

        Args:
            force_insert: Only INSERT.
            force_update: Only UPDATE; ``NotUpdated`` when there is no such row.
            using: The database alias; without one that of the instance, or the router's choice.
            update_fields: Write these fields alone; with none in it, nothing happens.
        """
        await persistence.save(
            self, force_insert=force_insert, force_update=force_update, using=using, update_fields=update_fields
        )

    async def delete(self, using: str | None = None, keep_parents: bool = False) -> tuple[int, dict[str, int]]:
        """Delete the row and what its relations say goes with it; return how many rows of which models.

        Raises:
            ValueError: The instance has no primary key.
            ProtectedError: A relation with ``PROTECT`` refers to the row.
        """
        return await persistence.delete(self, using=using, keep_parents=keep_parents)

    async def refresh_from_db(
        self,
        using: str | None = None,
        fields: Collection[str] | None = None,
        from_queryset: QuerySet[Any, Any] | None = None,
    ) -> None:
        """Read the row again, or some of its fields; loaded relations are forgotten.

        Args:
            using: The database alias.
            fields: Only these fields, loaded or not.
            from_queryset: Where to read it, for example with ``select_related`` or ``select_for_update``.
        """
        await persistence.refresh_from_db(self, using=using, fields=fields, from_queryset=from_queryset)

    async def fetch(self, *names: str) -> Self:
        """Load relations and left-out fields by name, whatever they are; returns the instance."""
        await peers.fetch(self, *names)
        return self

    # ── validation

    async def full_clean(
        self,
        exclude: Collection[str] | None = None,
        validate_unique: bool = True,
        validate_constraints: bool = True,
    ) -> None:
        """Check fields, then ``clean()``, then unique rules and constraints; raise all errors at once.

        ``save()`` does not call it.

        Raises:
            ValidationError: ``message_dict`` has the texts by field.
        """
        await cleaning.full_clean(self, exclude=exclude, unique=validate_unique, constraints=validate_constraints)

    def clean_fields(self, exclude: Collection[str] | None = None) -> None:
        """Check every field on its own, and set the cleaned values."""
        cleaning.clean_fields(self, exclude)

    def clean(self) -> Any:
        """Check what concerns several fields; override it, sync or async, and raise ``ValidationError``."""

    async def validate_unique(self, exclude: Collection[str] | None = None) -> None:
        """Ask the database whether another row has a value that must be unique."""
        await cleaning.validate_unique(self, exclude)

    async def validate_constraints(self, exclude: Collection[str] | None = None) -> None:
        """Ask the database whether the row would break one of ``Meta.constraints``."""
        await cleaning.validate_constraints(self, exclude)

    def unique_error_message(self, model: type[Model], unique_check: Sequence[str]) -> ValidationError:
        """Return the error for values that another row has already; override it for a text of your own."""
        return cleaning.unique_error(model, unique_check)

    # Constraints are below the query room; they ask the database through these.

    async def _holds(self, condition: Any, using: str | None) -> bool:
        names = [*rules.referenced_names(condition)]
        return not rows.is_known(self, names) or await rows.holds(condition, self, using)

    async def _evaluate(self, expressions: Sequence[Any], using: str | None) -> list[Any]:
        names = [name for expression in expressions for name in rules.referenced_names(expression)]
        if not rows.is_known(self, names):
            return [None] * len(expressions)
        return await rows.evaluate(expressions, self, using)

    @classmethod
    def check(cls, **kwargs: Any) -> list[checks.CheckMessage]:
        """Return what is wrong with the model as it is declared; override it to add checks."""
        from covet.db.models import model_checks  # only ``check`` needs it

        return model_checks.check_model(cls)

    # ── values

    def get_deferred_fields(self) -> set[str]:
        """Return the attributes of the fields that are not loaded."""
        own = self.__dict__
        return {name for name in type(self)._meta.attnames if name not in own}

    def serializable_value(self, field_name: str) -> Any:
        """Return a field's value as a serializer writes it: the key for a relation."""
        field = type(self)._meta._forward_map.get(field_name)
        return getattr(self, field.attname if field is not None else field_name)

    def _get_field_display(self, field: Field[Any]) -> Any:
        value = getattr(self, field.attname)
        for key, label in field.flatchoices:
            if key == value:
                return str(label)
        return value

    async def _get_next_or_previous(self, field: Field[Any], is_next: bool, **filters: Any) -> Self:
        if not self._is_pk_set():
            raise ValueError(f"get_next_by_{field.name} needs a saved {type(self).__name__}: it has no place yet.")
        operator, sign = ("gt", "") if is_next else ("lt", "-")
        value = getattr(self, field.attname)
        # Equal moments are told apart by the key, so that a walk through all rows meets each once.
        behind = Q((f"{field.name}__{operator}", value)) | Q((field.name, value), (f"pk__{operator}", self.pk))
        near = type(self)._default_manager.using(self._row_state.db).filter(**filters).filter(behind)
        found = await near.order_by(f"{sign}{field.name}", f"{sign}pk").first()
        if found is None:
            raise type(self).DoesNotExist(
                f"There is no {'next' if is_next else 'previous'} {type(self).__name__} by {field.name}."
            )
        return found  # type: ignore[no-any-return]

    async def get_next_in_order(self) -> Self:
        """Return the row behind this one, by ``Meta.order_with_respect_to``."""
        return await places.neighbour_in_order(self, is_next=True)  # type: ignore[no-any-return]

    async def get_previous_in_order(self) -> Self:
        """Return the row before this one, by ``Meta.order_with_respect_to``."""
        return await places.neighbour_in_order(self, is_next=False)  # type: ignore[no-any-return]

    # ── identity

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Model):
            return NotImplemented
        mine, theirs = type(self)._meta, type(other)._meta
        if mine is not theirs and mine.concrete_model is not theirs.concrete_model:
            return False
        pk = self.pk
        return pk is not None and pk == other.pk

    def __hash__(self) -> int:
        try:
            pk = self.pk
        except NotLoaded:
            # ``place.restaurant`` before it is awaited: its key is not known, and ``gather`` hashes what it awaits.
            return object.__hash__(self)
        if pk is None:
            raise TypeError(
                f"This {type(self).__name__} has no primary key yet and cannot be hashed. Save it before it goes into a "
                f"set or becomes a key of a dict."
            )
        return hash(pk)

    def __str__(self) -> str:
        meta = type(self)._meta
        return (
            f"{type(self).__name__} object ({self.pk if meta.pk.is_composite else self.__dict__.get(meta.pk.attname)})"
        )

    def __repr__(self) -> str:
        try:
            state: State | None = self.__dict__.get("_row_state")
            is_unknown = (
                state is not None and state.loader is not None and type(self)._meta.pk.attname not in self.__dict__
            )
            text = "not loaded" if is_unknown else str(self)
        except NotLoaded:
            try:
                text = f"pk={self.pk!r}, not loaded"
            except NotLoaded:
                text = "not loaded"
        return f"<{type(self).__name__}: {text}>"

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        # A copy must not change the state of its original.
        state["_row_state"] = self._row_state.copy()
        state["_covet_version"] = __version__
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        version = state.pop("_covet_version", None)
        if version != __version__:
            warnings.warn(
                f"This pickled {type(self).__name__} was made by Covet {version or 'of an unknown version'}, and this is "
                f"{__version__}.",
                RuntimeWarning,
                stacklevel=2,
            )
        self.__dict__.update(state)


def _is_built_directly(cls: type[Any]) -> bool:
    """Whether Python may call the compiled constructor itself: no constructor of a user's leads here by ``super()``."""
    return not writes_constructor(cls) and not any(_overrides(child) for child in type.__subclasses__(cls))


def _overrides(cls: type[Any]) -> bool:
    return writes_constructor(cls) or any(_overrides(child) for child in type.__subclasses__(cls))


def _get_pk(instance: Any) -> Any:
    fields = type(instance)._meta.pk_fields
    if len(fields) == 1:
        return getattr(instance, fields[0].attname)
    key = tuple([getattr(instance, field.attname) for field in fields])
    return None if None in key or DATABASE_DEFAULT in key else key


def _set_pk(instance: Any, value: Any) -> None:
    fields = type(instance)._meta.pk_fields
    if len(fields) == 1:
        setattr(instance, fields[0].attname, value)
        return
    if value is not None and not isinstance(value, (tuple, list)):
        raise ValueError(
            f"The primary key of {type(instance).__name__} is a tuple of {len(fields)} parts, not {value!r}."
        )
    values = (None,) * len(fields) if value is None else tuple(value)
    if len(values) != len(fields):
        raise ValueError(f"The primary key of {type(instance).__name__} has {len(fields)} parts, not {len(values)}.")
    for field, part in zip(fields, values, strict=True):
        setattr(instance, field.attname, part)


def _not_loaded(instance: Any, name: str) -> str:
    cls = type(instance)
    variable = cls._meta.model_name
    own = instance.__dict__
    state: State | None = own.get("_row_state")
    pk_name = getattr(cls._meta.pk, "attname", "pk")
    who = f"{cls.__name__}(pk={own[pk_name]!r})" if own.get(pk_name) is not None else cls.__name__
    loaded = [attname for attname in cls._meta.attnames if attname in own]
    has_key = own.get(pk_name) is not None
    is_bare = loaded in ([pk_name], []) or (not has_key and state is not None and state.loader is not None)
    if state is not None and is_bare and len(cls._meta.attnames) > 1:
        unknown = f"'{name}' is unknown, only its key is" if has_key else f"'{name}' is unknown"
        if state.origin is not None:
            source, relation = state.origin
            holder = source.rpartition(".")[2].lower()
            return (
                f"{who} is not loaded: {unknown}. Write `await {holder}.{relation}` first, or "
                f'load it with the query: select_related("{relation}").'
            )
        return f"{who} is not loaded: {unknown}. Write `await {variable}` first."
    return (
        f"The field '{name}' of {who} was not loaded. Write `await {variable}.fetch(\"{name}\")` or "
        f'`await {variable}.refresh_from_db(fields=["{name}"])`, or load it with the query (only/defer leave it out).'
    )
