import covet.auth.models
import covet.auth.validators
import covet.timezone
from covet.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = [
        ("contenttypes", "0001_initial"),
    ]

    operations = [
        migrations.CreateModel(
            name="Permission",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID",
                        primary_key=True,
                        serialize=False,
                        auto_created=True,
                    ),
                ),
                ("name", models.CharField(verbose_name="name", max_length=255)),
                (
                    "content_type",
                    models.ForeignKey(
                        verbose_name="content type",
                        on_delete=models.CASCADE,
                        to="contenttypes.contenttype",
                    ),
                ),
                ("codename", models.CharField(verbose_name="codename", max_length=100)),
            ],
            options={
                "ordering": [
                    "content_type__app_label",
                    "content_type__model",
                    "codename",
                ],
                "verbose_name": "permission",
                "verbose_name_plural": "permissions",
                "constraints": [
                    models.UniqueConstraint(
                        fields=("content_type", "codename"),
                        name="auth_permission_unique",
                    ),
                ],
            },
            managers=[
                ("objects", covet.auth.models.PermissionManager()),
            ],
        ),
        migrations.CreateModel(
            name="Group",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID",
                        primary_key=True,
                        serialize=False,
                        auto_created=True,
                    ),
                ),
                (
                    "name",
                    models.CharField(verbose_name="name", max_length=150, unique=True),
                ),
                (
                    "permissions",
                    models.ManyToManyField(
                        verbose_name="permissions",
                        blank=True,
                        to="auth.permission",
                    ),
                ),
            ],
            options={"verbose_name": "group", "verbose_name_plural": "groups"},
            managers=[
                ("objects", covet.auth.models.GroupManager()),
            ],
        ),
        migrations.CreateModel(
            name="User",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        verbose_name="ID",
                        primary_key=True,
                        serialize=False,
                        auto_created=True,
                    ),
                ),
                ("password", models.CharField(verbose_name="password", max_length=128)),
                (
                    "last_login",
                    models.DateTimeField(
                        verbose_name="last login",
                        blank=True,
                        null=True,
                    ),
                ),
                (
                    "is_superuser",
                    models.BooleanField(
                        verbose_name="superuser status",
                        default=False,
                        help_text="May do everything, without being granted it.",
                    ),
                ),
                (
                    "username",
                    models.CharField(
                        verbose_name="username",
                        max_length=150,
                        unique=True,
                        help_text="At most 150 letters, digits and @ . + - _",
                        validators=[covet.auth.validators.UnicodeUsernameValidator()],
                        error_messages={
                            "unique": "A user of that name exists already.",
                        },
                    ),
                ),
                (
                    "first_name",
                    models.CharField(
                        verbose_name="first name",
                        max_length=150,
                        blank=True,
                    ),
                ),
                (
                    "last_name",
                    models.CharField(
                        verbose_name="last name",
                        max_length=150,
                        blank=True,
                    ),
                ),
                (
                    "email",
                    models.EmailField(
                        verbose_name="email address",
                        max_length=254,
                        blank=True,
                    ),
                ),
                (
                    "is_staff",
                    models.BooleanField(
                        verbose_name="staff status",
                        default=False,
                        help_text="May log in to the administration.",
                    ),
                ),
                (
                    "is_active",
                    models.BooleanField(
                        verbose_name="active",
                        default=True,
                        help_text="Unset this instead of deleting an account.",
                    ),
                ),
                (
                    "date_joined",
                    models.DateTimeField(
                        verbose_name="date joined",
                        default=covet.timezone.now,
                    ),
                ),
                (
                    "groups",
                    models.ManyToManyField(
                        verbose_name="groups",
                        blank=True,
                        help_text="The user may do what each of their groups may.",
                        to="auth.group",
                        related_name="user_set",
                        related_query_name="user",
                    ),
                ),
                (
                    "user_permissions",
                    models.ManyToManyField(
                        verbose_name="user permissions",
                        blank=True,
                        help_text="What this user may do beside that.",
                        to="auth.permission",
                        related_name="user_set",
                        related_query_name="user",
                    ),
                ),
            ],
            options={
                "swappable": "AUTH_USER_MODEL",
                "verbose_name": "user",
                "verbose_name_plural": "users",
            },
            managers=[
                ("objects", covet.auth.models.UserManager()),
            ],
        ),
    ]
