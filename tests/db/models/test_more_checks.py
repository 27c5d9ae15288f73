"""Checks that take several models, a kind of database, or routers to show."""

from __future__ import annotations

from typing import Any

import pytest

from covet.apps import Apps, apps
from covet.conf import override
from covet.db import models
from covet.db.database import Database
from covet.db.errors import IntegrityError
from covet.db.models import Q
from covet.db.models.functions import Lower
from covet.db.models.model_checks import check_all
from covet.db.models.vendor_checks import check_vendors
from covet.exceptions import ValidationError
from tests.db.models.conftest import create_tables

pytestmark = pytest.mark.row("checks.models")


def model(_name: str, /, meta: Any = None, **body: Any) -> Any:
    options = type("Meta", (), {"app_label": "shop", **(meta or {})})
    return type(_name, (models.Model,), {**body, "Meta": options, "__module__": __name__})


def ids(registry: Apps) -> set[str]:
    return {message.id for message in check_all(registry)}


class AnyRouter:
    def db_for_read(self, model: Any, **hints: Any) -> None:
        return None


def test_one_relation_twice_is_named() -> None:
    with apps.isolate():
        model("Person")
        model(
            "Link", group=models.ForeignKey("Group", models.CASCADE), person=models.ForeignKey("Person", models.CASCADE)
        )
        group = model(
            "Group",
            members=models.ManyToManyField("Person", through="Link", related_name="+"),
            people=models.ManyToManyField("Person", through="Link", related_name="groups"),
        )
        assert "models.E003" in {message.id for message in group.check()}


def test_a_reverse_name_that_is_a_manager_is_named() -> None:
    with apps.isolate():
        model("Person", pets=models.Manager())
        made = model("Pet", owner=models.ForeignKey("Person", models.CASCADE, related_name="pets"))
        assert {message.id for message in made.check()} == {"fields.E348"}


def test_tables_that_are_used_twice_are_an_error_or_with_routers_a_warning() -> None:
    with apps.isolate() as registry:
        model("Person")
        model("Other", meta={"db_table": "between"})
        model("Group", members=models.ManyToManyField("Person", db_table="between", related_name="+"))
        model("Club", members=models.ManyToManyField("Person", db_table="clubs", related_name="+"))
        model("Team", members=models.ManyToManyField("Person", db_table="clubs", related_name="+"))
        found = [message.id for message in check_all(registry)]
        assert found.count("fields.E340") == 2
        with override(DATABASE_ROUTERS=[AnyRouter()]):
            found = [message.id for message in check_all(registry)]
        assert found.count("fields.W344") == 2
        assert "models.W035" in found
        assert "models.E028" not in found


def test_names_of_rules_are_told_apart_by_whether_one_model_has_both() -> None:
    def twice(name: str) -> dict[str, Any]:
        return {
            "indexes": [models.Index(fields=["a"], name=name), models.Index(fields=["b"], name=name)],
            "constraints": [
                models.UniqueConstraint(fields=["a"], name=f"{name}_u"),
                models.UniqueConstraint(fields=["b"], name=f"{name}_u"),
            ],
        }

    with apps.isolate() as registry:
        model("One", a=models.IntegerField(), b=models.IntegerField(), meta=twice("x"))
        assert ids(registry) == {"models.E029", "models.E031"}
        model("Two", a=models.IntegerField(), b=models.IntegerField(), meta=twice("x"))
        assert ids(registry) == {"models.E030", "models.E032"}


def test_what_mysql_and_mariadb_lack_is_said() -> None:
    with apps.isolate() as registry:
        model(
            "Word",
            text=models.CharField(max_length=9, db_column="c" * 65),
            near=models.ManyToManyField("self", symmetrical=False),
            meta={
                "indexes": [models.Index(Lower("text"), name="lower")],
                "constraints": [models.UniqueConstraint(Lower("text"), name="once")],
            },
        )

        def found(url: str) -> set[str]:
            with override(DATABASES={"default": url}):
                return {message.id for message in check_vendors(registry)}

        assert found("mysql://u:p@localhost/x") == {"models.W043", "models.W044", "models.E018"}
        assert found("postgres://u:p@localhost/x") == {"models.E018"}
        assert found("sqlite://:memory:") == set()


def test_decimals_without_digits_are_refused_where_a_column_has_a_number_of_them() -> None:
    with apps.isolate() as registry:
        model("Price", amount=models.DecimalField(), sum=models.DecimalField(max_digits=9, decimal_places=2))
        found = {}
        for kind in ("mysql://u:p@localhost/x", "postgres://u:p@localhost/x", "sqlite://:memory:"):
            with override(DATABASES={"default": kind}):
                found[kind.partition(":")[0]] = [(one.id, str(one.obj)) for one in check_vendors(registry)]
    assert found["mysql"] == [("fields.E130", "shop.Price.amount"), ("fields.E132", "shop.Price.amount")]
    assert found["postgres"] == found["sqlite"] == []


def test_the_columns_between_many_to_many_are_named_by_their_own_check() -> None:
    with apps.isolate() as registry:
        model("P" + "x" * 70, meta={"db_table": "long"})
        model("Group", members=models.ManyToManyField("P" + "x" * 70, db_table="between"))
        with override(DATABASES={"default": "postgres://u:p@localhost/x"}):
            assert {message.id for message in check_vendors(registry)} == {"models.E019"}


async def test_a_check_with_raw_sql_is_left_to_the_database(database: Database) -> None:
    with apps.isolate():
        made = model(
            "Priced",
            price=models.IntegerField(),
            meta={
                "constraints": [
                    models.CheckConstraint(
                        condition=Q(models.RawSQL("price > 0", output_field=models.BooleanField())), name="raw"
                    ),
                    models.CheckConstraint(condition=Q(price__lt=100), name="plain"),
                ]
            },
        )
    assert {message.id for message in made.check()} == {"models.W045"}
    await create_tables(database, [made])
    await made(price=-1).full_clean()
    with pytest.raises(ValidationError):
        await made(price=100).full_clean()
    with pytest.raises(IntegrityError, match="raw"):
        await made(price=-1).save()
