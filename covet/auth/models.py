"""Users, groups and permissions, and the abstract models that a project's own user is made of."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar

from typing_extensions import TypeVar

from covet import timezone
from covet.auth.anonymous import AnonymousUser
from covet.auth.hashers import check_password, is_password_usable, make_password
from covet.auth.validators import UnicodeUsernameValidator
from covet.concurrency import maybe_await, verdict
from covet.conf import settings
from covet.contenttypes.models import ContentType
from covet.db import models
from covet.exceptions import ImproperlyConfigured, NotLoaded
from covet.i18n import gettext_lazy as _
from covet.loading import late_module

if TYPE_CHECKING:
    from covet.security import random as crypto
else:
    crypto = late_module(__name__, "covet.security.random", "crypto")

__all__ = [
    "AbstractBaseUser",
    "AbstractUser",
    "AnonymousUser",
    "BaseUserManager",
    "Group",
    "GroupManager",
    "Permission",
    "PermissionManager",
    "PermissionsMixin",
    "User",
    "UserManager",
]

U = TypeVar("U", bound="AbstractBaseUser", default="AbstractBaseUser")


class PermissionManager(models.Manager["Permission"]):
    """Finds permissions by what names them."""

    use_in_migrations = True

    async def get_by_natural_key(self, codename: str, app_label: str, model: str) -> Permission:
        """Return the permission of a model by its codename."""
        content_type = await ContentType.objects.get_by_natural_key(app_label, model)
        # Its key: the historical models of a migration have a class of their own for types.
        return await self.get(codename=codename, content_type_id=content_type.pk)


class Permission(models.Model):
    """Something one may do with a model: ``blog.add_article``. Made after ``migrate``, for each model."""

    name = models.CharField(_("name"), max_length=255)
    content_type = models.ForeignKey(ContentType, on_delete=models.CASCADE, verbose_name=_("content type"))
    codename = models.CharField(_("codename"), max_length=100)

    objects = PermissionManager()

    class Meta:
        verbose_name = _("permission")
        verbose_name_plural = _("permissions")
        ordering = ["content_type__app_label", "content_type__model", "codename"]
        constraints = [models.UniqueConstraint(fields=["content_type", "codename"], name="auth_permission_unique")]

    def __str__(self) -> str:
        return self.name


class GroupManager(models.Manager["Group"]):
    """Finds groups by name."""

    use_in_migrations = True

    async def get_by_natural_key(self, name: str) -> Group:
        """Return the group of this name."""
        return await self.get(name=name)


class Group(models.Model):
    """A name for a set of permissions that users can share."""

    name = models.CharField(_("name"), max_length=150, unique=True)
    permissions: models.ManyToManyField[Permission] = models.ManyToManyField(
        Permission, verbose_name=_("permissions"), blank=True
    )

    objects = GroupManager()

    class Meta:
        verbose_name = _("group")
        verbose_name_plural = _("groups")

    def __str__(self) -> str:
        return self.name


class BaseUserManager(models.Manager[U]):
    """What managers of user models share."""

    @classmethod
    def normalize_email(cls, email: str | None) -> str:
        """Return the address with its domain in lower case."""
        name, at, domain = (email or "").strip().rpartition("@")
        return f"{name}@{domain.lower()}" if at else domain

    async def get_by_natural_key(self, username: str | None) -> U:
        """Return the user of this name."""
        return await self.get(**{self.model.USERNAME_FIELD: username})


class UserManager(BaseUserManager[U]):
    """Makes users, with hashed passwords."""

    use_in_migrations = True

    async def create_user(
        self, username: str, email: str | None = None, password: str | None = None, **values: Any
    ) -> U:
        """Create and return a user; without a password, nobody can log in as them by one."""
        values.setdefault("is_staff", False)
        values.setdefault("is_superuser", False)
        return await self._create(username, email, password, values)

    async def create_superuser(
        self, username: str, email: str | None = None, password: str | None = None, **values: Any
    ) -> U:
        """Create and return a user who may do everything.

        Raises:
            ValueError: ``is_staff`` or ``is_superuser`` was given as False.
        """
        for name in ("is_staff", "is_superuser"):
            if values.setdefault(name, True) is not True:
                raise ValueError(f"A superuser must have {name}=True.")
        return await self._create(username, email, password, values)

    async def _create(self, username: str, email: str | None, password: str | None, values: dict[str, Any]) -> U:
        if not username:
            raise ValueError("A user needs a username.")
        # The historical model of a migration has the fields, and no methods.
        normalize = getattr(self.model, "normalize_username", AbstractBaseUser.normalize_username)
        user: U = self.model(username=normalize(username), email=self.normalize_email(email), **values)
        if isinstance(user, AbstractBaseUser):
            await user.set_password(password)
        else:
            user.password = await make_password(password)
        # Not self.db, which reads go to: a router may read from a replica. A project's save() may be a plain function.
        saved: Any = user.save(using=self._db, force_insert=True)
        await maybe_await(saved)
        return user


class AbstractBaseUser(models.Model):
    """A password and a last log-in: the least a user model can be.

    A subclass names its ``USERNAME_FIELD`` and has a manager with ``create_user`` and ``create_superuser``.
    """

    password = models.CharField(_("password"), max_length=128)
    last_login = models.DateTimeField(_("last login"), blank=True, null=True)

    USERNAME_FIELD: ClassVar[str] = "username"
    EMAIL_FIELD: ClassVar[str] = "email"
    REQUIRED_FIELDS: ClassVar[list[str]] = []

    class Meta:
        abstract = True

    def __str__(self) -> str:
        return self.get_username()

    def get_username(self) -> str:
        """Return the value of the ``USERNAME_FIELD``."""
        return str(getattr(self, self.USERNAME_FIELD))

    def natural_key(self) -> tuple[str]:
        """Return what names the user."""
        return (self.get_username(),)

    @classmethod
    def normalize_username(cls, username: str) -> str:
        """Return the name in NFKC: look-alikes of the same letters are one name."""
        return unicodedata.normalize("NFKC", username)

    @classmethod
    def get_email_field_name(cls) -> str:
        """Return the name of the field that holds the e-mail address."""
        return cls.EMAIL_FIELD

    async def clean(self) -> None:
        """Normalise the name."""
        setattr(self, self.USERNAME_FIELD, self.normalize_username(self.get_username()))

    # -- who it is

    @property
    def is_authenticated(self) -> bool:
        """True: this is a user.

        Raises:
            NotLoaded: It is a claim that nobody has checked; write ``user = await request.user`` first.
        """
        self._refuse_claim("is_authenticated")
        return True

    @property
    def is_anonymous(self) -> bool:
        """False: this is a user."""
        self._refuse_claim("is_anonymous")
        return False

    @property
    def is_active(self) -> bool:
        """Whether the account is in use: always, unless the model has a field of this name."""
        self._refuse_claim("is_active")
        return True

    def _refuse_claim(self, name: str) -> None:
        if self._state.loader is not None:
            raise NotLoaded(
                f"'{name}' was asked of a user that only the session names and nobody has checked yet. "
                "Write `user = await request.user` and ask that user."
            )

    # -- passwords

    async def set_password(self, password: str | None) -> None:
        """Set the hash of a password, made off the event loop; ``save()`` is the caller's."""
        self.password = await make_password(password)

    @verdict
    async def check_password(self, password: str | None) -> bool:
        """Tell whether this is the password; a hash of an old kind is renewed and saved."""

        async def renew(right: str) -> None:
            await self.set_password(right)
            saved: Any = self.save(update_fields=["password"])
            await maybe_await(saved)

        return await check_password(password, self.password, renew)

    def set_unusable_password(self) -> None:
        """Set a hash that no password matches."""
        import secrets

        self.password = "!" + secrets.token_hex(20)

    def has_usable_password(self) -> bool:
        """Tell whether a password can match."""
        return is_password_usable(self.password)

    def get_session_auth_hash(self) -> str:
        """Return a digest of the password hash: sessions made before the password changed do not match it."""
        return self._session_hash(settings.SECRET_KEY)

    def get_session_auth_fallback_hash(self) -> Iterable[str]:
        """Yield the digests under the keys of ``SECRET_KEY_FALLBACKS``."""
        for key in settings.SECRET_KEY_FALLBACKS:
            yield self._session_hash(key)

    def _session_hash(self, secret: str) -> str:
        if not secret:
            raise ImproperlyConfigured(
                "SECRET_KEY is empty, and sessions are bound to it. Set it in .env: SECRET_KEY=… (50 random characters)."
            )
        return crypto.salted_hmac("covet.auth.session", self.password, secret=secret, algorithm="sha256").hexdigest()


