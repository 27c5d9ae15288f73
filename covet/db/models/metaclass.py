"""ModelBase: how a class body becomes a model.

It takes plain fields out of the class (an instance then answers from its own ``__dict__``), reads ``class Meta``,
inherits from abstract, concrete and proxied models as Django does, and registers the class with the current ``Apps``.
"""

from __future__ import annotations

import contextlib
import copy
import inspect
import operator
import threading
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from covet.apps import apps as global_apps
from covet.conf import settings
from covet.db.models.conflicts import ObjectNotUpdated
from covet.db.models.fields import identity
from covet.db.models.manager import Manager
from covet.db.models.options import Options
from covet.db.models.relations.foreign import OneToOneField
from covet.db.models.relations.rules import CASCADE
from covet.db.models.relations.spec import lazy_related
from covet.db.models.signals import class_prepared
from covet.exceptions import (
    FieldDoesNotExist,
    FieldError,
    ImproperlyConfigured,
    MultipleObjectsReturned,
    ObjectDoesNotExist,
)
from covet.loading import import_string, late_module
from covet.text import suggest

if TYPE_CHECKING:
    from covet.db.models import places
    from covet.db.models.base import Model
    from covet.db.models.fields import order
else:
    places = late_module(__name__, "covet.db.models.places")
    order = late_module(__name__, "covet.db.models.fields.order")

__all__ = ["ModelBase", "ObjectNotUpdated", "writes_constructor"]

M = TypeVar("M", bound="Model")


class ModelBase(type):
    """The metaclass of models."""

    if TYPE_CHECKING:
        # Consulted last, so that a manager of the class body wins with its own type.
        def __getattr__(cls: type[M], name: Literal["objects"]) -> Manager[M]: ...  # type: ignore[misc]

        _meta: Options
        _default_manager: Manager[Any]
        _base_manager: Manager[Any]
    else:

        def __getattr__(cls, name: str) -> Any:
            """Return the field of that name: plain fields are not in the class."""
            meta = None if name.startswith("__") else cls.__dict__.get("_meta")
            if meta is not None:
                field = meta._forward_map.get(name)
                if field is not None:
                    return field
            raise AttributeError(_no_attribute(cls, meta, name))

        @property
        def _default_manager(cls) -> Any:
            return cls._meta.default_manager

        @property
        def _base_manager(cls) -> Any:
            return cls._meta.base_manager

    def __new__(metacls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **kwargs: Any) -> ModelBase:
        """Make a model of a class body."""
        parents = [base for base in bases if isinstance(base, ModelBase)]
        if not parents:
            return super().__new__(metacls, name, bases, namespace)
        own_meta = namespace.pop("Meta", None)
        contributing = {key: value for key, value in namespace.items() if _contributes(value)}
        plain = {key: value for key, value in namespace.items() if key not in contributing}
        cls: Any = super().__new__(metacls, name, bases, plain, **kwargs)
        abstract = bool(getattr(own_meta, "abstract", False))
        meta = own_meta or getattr(cls, "Meta", None)
        parent_options: Options | None = next(
            (vars(base)["_meta"] for base in cls.__mro__[1:] if "_meta" in vars(base)), None
        )
        cls.add_to_class("_meta", Options(meta, _app_label(cls, meta, abstract)))
        options: Options = cls._meta
        if not abstract:
            for exception in _EXCEPTIONS:
                setattr(cls, exception.name, exception)
            if parent_options is not None and not parent_options.abstract:
                _inherit_ordering(options, parent_options, meta)
        if options.proxy and parent_options is not None and parent_options.swapped:
            raise TypeError(f"{name} cannot be a proxy of {parent_options.label}, which is swapped for another model.")
        for key, value in contributing.items():
            cls.add_to_class(key, value)
        _inherit_fields(cls, parents)
        if abstract:
            # Children inherit this Meta; they are not abstract for it.
            own_meta.abstract = False
            cls.Meta = own_meta
            return cls  # type: ignore[no-any-return]
        _complete(cls)
        options.apps.register_model(options.app_label, cls)
        return cls  # type: ignore[no-any-return]

    def add_to_class(cls, name: str, value: Any) -> None:
        """Set an attribute of the class, or let the value join the model by its own ``contribute_to_class``."""
        if _contributes(value):
            value.contribute_to_class(cls, name)
        else:
            setattr(cls, name, value)

    def _forget_compiled(cls) -> None:
        """Drop the compiled constructor: a field has come, or a subclass with a constructor of its own."""
        if "_construct" in vars(cls):
            type.__delattr__(cls, "_construct")
        if getattr(vars(cls).get("__init__"), "_is_compiled", False):
            type.__setattr__(cls, "__init__", _root(cls).__init__)


