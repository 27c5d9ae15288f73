"""A tree, friends both ways and one way, memberships with a model between, and inheritance over two tables."""

from __future__ import annotations

from covet.db import models


class Node(models.Model):
    name = models.CharField(max_length=50)
    parent: models.ForeignKey[Node] = models.ForeignKey(
        "self", on_delete=models.CASCADE, null=True, related_name="children"
    )
    children: models.Related[Node]
    parent_id: int | None

    class Meta:
        app_label = "testtree"

    def __str__(self) -> str:
        return self.name


class Person(models.Model):
    name = models.CharField(max_length=50)
    friends: models.ManyToManyField[Person] = models.ManyToManyField("self")
    heroes: models.ManyToManyField[Person] = models.ManyToManyField("self", symmetrical=False, related_name="fans")

    class Meta:
        app_label = "testtree"


class Group(models.Model):
    name = models.CharField(max_length=50)
    members: models.ManyToManyField[Person] = models.ManyToManyField(
        Person, through="Membership", through_fields=("group", "person"), related_name="groups"
    )

    class Meta:
        app_label = "testtree"


class Membership(models.Model):
    group = models.ForeignKey(Group, on_delete=models.CASCADE)
    person = models.ForeignKey(Person, on_delete=models.CASCADE, related_name="memberships")
    inviter = models.ForeignKey(Person, on_delete=models.SET_NULL, null=True, related_name="+")
    role = models.CharField(max_length=20, default="member")

    class Meta:
        app_label = "testtree"


class Place(models.Model):
    name = models.CharField(max_length=50)

    class Meta:
        app_label = "testtree"


class Restaurant(Place):
    stars = models.IntegerField(default=0)

    class Meta:
        app_label = "testtree"


class FamousPlace(Place):
    """The same table under another name."""

    class Meta:
        app_label = "testtree"
        proxy = True


MODELS = (
    Node,
    Person,
    Person.friends.through,  # type: ignore[attr-defined]
    Person.heroes.through,  # type: ignore[attr-defined]
    Group,
    Membership,
    Place,
    Restaurant,
)