class PermissionsMixin(models.Model):
    """Groups, permissions and superusers, for user models of a project's own."""

    is_superuser = models.BooleanField(
        _("superuser status"),
        default=False,
        help_text=_("May do everything, without being granted it."),
    )
    groups: models.ManyToManyField[Group] = models.ManyToManyField(
        Group,
        verbose_name=_("groups"),
        blank=True,
        help_text=_("The user may do what each of their groups may."),
        related_name="user_set",
        related_query_name="user",
    )
    user_permissions: models.ManyToManyField[Permission] = models.ManyToManyField(
        Permission,
        verbose_name=_("user permissions"),
        blank=True,
        help_text=_("What this user may do beside that."),
        related_name="user_set",
        related_query_name="user",
    )

    class Meta:
        abstract = True

    async def get_user_permissions(self, obj: Any = None) -> set[str]:
        """Return what was granted to the user, as ``app.codename``."""
        return await self._granted_by("user", obj)

    async def get_group_permissions(self, obj: Any = None) -> set[str]:
        """Return what was granted to the user's groups."""
        return await self._granted_by("group", obj)

    async def get_all_permissions(self, obj: Any = None) -> set[str]:
        """Return what the user may do, by own permissions and by those of groups, as ``app.codename``."""
        return await self._granted_by("all", obj)

    @verdict
    async def has_perm(self, perm: str, obj: Any = None) -> bool:
        """Tell whether the user may do this; an active superuser may everything."""
        from covet.auth.permissions import has_perm

        if self._is_almighty("has_perm"):
            return True
        return await has_perm(self, perm, obj)

    @verdict
    async def has_perms(self, perms: Iterable[str], obj: Any = None) -> bool:
        """Tell whether the user may do all of these."""
        if isinstance(perms, str):
            raise TypeError(f"has_perms() takes a list of permissions; write has_perm({perms!r}) for one.")
        return all([await self.has_perm(perm, obj) for perm in perms])

    @verdict
    async def has_module_perms(self, app_label: str) -> bool:
        """Tell whether the user may do anything in the app."""
        from covet.auth.permissions import has_module_perms

        if self._is_almighty("has_module_perms"):
            return True
        return await has_module_perms(self, app_label)

    def _is_almighty(self, asked: str) -> bool:
        if isinstance(self, AbstractBaseUser):
            self._refuse_claim(asked)
        return bool(getattr(self, "is_active", True)) and self.is_superuser

    async def _granted_by(self, source: str, obj: Any) -> set[str]:
        from covet.auth.permissions import permissions_of

        if isinstance(self, AbstractBaseUser):
            self._refuse_claim("permissions")
        return await permissions_of(self, obj, source)