def _root(cls: Any) -> Any:
    """Return ``Model``: the one class of the metaclass that has no options."""
    return next(base for base in cls.__mro__ if isinstance(base, ModelBase) and "_meta" not in vars(base))


def writes_constructor(cls: Any) -> bool:
    """Whether the class, or one between it and ``Model``, has an ``__init__`` that a user wrote."""
    root = _root(cls)
    for base in cls.__mro__:
        if base is root:
            return False
        init = vars(base).get("__init__")
        if init is not None and init is not root.__init__ and not getattr(init, "_is_compiled", False):
            return True
    return False


def _contributes(value: Any) -> bool:
    return not isinstance(value, type) and hasattr(value, "contribute_to_class")


def _app_label(cls: type[Any], meta: Any, abstract: bool) -> str | None:
    label: str | None = getattr(meta, "app_label", None)
    if label is not None:
        return label
    registry = getattr(meta, "apps", None) or global_apps.current()
    config = registry.get_containing_app_config(cls.__module__)
    if config is None and registry is not global_apps:
        # An isolated registry of a test holds few apps or none; the model's module still lies in an installed one.
        config = global_apps.get_containing_app_config(cls.__module__)
    if config is not None:
        return config.label
    if abstract:
        return None
    raise RuntimeError(
        f"The model {cls.__module__}.{cls.__qualname__} belongs to no installed app. Add the package that holds it to "
        f"INSTALLED_APPS, import it only after covet.setup(), or write app_label = '…' in its class Meta."
    )


class _LateException:
    """``Article.DoesNotExist``: the model's own class of an exception, made when it is first named.

    Most models have three of them that are never raised, and a class takes as long to make as ten fields.
    """

    def __init__(self, name: str, root: type[Exception]) -> None:
        self.name = name
        self.root = root
        # Two threads would make two classes, and what one of them raises the other would not catch.
        self._lock = threading.RLock()

    def __get__(self, instance: Any, owner: Any) -> type[Exception]:
        with self._lock:
            # Each model with a table has this in its own namespace, until it has the class there.
            cls = next(base for base in owner.__mro__ if self.name in vars(base))
            found: Any = vars(cls)[self.name]
            return self._make(cls) if found is self else found  # type: ignore[no-any-return]  # made meanwhile

    def _make(self, cls: Any) -> type[Exception]:
        name = self.name
        parents = [base for base in cls.__bases__ if isinstance(base, ModelBase)]
        concrete = [parent for parent in parents if "_meta" in vars(parent) and not parent._meta.abstract]
        made = type(
            name,
            tuple(getattr(parent, name) for parent in concrete) or (self.root,),
            {
                "__module__": cls.__module__,
                "__qualname__": f"{cls.__qualname__}.{name}",
                "__doc__": f"{self.root.__doc__}",
            },
        )
        setattr(cls, name, made)
        return made


_EXCEPTIONS = (
    _LateException("DoesNotExist", ObjectDoesNotExist),
    _LateException("MultipleObjectsReturned", MultipleObjectsReturned),
    _LateException("NotUpdated", ObjectNotUpdated),
)


def _inherit_ordering(options: Options, parent: Options, meta: Any) -> None:
    if not hasattr(meta, "ordering"):
        options.ordering = parent.ordering
    if not hasattr(meta, "get_latest_by"):
        options.get_latest_by = parent.get_latest_by


def _inherit_fields(cls: Any, parents: list[Any]) -> None:
    """Copy the fields of abstract parents; link to the tables of concrete ones."""
    options: Options = cls._meta
    own = {field.name for field in (*options.local_fields, *options.local_many_to_many, *options.private_fields)}
    if options.proxy:
        target = _proxied(cls, parents)
        options.setup_proxy(target)
        options.concrete_model = target._meta.concrete_model
    else:
        options.concrete_model = cls
    if not any("_meta" in vars(parent) for parent in parents):
        return
    links = _declared_links(cls, parents)
    taken: set[str] = set()
    for base in cls.__mro__:
        if base not in parents or "_meta" not in vars(base):
            # Attributes of the class and of plain mixins come before fields of models further on.
            taken.update(vars(base))
        elif base._meta.abstract:
            _copy_abstract(cls, base, own, taken)
        else:
            _link_concrete(cls, base, own, links)
            taken.update(field.name for field in base._meta.local_fields)


def _proxied(cls: Any, parents: list[Any]) -> Any:
    target: Any = None
    for parent in parents:
        if "_meta" not in vars(parent):
            continue
        if parent._meta.abstract:
            if parent._meta.fields:
                raise TypeError(f"The proxy {cls.__name__} cannot take the fields of the abstract {parent.__name__}.")
        elif target is None:
            target = parent
        elif parent._meta.concrete_model is not target._meta.concrete_model:
            raise TypeError(f"The proxy {cls.__name__} has more than one model to stand for. Keep one of its bases.")
    if target is None:
        raise TypeError(f"The proxy {cls.__name__} has no model to stand for: a base must be a model with a table.")
    return target


