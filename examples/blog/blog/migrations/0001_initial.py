from covet.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Author",
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
                ("name", models.CharField(max_length=100)),
                ("email", models.EmailField(max_length=254, unique=True)),
            ],
            options={"ordering": ["name", "pk"]},
        ),
        migrations.CreateModel(
            name="Tag",
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
                ("name", models.SlugField(max_length=50, unique=True)),
            ],
            options={"ordering": ["name"]},
        ),
        migrations.CreateModel(
            name="Article",
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
                ("title", models.CharField(max_length=200)),
                ("body", models.TextField(blank=True)),
                (
                    "author",
                    models.ForeignKey(
                        on_delete=models.CASCADE,
                        to="blog.author",
                        related_name="articles",
                    ),
                ),
                (
                    "published_at",
                    models.DateTimeField(blank=True, null=True, db_index=True),
                ),
                ("views", models.PositiveIntegerField(default=0)),
                (
                    "tags",
                    models.ManyToManyField(
                        blank=True,
                        to="blog.tag",
                        related_name="articles",
                    ),
                ),
            ],
            options={
                "ordering": ["-published_at", "pk"],
                "constraints": [
                    models.CheckConstraint(
                        condition=models.Q(views__gte=0),
                        name="views_not_negative",
                    ),
                ],
            },
        ),
    ]
