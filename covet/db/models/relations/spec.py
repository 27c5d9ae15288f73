"""What all relations share: the field on one side, the ``Relation`` on the other, and names that are resolved late."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TYPE_CHECKING, Any

from typing_extensions import TypeVar

from covet.concurrency import told
from covet.conf import settings
from covet.db.models.fields.base import Field
from covet.db.models.query.hydrate import MISSING
from covet.db.models.query.paths import Hop
from covet.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from covet.db.models.base import Model

__all__ = [
    "LateTarget",
    "Relation",
    "RelationField",
    "SettingsReference",
    "lazy_related",
    "model_key",
    "swappable_setting",
]

T = TypeVar("T", default=Any)


class SettingsReference(str):
    """The label of a swappable model, which a migration writes as the setting that names it."""

    __slots__ = ("setting_name",)
    setting_name: str

    def __new__(cls, value: str, setting_name: str) -> SettingsReference:
        """Make a text that knows the setting it came from."""
        self = super().__new__(cls, value)
        self.setting_name = setting_name
        return self

    def __getnewargs__(self) -> tuple[str, str]:  # type: ignore[override]  # one argument more than str
        return str(self), self.setting_name


def swappable_setting(label: str) -> str | None:
    """Return the setting whose value is this model's label, when it is the user model."""
    configured = getattr(settings, "AUTH_USER_MODEL", None)
    return "AUTH_USER_MODEL" if configured and str(configured).lower() == label.lower() else None


def model_key(model: Any, to: Any) -> tuple[str, str]:
    """Return label and lower-case name of what ``to`` refers to from ``model``: a class, ``"self"``, ``"app.Model"``."""
    if not isinstance(to, str):
        return to._meta.app_label, to._meta.model_name
    if to == "self":
        return model._meta.app_label, model._meta.model_name
    label, dot, name = to.rpartition(".")
    return (label if dot else model._meta.app_label), name.lower()


class LateTarget:
    """What a relation does once its target is registered; checks tell it from the functions of a project."""

    __slots__ = ("function",)

    def __init__(self, function: Callable[[Any], None]) -> None:
        self.function = function

    def __call__(self, target: Any) -> None:
        """Do it."""
        self.function(target)


def lazy_related(model: Any, to: Any, function: Callable[[Any], None]) -> None:
    """Call ``function(target)`` as soon as the target is known: at once for a class, else when it is registered."""
    if not isinstance(to, str):
        function(to)
        return
    if to == "self":
        function(model)
        return
    model._meta.apps.lazy_model_operation(LateTarget(function), model_key(model, to))