def _declared_links(cls: Any, parents: list[Any]) -> dict[str, Any]:
    """Return the user's own ``OneToOneField(parent_link=True)`` fields, by the lower-case label of their target."""
    found: dict[str, Any] = {}
    for base in (*reversed(parents), cls):
        if "_meta" not in vars(base) or (base is not cls and not base._meta.abstract):
            continue
        for field in base._meta.local_fields:
            if isinstance(field, OneToOneField) and field.remote_field.parent_link:
                found[_target_label(cls, field.remote_field.model)] = field
    return found


def _target_label(cls: Any, target: Any) -> str:
    if not isinstance(target, str):
        return str(target._meta.label_lower)
    if target == "self":
        return str(cls._meta.label_lower)
    return target.lower() if "." in target else f"{cls._meta.app_label}.{target}".lower()


def _copy_abstract(cls: Any, base: Any, own: set[str], taken: set[str]) -> None:
    options: Options = cls._meta
    parents = dict(base._meta.parents)
    for field in (*base._meta.local_fields, *base._meta.local_many_to_many):
        # ``title = None`` in the class body takes an inherited field away.
        if field.name in own or field.name in vars(cls) or field.name in taken or _has_local(options, field.name):
            continue
        clone = copy.deepcopy(field)
        cls.add_to_class(field.name, clone)
        if field.one_to_one:
            parents = {parent: clone if link == field else link for parent, link in parents.items()}
    options.parents.update(parents)
    _copy_private(cls, base, own)


def _link_concrete(cls: Any, base: Any, own: set[str], links: dict[str, Any]) -> None:
    options: Options = cls._meta
    for field in (*base._meta.local_fields, *base._meta.local_many_to_many):
        if field.name in own:
            raise FieldError(
                f"The field '{field.name}' of {cls.__name__} clashes with the field of that name of its parent "
                f"{base.__name__}. Rename it: a field of a parent with a table cannot be replaced.",
                model=cls,
                name=field.name,
            )
    target = base._meta.concrete_model
    link = links.get(target._meta.label_lower)
    if link is None and not options.proxy:
        name = f"{target._meta.model_name}_ptr"
        if name in own:
            raise FieldError(
                f"{cls.__name__} needs the name '{name}' for the link to its parent {target.__name__}. Rename that "
                f"field, or make it the link: OneToOneField({target.__name__}, on_delete=CASCADE, parent_link=True).",
                model=cls,
                name=name,
            )
        link = OneToOneField(target, on_delete=CASCADE, name=name, auto_created=True, parent_link=True)
        if not _has_local(options, name):
            cls.add_to_class(name, link)
    options.parents[target] = link
    _copy_private(cls, base, own)


def _copy_private(cls: Any, base: Any, own: set[str]) -> None:
    for field in base._meta.private_fields:
        if field.name in own:
            if not base._meta.abstract:
                raise FieldError(
                    f"The field '{field.name}' of {cls.__name__} clashes with the field of that name of "
                    f"{base.__name__}.",
                    model=cls,
                    name=field.name,
                )
        elif base._meta.abstract or field.one_to_many:
            clone = copy.deepcopy(field)
            if not base._meta.abstract:
                # Rows refer to a child by the child's own type; in queries the reverse name is the parent's.
                clone.remote_field.related_name, clone.remote_field.related_query_name = "+", None
            cls.add_to_class(field.name, clone)


def _has_local(options: Options, name: str) -> bool:
    return any(field.name == name for field in (*options.local_fields, *options.local_many_to_many))


def _complete(cls: Any) -> None:
    """Give the model its key, its managers and its fast accessors, and say that it is there."""
    options: Options = cls._meta
    _order_with_respect_to(cls)
    if options.pk is None:
        _add_key(cls)
    for index in options.indexes:
        with contextlib.suppress(FieldDoesNotExist):  # the checks name it
            index.set_name_with_model(cls)
    cls._base_manager_class = Manager
    if not options.managers:
        if _has_local(options, "objects"):
            raise ValueError(
                f"{cls.__name__} has a field named 'objects' and no manager. Rename the field, or declare a manager "
                f"under another name."
            )
        manager: Any = Manager()
        manager.auto_created = True
        cls.add_to_class("objects", manager)
    attname = getattr(options.pk, "attname", None)
    if attname and len(options.pk_fields) == 1 and "pk" not in vars(cls):
        # attrgetter runs in C: pk is read for every comparison, hash and cache key.
        cls.pk = property(operator.attrgetter(attname), _pk_setter(cls, attname))
    if not writes_constructor(cls):
        # Its own, so that it does not inherit the compiled constructor of a parent.
        cls.__init__ = _root(cls).__init__
    else:
        for base in cls.__mro__[1:]:
            # The user's constructor calls super().__init__, which must then build *this* class.
            if isinstance(base, ModelBase) and "_meta" in vars(base):
                base._forget_compiled()
    _name_attributes(cls, options)
    class_prepared.send_sync(cls)


