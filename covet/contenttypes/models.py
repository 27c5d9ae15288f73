"""ContentType: the row that stands for a model, found once and kept for as long as the database is open."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar
from weakref import WeakKeyDictionary

from covet.apps import apps
from covet.db import connections, models
from covet.db.routers import router
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.db import transaction
    from covet.db.database import Database
    from covet.db.models.query.queryset import QuerySet
else:
    transaction = late_module(__name__, "covet.db.transaction")

__all__ = ["ContentType", "ContentTypeManager"]

_Model = type[models.Model]


class ContentTypeManager(models.Manager["ContentType"]):
    """Finds content types by model, name or key; each is read from a database once."""

    use_in_migrations = True

    def __init__(self) -> None:
        super().__init__()
        # By database and not by alias: a test's scratch database under the same alias has keys of its own.
        self._kept: WeakKeyDictionary[Database, dict[Any, ContentType]] = WeakKeyDictionary()

    async def get_for_model(self, model: _Model | models.Model, for_concrete_model: bool = True) -> ContentType:
        """Return the content type of a model or of an instance's model, making its row if there is none.

        Args:
            model: A model class, or an instance of one.
            for_concrete_model: Take a proxy for the model that it stands for.
        """
        key = _key_of(model, for_concrete_model)
        alias = self._alias()
        kept = self._cache(alias).get(key)
        if kept is not None:
            return kept
        found, is_new = await self.using(alias).get_or_create(app_label=key[0], model=key[1])
        if is_new:
            # A rollback takes the row away again, so it is kept only once it is committed.
            await transaction.on_commit(lambda: self._keep(alias, found), using=alias)
        else:
            self._keep(alias, found)
        return found

    async def get_for_models(
        self, *wanted: _Model | models.Model, for_concrete_models: bool = True
    ) -> dict[_Model, ContentType]:
        """Return the content types of several models, those not known yet in one query."""
        by_key: dict[tuple[str, str], list[_Model]] = {}
        for model in wanted:
            cls = model if isinstance(model, type) else type(model)
            by_key.setdefault(_key_of(model, for_concrete_models), []).append(cls)
        alias = self._alias()
        cache = self._cache(alias)
        unknown = [key for key in by_key if key not in cache]
        if unknown:
            condition = models.Q()
            for app_label, name in unknown:
                condition |= models.Q(app_label=app_label, model=name)
            for found in await self.using(alias).filter(condition):
                self._keep(alias, found)
        result: dict[_Model, ContentType] = {}
        for key, classes in by_key.items():
            known = cache.get(key)
            for cls in classes:
                result[cls] = known or await self.get_for_model(cls, for_concrete_models)
        return result

    async def get_for_id(self, id: int) -> ContentType:
        """Return the content type with that key.

        Raises:
            ContentType.DoesNotExist: There is none.
        """
        alias = self._alias()
        kept = self._cache(alias).get(id)
        if kept is None:
            kept = await self.using(alias).get(pk=id)
            self._keep(alias, kept)
        return kept

    async def get_for_ids(self, ids: Iterable[int]) -> dict[int, ContentType]:
        """Return the content types with these keys, those not known yet in one query; keys without a row are left out."""
        alias = self._alias()
        cache = self._cache(alias)
        ids = set(ids)
        unknown = [one for one in ids if one not in cache]
        if unknown:
            for found in await self.using(alias).filter(pk__in=unknown):
                self._keep(alias, found)
        return {one: cache[one] for one in ids if one in cache}

    def known(self, model: _Model | models.Model, for_concrete_model: bool = True) -> ContentType | None:
        """Return the content type of a model if it was read before; nothing is awaited."""
        return self._cache(self._alias()).get(_key_of(model, for_concrete_model))

    def known_by_id(self, id: int) -> ContentType | None:
        """Return the content type with that key if it was read before; nothing is awaited."""
        return self._cache(self._alias()).get(id)

    async def get_by_natural_key(self, app_label: str, model: str) -> ContentType:
        """Return the content type of a model by its app's label and its lower-case name.

        Raises:
            ContentType.DoesNotExist: There is none.
        """
        alias = self._alias()
        kept = self._cache(alias).get((app_label, model))
        if kept is None:
            kept = await self.using(alias).get(app_label=app_label, model=model)
            self._keep(alias, kept)
        return kept

    def clear_cache(self, using: str | None = None) -> None:
        """Forget the content types of one database, or of all; for tests that empty tables."""
        if using is None:
            self._kept.clear()
        else:
            self._kept.pop(connections[using], None)

    def _alias(self) -> str:
        return getattr(self, "_db", None) or router.db_for_read(ContentType)

    def _cache(self, alias: str) -> dict[Any, ContentType]:
        return self._kept.setdefault(connections[alias], {})

    def _keep(self, alias: str, found: ContentType) -> None:
        cache = self._cache(alias)
        cache[found.app_label, found.model] = cache[found.pk] = found


class ContentType(models.Model):
    """A model of an installed app, or of one that was installed once."""

    app_label = models.CharField(max_length=100)
    model = models.CharField("python model class name", max_length=100)

    objects: ClassVar[ContentTypeManager] = ContentTypeManager()

    class Meta:
        verbose_name = "content type"
        verbose_name_plural = "content types"
        db_table = "covet_content_type"
        unique_together = [("app_label", "model")]

    def __str__(self) -> str:
        return self.app_labeled_name

    @property
    def name(self) -> str:
        """The model's name for people; its plain name when the model is gone."""
        model = self.model_class()
        return self.model if model is None else str(model._meta.verbose_name)

    @property
    def app_labeled_name(self) -> str:
        """App and model for people: ``Blog | article``."""
        model = self.model_class()
        if model is None:
            return f"{self.app_label} | {self.model}"
        config = model._meta.app_config
        return f"{config.verbose_name if config is not None else self.app_label} | {model._meta.verbose_name}"

    def model_class(self) -> _Model | None:
        """Return the model; ``None`` when no installed app has it any more."""
        try:
            return apps.get_model(self.app_label, self.model)
        except LookupError:
            return None

    async def get_object_for_this_type(self, using: str | None = None, **lookups: Any) -> models.Model:
        """Return one instance of the model.

        Raises:
            LookupError: The model is gone.
            ObjectDoesNotExist: No row matches.
        """
        found: models.Model = await self._objects(using).get(**lookups)
        return found

    def get_all_objects_for_this_type(self, **lookups: Any) -> QuerySet[Any, Any]:
        """Return the instances of the model that match, as a queryset.

        Raises:
            LookupError: The model is gone.
        """
        return self._objects(None).filter(**lookups)

    def natural_key(self) -> tuple[str, str]:
        """Return label and name, by which fixtures refer to the row."""
        return self.app_label, self.model

    def _objects(self, using: str | None) -> QuerySet[Any, Any]:
        model = self.model_class()
        if model is None:
            raise LookupError(f"No installed app has the model {self.app_label}.{self.model} any more.")
        manager = model._base_manager
        return manager.using(using) if using else manager.all()


def _key_of(model: _Model | models.Model, concrete: bool) -> tuple[str, str]:
    meta = model._meta
    if concrete and meta.concrete_model is not None:
        meta = meta.concrete_model._meta
    return meta.app_label, meta.model_name


def missing(known: Iterable[tuple[str, str]], wanted: Iterable[_Model]) -> list[ContentType]:
    """Return unsaved content types for the models that have none among ``known``."""
    there = set(known)
    keys = dict.fromkeys((model._meta.app_label, model._meta.model_name) for model in wanted)
    return [ContentType(app_label=app_label, model=name) for app_label, name in keys if (app_label, name) not in there]
