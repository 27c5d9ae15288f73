"""Options: what ``Model._meta`` knows about a model, from its fields and its ``class Meta``.

Lists of fields are worked out once and kept; adding a field, or a relation that points here from another model, empties
them (``expire``).
"""

from __future__ import annotations

import bisect
import copy
import inspect
from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeVar

from covet.apps import apps as global_apps
from covet.conf import settings
from covet.db.models.class_meta import Plural, named, said_by, table_name, together
from covet.db.models.fields.base import Field
from covet.exceptions import FieldDoesNotExist, ImproperlyConfigured
from covet.loading import late_module
from covet.text import camel_to_words, suggest

if TYPE_CHECKING:
    from covet.apps import Apps
    from covet.db.models import requirements
    from covet.db.models.base import Model
    from covet.db.models.constraints import BaseConstraint
    from covet.db.models.indexes import Index
    from covet.db.models.manager import Manager
else:
    requirements = late_module(__name__, "covet.db.models.requirements")

__all__ = ["Options"]

C = TypeVar("C")

_EXPIRING = frozenset(
    (
        "fields",
        "concrete_fields",
        "local_concrete_fields",
        "many_to_many",
        "related_objects",
        "fields_map",
        "_forward_map",
        "attnames",
        "all_parents",
        "total_unique_constraints",
        "db_returning_fields",
        "pk_fields",
        "all_related_objects",
    )
)