def _name_attributes(cls: Any, options: Options) -> None:
    """Make the attributes of instances known to Python before there is an instance.

    The instances of a class keep their values in a row of places, and each new instance makes Python count on fewer names to
    come. A name that comes after many instances finds no place: whoever gets it then has a dict of its own, which takes four
    times as long to fill, and twice the memory.
    """
    if hasattr(cls, "__del__"):
        # It is no instance that a project should see the end of.
        return
    first = object.__new__(cls)
    cached = [field.cache_name for field in options.concrete_fields if field.is_relation]
    # One late name always finds a place: so rows whose relations nobody looks at need none for them.
    names = ["_row_state", *[field.attname for field in options.concrete_fields], *cached[1:]]
    classes = [vars(base) for base in cls.__mro__]
    for name in names:
        if not any([hasattr(type(held[name]), "__set__") for held in classes if name in held]):
            object.__setattr__(first, name, None)


def _add_key(cls: Any) -> None:
    options: Options = cls._meta
    if options.parents:
        link = next(iter(options.parents.values()))
        local = next((field for field in options.local_fields if field.name == link.name), link)
        local.primary_key = True
        options.setup_pk(local)
        options.expire()
        return
    if any(field.name == "id" for field in options.local_fields):
        raise ImproperlyConfigured(
            f"{options.label} has a field 'id' that is not the primary key, and no primary key. "
            f"Add primary_key=True to one of its fields."
        )
    key = _default_key(options)(verbose_name="ID", primary_key=True, auto_created=True)
    cls.add_to_class("id", key)


def _default_key(options: Options) -> type[Any]:
    config = options.app_config
    path = (getattr(config, "default_auto_field", None) if config is not None else None) or settings.DEFAULT_AUTO_FIELD
    module, _dot, name = str(path).rpartition(".")
    if module in {"covet.db.models", "covet.db.models.fields"} and hasattr(identity, name):
        # The front door may be half imported when the first models are made.
        found = getattr(identity, name)
    else:
        found = import_string(path)
    if not (inspect.isclass(found) and issubclass(found, identity.AutoFieldMixin)):
        raise ImproperlyConfigured(
            f"DEFAULT_AUTO_FIELD is {path!r}, which is no automatic key. "
            f"Use 'covet.db.models.BigAutoField' or a subclass of AutoField."
        )
    return found


def _order_with_respect_to(cls: Any) -> None:
    options: Options = cls._meta
    if not options.order_with_respect_to:
        return
    name = options.order_with_respect_to
    field = next((field for field in options.fields if name in (field.name, field.attname)), None)
    if field is None:
        near = suggest(str(name), [field.name for field in options.fields])
        hint = f" Did you mean '{near}'?" if near else ""
        raise FieldDoesNotExist(
            f"Meta.order_with_respect_to of {options.label} names '{name}', which is no field.{hint}"
        )
    options.order_with_respect_to = field
    options.ordering = ("_order",)
    if not _has_local(options, "_order"):
        cls.add_to_class("_order", order.OrderWrt())
    if field.remote_field is not None:
        lazy_related(cls, field.remote_field.model, lambda parent: places.add_order_methods(parent, cls))


def _pk_setter(cls: Any, attname: str) -> Any:
    options: Options = cls._meta
    if not options.parents or options.proxy:
        return lambda instance, value: setattr(instance, attname, value)

    def set_pk(instance: Any, value: Any) -> None:
        setattr(instance, attname, value)
        # The row of a parent has the same key.
        for parent in options.all_parents:
            setattr(instance, parent._meta.pk.attname, value)

    return set_pk


def _no_attribute(cls: Any, meta: Options | None, name: str) -> str:
    if meta is not None and not name.startswith("_"):
        if name == "objects" and meta.abstract:
            return f"{cls.__name__} is abstract and has no rows; query one of its subclasses."
        if name == "objects" and meta.swapped:
            return f"{cls.__name__} is swapped for {meta.swapped}; query that model (get_user_model() for the user)."
        near = suggest(name, meta.fields_map)
        if near:
            return f"The model {cls.__name__} has no attribute '{name}'. Did you mean '{near}'?"
    return f"type object '{cls.__name__}' has no attribute '{name}'"