class AbstractUser(AbstractBaseUser, PermissionsMixin):
    """A whole user: name, e-mail, staff and active flags. A project's own user is best made from this."""

    username = models.CharField(
        _("username"),
        max_length=150,
        unique=True,
        help_text=_("At most 150 letters, digits and @ . + - _"),
        validators=[UnicodeUsernameValidator()],
        error_messages={"unique": _("A user of that name exists already.")},
    )
    first_name = models.CharField(_("first name"), max_length=150, blank=True)
    last_name = models.CharField(_("last name"), max_length=150, blank=True)
    email = models.EmailField(_("email address"), blank=True)
    is_staff = models.BooleanField(_("staff status"), default=False, help_text=_("May log in to the administration."))
    is_active = models.BooleanField(
        _("active"), default=True, help_text=_("Unset this instead of deleting an account.")
    )
    date_joined = models.DateTimeField(_("date joined"), default=timezone.now)

    if TYPE_CHECKING:
        objects: ClassVar[UserManager[Any]]
    else:
        objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "username"
    REQUIRED_FIELDS = ["email"]

    class Meta:
        abstract = True
        verbose_name = _("user")
        verbose_name_plural = _("users")

    async def clean(self) -> None:
        """Normalise name and e-mail address."""
        await super().clean()
        self.email = BaseUserManager.normalize_email(self.email)

    def get_full_name(self) -> str:
        """Return first and last name."""
        return f"{self.first_name} {self.last_name}".strip()

    def get_short_name(self) -> str:
        """Return the first name."""
        return self.first_name


class User(AbstractUser):
    """The user of projects that have no model of their own."""

    class Meta(AbstractUser.Meta):
        swappable = "AUTH_USER_MODEL"