class Relation:
    """The reverse side of a relation field: what the target model knows of it.

    Attributes:
        field: The field that the user wrote.
        model: The target, which has the reverse side; its name until it is resolved.
        related_model: The model that holds the field.
        on_delete: The rule for rows whose target is deleted.
        through: The model between, for many-to-many.
    """

    auto_created = True
    concrete = False
    editable = False
    is_relation = True
    null = True
    attname = None
    primary_key = False
    unique = False

    def __init__(
        self,
        field: RelationField[Any],
        to: Any,
        *,
        related_name: str | None = None,
        related_query_name: str | None = None,
        limit_choices_to: Any = None,
        on_delete: Any = None,
        parent_link: bool = False,
        field_name: str | None = None,
        symmetrical: bool = False,
        through: Any = None,
        through_fields: Sequence[str] | None = None,
        db_constraint: bool = True,
    ) -> None:
        self.field = field
        self.model = to
        self.related_name = related_name
        self.related_query_name = related_query_name
        # As written in the code: with the places for the class' name that are filled in for each model.
        self.names_given = related_name, related_query_name
        self.limit_choices_to = {} if limit_choices_to is None else limit_choices_to
        self.on_delete = on_delete
        self.parent_link = parent_link
        self.field_name = field_name
        self.symmetrical = symmetrical
        self.through = through
        self.through_fields = through_fields
        self.db_constraint = db_constraint
        self._hops: tuple[Hop, ...] | None = None

    # ── what kind it is, seen from the target

    @property
    def many_to_many(self) -> bool:
        """Whether both sides have many."""
        return self.field.many_to_many

    @property
    def one_to_many(self) -> bool:
        """Whether the target has many rows that refer to it."""
        return self.field.many_to_one

    @property
    def many_to_one(self) -> bool:
        """Never: that is the field's side."""
        return False

    @property
    def one_to_one(self) -> bool:
        """Whether at most one row refers to the target."""
        return self.field.one_to_one

    @property
    def multiple(self) -> bool:
        """Whether the reverse side may hold several rows."""
        return not self.field.one_to_one

    @property
    def hidden(self) -> bool:
        """Whether the target gets no reverse side: the related name ends with ``+``, or the relation is symmetrical."""
        return bool(self.related_name and self.related_name.endswith("+")) or self.symmetrical

    @property
    def related_model(self) -> Any:
        """The model that holds the field."""
        return self.field.model

    @property
    def remote_field(self) -> Any:
        """The field: the other side, seen from here."""
        return self.field

    @property
    def name(self) -> str:
        """The name of the reverse side in queries."""
        return self.field.related_query_name()

    @property
    def query_name(self) -> str:
        """The name in queries; for a hidden relation one that nobody can type."""
        return f"+{self.field}" if self.hidden else self.name

    @property
    def target_field(self) -> Any:
        """The field of the holding model that a reverse name is compared with: its key."""
        return self.related_model._meta.pk

    @property
    def cache_name(self) -> str:
        """The attribute of the target that holds the single related object."""
        return f"_{self.get_accessor_name() or self.field.name}_cache"

    def get_accessor_name(self) -> str | None:
        """Return the attribute of the target that gives the reverse side, or ``None`` when it is hidden."""
        if self.hidden:
            return None
        if self.related_name:
            return self.related_name
        name = self.related_model._meta.model_name
        return f"{name}_set" if self.multiple else str(name)

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The joins from the target to the holding model."""
        hops = self._hops
        if hops is None:
            hops = self._hops = self.field.reverse_hops()
        return hops

    # ── the single object of a reverse one-to-one

    def is_cached(self, instance: Any) -> bool:
        """Whether the related object is in memory."""
        return getattr(instance, self.cache_name) is not None

    def get_cached_value(self, instance: Any, default: Any = None) -> Any:
        """Return the object in memory; ``None`` when it is known to be missing."""
        found = getattr(instance, self.cache_name)
        return default if found is None else (found or None)

    def set_cached_value(self, instance: Any, value: Any) -> None:
        """Keep the object; ``None`` notes that there is none."""
        setattr(instance, self.cache_name, MISSING if value is None else value)

    def delete_cached_value(self, instance: Any) -> None:
        """Forget the object."""
        instance.__dict__.pop(self.cache_name, None)

    async def prefetch(self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None) -> list[Any]:
        """Load the related rows of all instances; see ``query.prefetch``."""
        return await self.field.prefetch_reverse(instances, queryset, to_attr, alias)

    def get_joining_columns(self) -> tuple[tuple[str, str], ...]:
        """Return pairs of a column of the target and one of the holding model."""
        return self.hops[0].on

    def identity(self) -> tuple[Any, ...]:
        """Return what tells this relation from others."""
        return (self.field.creation_counter, str(self.field), str(self.model))

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.field}>"


class RelationField(Field[T]):
    """The base of ``ForeignKey``, ``OneToOneField`` and ``ManyToManyField``."""

    is_relation = True
    remote_field: Relation
    _hops: tuple[Hop, ...] | None = None
    _target_field: Any = None
    _made: Any = None

    @property
    def related_model(self) -> Any:
        """The model that the relation leads to; its name until that is registered."""
        return self.remote_field.model

    @property
    def hops(self) -> tuple[Hop, ...]:
        """The joins from the holding model to the target."""
        hops = self._hops
        if hops is None:
            self._check_resolved()
            hops = self._hops = self.forward_hops()
        return hops

    def forward_hops(self) -> tuple[Hop, ...]:
        """Return the joins to the target."""
        raise TypeError(f"{type(self).__name__} does not say how it joins.")

    def reverse_hops(self) -> tuple[Hop, ...]:
        """Return the joins from the target."""
        raise TypeError(f"{type(self).__name__} does not say how it joins.")

    async def prefetch_reverse(
        self, instances: list[Any], queryset: Any, to_attr: str | None, alias: str | None
    ) -> list[Any]:
        """Load the rows that refer to the instances."""
        raise TypeError(f"{type(self).__name__} does not say how it is prefetched.")

    @property
    def to_field_is_key(self) -> bool:
        """Whether the relation is to the target's primary key, and not to another field of it."""
        return not getattr(self, "to_field", None)

    def _check_resolved(self) -> None:
        if isinstance(self.remote_field.model, str):
            raise ImproperlyConfigured(
                f"{self} refers to '{self.remote_field.model}', and there is no such model (yet). Is its app in "
                "INSTALLED_APPS, and was covet.setup() called?"
            )

    def related_query_name(self) -> str:
        """Return the name of the reverse side in queries."""
        remote = self.remote_field
        return remote.related_query_name or remote.related_name or self.model._meta.model_name

    def contribute_to_class(self, cls: type[Model], name: str, private_only: bool = False) -> None:
        """Join the model; the subclasses also ``link`` it to its target."""
        self._hops = self.remote_field._hops = self._target_field = self._made = None
        self._fill_names(cls)
        self.set_attributes_from_name(name)
        if isinstance(cls.__dict__.get(self.attname), property):
            cls._meta.lost_properties.append(self.attname)
        super().contribute_to_class(cls, name, private_only)
        self.opts = cls._meta

    def _fill_names(self, cls: type[Model]) -> None:
        """Fill ``%(class)s`` and its kin into the related names."""
        remote = self.remote_field
        meta = cls._meta
        names = {"class": cls.__name__.lower(), "model_name": cls.__name__.lower(), "app_label": meta.app_label.lower()}
        if meta.abstract:
            return
        if not remote.related_name and meta.default_related_name:
            remote.related_name = meta.default_related_name
        if remote.related_name:
            remote.related_name = remote.related_name % names
        if remote.related_query_name:
            remote.related_query_name = remote.related_query_name % names

    def _target_given(self) -> dict[str, Any]:
        """Return what a migration writes of the target and of the relation's other side, as it was given."""
        remote = self.remote_field
        related_name, related_query_name = remote.names_given
        given = {
            "related_name": related_name,
            "related_query_name": related_query_name,
            "limit_choices_to": remote.limit_choices_to,
        }
        return {"to": self._label_of_target(), **{name: value for name, value in given.items() if value}}

    def _label_of_target(self) -> str:
        """Return what a migration writes as the target."""
        to = self.remote_field.model
        label = to if isinstance(to, str) else to._meta.label
        if label != "self" and "." not in label and getattr(self, "model", None) is not None:
            label = f"{self.model._meta.app_label}.{label}"
        text = label if label == "self" else label.lower()
        # Only a reference by a setting has that name; a model class that is asked for it looks for one that is near.
        setting = getattr(to, "setting_name", None) if isinstance(to, str) else None
        setting = setting or swappable_setting(text)
        return text if setting is None else SettingsReference(text, setting)

    def get_limit_choices_to(self) -> Any:
        """Return the condition on rows that may be chosen."""
        limit = self.remote_field.limit_choices_to
        return limit() if callable(limit) else limit

    def key_of(self, instance: Any) -> Any:
        """Return the key by which an instance of the target is referred to.

        Raises:
            ValueError: It is an instance of another model, or not saved.
        """
        self.check_instance(instance)
        key = getattr(instance, self.target_field.attname)
        if key is None:
            raise ValueError(
                f"{self.model._meta.object_name}.{self.name} cannot refer to an unsaved {instance._meta.object_name}: "
                "save it first."
            )
        return key

    @property
    def target_field(self) -> Any:
        """The field of the target that is referred to."""
        return self.related_model._meta.pk

    def check_instance(self, instance: Any) -> None:
        """Raise ``ValueError`` for an instance of another model."""
        target = self.related_model._meta.concrete_model
        if not isinstance(instance, target):
            raise ValueError(
                f"{self.model._meta.object_name}.{self.name} must be an instance of {target._meta.object_name}, "
                f"not {told(instance)}."
            )

    def prepare_save(self, instance: Any) -> Awaitable[None] | None:
        """Take over the key of a related object that was saved after it was assigned; nothing for other relations."""
        return None
