import covet.contenttypes.models
from covet.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="ContentType",
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
                ("app_label", models.CharField(max_length=100)),
                (
                    "model",
                    models.CharField(
                        verbose_name="python model class name",
                        max_length=100,
                    ),
                ),
            ],
            options={
                "db_table": "covet_content_type",
                "unique_together": {("app_label", "model")},
                "verbose_name": "content type",
                "verbose_name_plural": "content types",
            },
            managers=[
                ("objects", covet.contenttypes.models.ContentTypeManager()),
            ],
        ),
    ]