class Options:
    """One model's ``_meta``."""

    def __init__(self, meta: Any, app_label: str | None = None) -> None:
        self.meta = meta
        self.app_label = app_label or ""
        self.original_attrs: dict[str, Any] = {}

        self.abstract = False
        self.apps: Apps = global_apps.current()
        self.base_manager_name: str | None = None
        self.constraints: list[BaseConstraint] = []
        self.db_table = ""
        self.db_table_comment = ""
        self.db_tablespace = ""
        self.default_manager_name: str | None = None
        self.default_permissions: Sequence[str] = ("add", "change", "delete", "view")
        self.default_related_name: str | None = None
        self.get_latest_by: Any = None
        self.indexes: list[Index] = []
        self.managed = True
        self.order_with_respect_to: Any = None
        self.ordering: Sequence[Any] = []
        self.permissions: Sequence[tuple[str, Any]] = []
        self.proxy = False
        self.required_db_features: Sequence[str] = []
        self.required_db_vendor: str | None = None
        self.select_on_save = False
        self.swappable: str | None = None
        self.unique_together: Sequence[Sequence[str]] = []
        self.verbose_name: Any = None
        self.verbose_name_plural: Any = None

        self.model: type[Model]
        self.object_name = ""
        self.model_name = ""
        self.pk: Any = None
        self.auto_field: Field[Any] | None = None
        self.local_fields: list[Field[Any]] = []
        self.local_many_to_many: list[Field[Any]] = []
        self.private_fields: list[Field[Any]] = []
        self.local_managers: list[Manager[Any]] = []
        # Names of properties whose place the key of a relation has taken: a check says so.
        self.lost_properties: list[str] = []
        #: Parent model → the field that links to its table (``None`` for a proxy's parent).
        self.parents: dict[type[Model], Any] = {}
        self.concrete_model: type[Model] | None = None
        self.auto_created: Any = False
        #: Relations of other models that point here (``relations.link`` fills it).
        self.related: list[Any] = []
        #: What the query and persistence rooms keep for this model; emptied when fields or relations change.
        self.plans: dict[Any, Any] = {}

    # ── names

    @property
    def label(self) -> str:
        """``"blog.Article"``."""
        return f"{self.app_label}.{self.object_name}"

    @property
    def label_lower(self) -> str:
        """``"blog.article"``."""
        return f"{self.app_label}.{self.model_name}"

    @property
    def app_config(self) -> Any:
        """The ``AppConfig`` of the model's app, or ``None`` when it is not installed."""
        return getattr(self.apps, "app_configs", {}).get(self.app_label)

    @property
    def swapped(self) -> str | None:
        """The model that takes this one's place by its ``swappable`` setting, or ``None``."""
        if not self.swappable:
            return None
        target = getattr(settings, self.swappable, None)
        if not target or str(target).lower() == self.label_lower:
            return None
        return str(target)

    # ── being made

    def contribute_to_class(self, cls: type[Model], name: str) -> None:
        """Read ``class Meta`` for the model ``cls``.

        Raises:
            TypeError: Meta has a name that no option has.
        """
        setattr(cls, name, self)
        self.model = cls
        self.object_name = cls.__name__
        self.model_name = self.object_name.lower()
        self.verbose_name = camel_to_words(self.object_name)
        if self.meta is not None:
            self._read_meta()
        if self.verbose_name_plural is None:
            # A lazy verbose name must not be turned into text at import.
            name_ = self.verbose_name
            self.verbose_name_plural = f"{name_}s" if isinstance(name_, str) else Plural(name_)
        if not self.db_table:
            self.db_table = table_name(self.app_label, self.model_name)
        self.meta = None

    def _read_meta(self) -> None:
        for option, value in said_by(self.meta, self.object_name).items():
            setattr(self, option, value)
            if option != "apps":
                self.original_attrs[option] = value
        self.unique_together, is_wrong = together(self.unique_together)
        if "unique_together" in self.original_attrs and not is_wrong:
            self.original_attrs["unique_together"] = self.unique_together
        labels = {"app_label": self.app_label.lower(), "class": self.model_name}
        for option in ("constraints", "indexes"):
            declared = list(getattr(self, option))
            if not self.abstract:
                declared = [named(item, labels) for item in declared]
            setattr(self, option, declared)

    def add_field(self, field: Any, private: bool = False) -> None:
        """Add a field; its place is by the order of creation."""
        if private:
            self.private_fields.append(field)
        elif field.many_to_many:
            bisect.insort(self.local_many_to_many, field)
        else:
            bisect.insort(self.local_fields, field)
            self.setup_pk(field)
        self.expire()

    def setup_pk(self, field: Any) -> None:
        """Make the field the primary key if it says so and there is none."""
        if self.pk is None and field.primary_key:
            self.pk = field
            field.serialize = False

    def setup_proxy(self, target: type[Model]) -> None:
        """Share key and table with the model of which this is a proxy."""
        self.pk = target._meta.pk
        self.proxy_for_model = target
        self.db_table = target._meta.db_table

    proxy_for_model: type[Model] | None = None

    def add_manager(self, manager: Any) -> None:
        """Add a manager; the first by order of creation is the default."""
        self.local_managers.append(manager)
        for name in ("managers", "managers_map", "default_manager", "base_manager"):
            self.__dict__.pop(name, None)

    def add_related(self, relation: Any) -> None:
        """Add a relation of another model that points here."""
        if relation not in self.related:
            self.related.append(relation)
            self.expire()

    def expire(self) -> None:
        """Forget everything that was worked out from fields and relations, here and in the subclasses."""
        for name in _EXPIRING.intersection(self.__dict__):
            del self.__dict__[name]
        self.plans.clear()
        model = self.__dict__.get("model")
        if model is None:
            return
        forget = getattr(model, "_forget_compiled", None)
        if forget is not None:
            forget()
        for child in type.__subclasses__(model):
            meta = child.__dict__.get("_meta")
            if meta is not None:
                meta.expire()

    # ── fields

    @cached_property
    def fields(self) -> tuple[Any, ...]:
        """All forward fields but many-to-many ones: those of the parents first, in their order."""
        found: dict[Any, None] = {}
        for parent, link in self.parents.items():
            for field in parent._meta.fields:
                found.setdefault(field)
            if link is not None and self.proxy:
                continue
        found.update(dict.fromkeys(self.local_fields))
        return tuple(found)

    @cached_property
    def concrete_fields(self) -> tuple[Any, ...]:
        """Fields that have a column, in this table or a parent's."""
        return tuple(field for field in self.fields if field.column_type() is not None)

    @cached_property
    def local_concrete_fields(self) -> tuple[Any, ...]:
        """Fields that have a column in this model's own table."""
        return tuple(field for field in self.local_fields if field.column_type() is not None)

    @cached_property
    def many_to_many(self) -> tuple[Any, ...]:
        """Many-to-many fields, those of the parents first."""
        found: dict[Any, None] = {}
        for parent in self.parents:
            found.update(dict.fromkeys(parent._meta.many_to_many))
        found.update(dict.fromkeys(self.local_many_to_many))
        return tuple(found)

    @cached_property
    def attnames(self) -> tuple[str, ...]:
        """Attributes of the concrete fields, in order."""
        return tuple(field.attname for field in self.concrete_fields)

    @cached_property
    def related_objects(self) -> tuple[Any, ...]:
        """Relations of other models that point here and are not hidden; those of the parents first."""
        return tuple(relation for relation in self.all_related_objects if not relation.hidden)

    @cached_property
    def all_related_objects(self) -> tuple[Any, ...]:
        """Relations of other models that point here, hidden ones too."""
        # Relations point at concrete models; a proxy answers with those of its model.
        found: dict[Any, None] = {}
        for parent in self.parents:
            found.update(dict.fromkeys(r for r in parent._meta.all_related_objects if not _is_link(r, self)))
        found.update(dict.fromkeys(self.related))
        return tuple(found)

    @cached_property
    def _forward_map(self) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for field in (*self.private_fields_with_parents, *self.fields, *self.many_to_many):
            found[field.name] = field
            attname = getattr(field, "attname", None)
            if attname and attname not in found:
                found[attname] = field
        return found

    @property
    def private_fields_with_parents(self) -> list[Any]:
        """Fields without a place of their own in the lists (generic relations), of the parents too."""
        found: dict[Any, None] = {}
        for parent in self.parents:
            found.update(dict.fromkeys(parent._meta.private_fields_with_parents))
        found.update(dict.fromkeys(self.private_fields))
        return list(found)

    @cached_property
    def fields_map(self) -> dict[str, Any]:
        """Everything that a query may name: fields by name and attribute, and reverse relations by query name."""
        found: dict[str, Any] = {}
        for relation in self.all_related_objects:
            if not relation.hidden:
                found[relation.name] = relation
        found.update(self._forward_map)
        return found

    def get_field(self, name: str) -> Any:
        """Return a field or reverse relation by name.

        Raises:
            FieldDoesNotExist: There is none; the text says what is near.
        """
        found = self._forward_map.get(name)
        if found is None:
            found = self.fields_map.get(name)
        if found is None:
            names = sorted(self.fields_map)
            near = suggest(name, names)
            hint = f" Did you mean '{near}'?" if near else f" Fields are: {', '.join(names)}."
            raise FieldDoesNotExist(f"{self.object_name} has no field '{name}'.{hint}")
        return found

    def get_fields(self, include_parents: bool = True, include_hidden: bool = False) -> tuple[Any, ...]:
        """Return all fields: reverse relations, forward fields, many-to-many fields."""
        relations = self.all_related_objects if include_hidden else self.related_objects
        if include_parents:
            return (*relations, *self.fields, *self.many_to_many, *self.private_fields_with_parents)
        own = [relation for relation in relations if relation in self.related]
        return (*own, *self.local_fields, *self.local_many_to_many, *self.private_fields)

    @cached_property
    def pk_fields(self) -> list[Any]:
        """The fields of the primary key: one, unless it is composite."""
        if self.pk is None:
            return []
        parts = getattr(self.pk, "field_names", None)
        # A name that leads nowhere is one of the findings of the checks.
        return [self.pk] if parts is None else [self._forward_map[name] for name in parts if name in self._forward_map]

    @cached_property
    def db_returning_fields(self) -> tuple[Any, ...]:
        """Fields whose value the database makes: automatic keys, database defaults, generated columns."""
        return tuple(
            field
            for field in self.local_concrete_fields
            if field is self.auto_field or field.has_db_default() or field.generated
        )

    @cached_property
    def total_unique_constraints(self) -> list[Any]:
        """Unique constraints over plain fields and all rows."""
        return [constraint for constraint in self.constraints if getattr(constraint, "is_total", False)]

    # ── inheritance

    @cached_property
    def placed_model(self) -> Any:
        """The model whose ``order_with_respect_to`` gives the rows their places: this one, that of a proxy, or a parent."""
        for model in (self.concrete_model, *self.all_parents):
            if model is not None and model._meta.order_with_respect_to:
                return model
        return None

    @cached_property
    def all_parents(self) -> tuple[type[Model], ...]:
        """Parents, their parents and so on, nearest first."""
        found: dict[type[Model], None] = {}
        for parent in self.parents:
            found.setdefault(parent)
        for parent in self.parents:
            found.update(dict.fromkeys(parent._meta.all_parents))
        return tuple(found)

    def get_parent_list(self) -> list[type[Model]]:
        """Return all parents, nearest first."""
        return list(self.all_parents)

    def get_ancestor_link(self, ancestor: type[Model]) -> Any:
        """Return the field that leads to an ancestor's table, or ``None``."""
        if ancestor in self.parents:
            return self.parents[ancestor]
        for parent, link in self.parents.items():
            further = parent._meta.get_ancestor_link(ancestor)
            if further is not None:
                return link or further
        return None

    # ── managers

    @cached_property
    def managers(self) -> tuple[Any, ...]:
        """The managers of this model and its parents, the nearest of each name, in order of creation."""
        found: dict[str, Any] = {}
        rank: list[tuple[int, int, Any]] = []
        for depth, base in enumerate(b for b in self.model.__mro__ if hasattr(b, "_meta")):
            for manager in vars(base)["_meta"].local_managers if "_meta" in vars(base) else ():
                if manager.name in found:
                    continue
                copy_ = manager
                if base is not self.model:
                    copy_ = copy.copy(manager)
                    copy_.model = self.model
                found[manager.name] = copy_
                rank.append((depth, manager.creation_counter, copy_))
        return tuple(manager for _depth, _counter, manager in sorted(rank, key=lambda item: item[:2]))

    @cached_property
    def managers_map(self) -> dict[str, Any]:
        """Managers by name."""
        return {manager.name: manager for manager in self.managers}

    @cached_property
    def default_manager(self) -> Any:
        """The manager that relations, the admin and fixtures use."""
        name = self.default_manager_name or self._inherited("default_manager_name")
        if name:
            return self._named_manager(name, "default_manager_name")
        return self.managers[0] if self.managers else None

    @cached_property
    def base_manager(self) -> Any:
        """The manager that loads single related rows and refreshes instances: no filters."""
        name = self.base_manager_name or self._inherited("base_manager_name")
        if name:
            return self._named_manager(name, "base_manager_name")
        make: Any = self.model._base_manager_class  # set by the metaclass: managers are above this room
        manager = make()
        manager.name = "_base_manager"
        manager.model = self.model
        manager.auto_created = True
        return manager

    def _inherited(self, option: str) -> str | None:
        for parent in self.model.__mro__[1:]:
            meta = parent.__dict__.get("_meta")
            if meta is not None and getattr(meta, option):
                return str(getattr(meta, option))
        return None

    def _named_manager(self, name: str, option: str) -> Any:
        try:
            return self.managers_map[name]
        except KeyError:
            raise ImproperlyConfigured(
                f"Meta.{option} of {self.label} names the manager '{name}', and the model has no such manager."
            ) from None

    # ── rules

    def can_migrate(self, database: Any) -> bool:
        """Whether a database has a table for this model: it is managed, not swapped, and the database fits."""
        if self.proxy or self.swapped or not self.managed:
            return False
        return requirements.fits(database, self.required_db_vendor, self.required_db_features)

    def __repr__(self) -> str:
        return f"<Options for {self.object_name}>"

    def __str__(self) -> str:
        return self.label_lower


def _is_link(relation: Any, options: Options) -> bool:
    """Whether a parent's relation is the very link from this child to it."""
    link = getattr(relation, "field", None)
    return link is not None and link in options.parents.values() and inspect.isclass(relation.related_model)
