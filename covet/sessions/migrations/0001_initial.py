from covet.db import migrations, models


class Migration(migrations.Migration):
    initial = True

    dependencies = []

    operations = [
        migrations.CreateModel(
            name="Session",
            fields=[
                (
                    "session_key",
                    models.CharField(
                        verbose_name="session key",
                        primary_key=True,
                        max_length=40,
                        serialize=False,
                    ),
                ),
                ("session_data", models.TextField(verbose_name="session data")),
                (
                    "expire_date",
                    models.DateTimeField(verbose_name="expire date", db_index=True),
                ),
            ],
            options={
                "db_table": "covet_session",
                "verbose_name": "session",
                "verbose_name_plural": "sessions",
            },
        ),
    ]
