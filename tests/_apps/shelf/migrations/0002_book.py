from covet.db import migrations


class Migration(migrations.Migration):
    dependencies = [("shelf", "0001_initial")]

    operations = [
        migrations.RenameModel(old_name="Tome", new_name="Book"),
        migrations.CreateModel(name="Novel", fields=[], options={"proxy": True}, bases=("shelf.book",)),
    ]
