"""Finding apps and their modules: missing, broken, and in a circle."""

import sys

import pytest

from covet.apps import AppConfig, AppPart
from covet.apps.discovery import AppError, make_config, sort_parts
from covet.apps.registry import Apps


class ModelsLike(AppPart):
    module = "models"

    def __init__(self):
        self.found = {}

    def collect(self, app, module):
        self.found[app.label] = module


def test_a_package_without_apps_module_gets_a_plain_config(package):
    config = make_config(package("blog"))

    assert type(config) is AppConfig
    assert (config.name, config.label) == (f"blog_{package.suffix}",) * 2
    assert config.path.endswith(config.name)


def test_the_single_config_of_an_apps_module_is_taken(package):
    name = package(
        "blog",
        {
            "apps.py": """
            from covet.apps import AppConfig
            class BlogConfig(AppConfig):
                name = "blog_SUFFIX"
                label = "writing"
                default_auto_field = "covet.db.models.UUIDField"
            """
        },
    )

    config = make_config(name)

    assert (config.label, config.verbose_name) == ("writing", "Writing")
    assert config.default_auto_field == "covet.db.models.UUIDField"
    assert make_config(f"{name}.apps.BlogConfig").label == "writing"


TWO = """
from covet.apps import AppConfig
class One(AppConfig):
    label = "one"
class Two(AppConfig):
    label = "two"
    {mark}
"""


def test_of_several_configs_the_default_is_taken_or_must_be_named(package):
    marked = package("marked", {"apps.py": TWO.format(mark="default = True")})
    unmarked = package("unmarked", {"apps.py": TWO.format(mark="")})
    excluded = package("excluded", {"apps.py": TWO.format(mark="default = False")})

    assert make_config(marked).label == "two"
    assert make_config(excluded).label == "one"
    with pytest.raises(AppError, match=r"One, Two.*default = True"):
        make_config(unmarked)
    assert make_config(f"{unmarked}.apps.Two").label == "two"


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("blogg_SUFFIX", "Did you mean 'blog_SUFFIX'?"),
        ("blog_SUFFIX.apps.BlogConfg", "Did you mean 'blog_SUFFIX.apps.BlogConfig'?"),
        ("blog_SUFFIX.apps.Helper", "no AppConfig"),
        ("covet.authh", "there is no such app"),
        ("", "dotted name"),
        (3, "dotted name"),
    ],
)
def test_an_entry_that_names_no_app_says_so(package, entry, words):
    package(
        "blog",
        {"apps.py": "from covet.apps import AppConfig\nclass BlogConfig(AppConfig): ...\nclass Helper: ...\n"},
    )
    entry = entry.replace("SUFFIX", package.suffix) if isinstance(entry, str) else entry

    with pytest.raises(AppError) as caught:
        make_config(entry)
    assert words.replace("SUFFIX", package.suffix) in str(caught.value)


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ("django.contrib.auth", "which is Django's. Write 'covet.auth'."),
        ("django.contrib.gis", "there is no such app."),
    ],
)
def test_an_app_of_django_names_its_own_here(monkeypatch, entry, words):
    monkeypatch.setitem(sys.modules, "django", None)  # some tests have it installed
    with pytest.raises(AppError) as caught:
        make_config(entry)
    assert words in str(caught.value)


def test_an_app_that_fails_is_broken_not_missing(package):
    name = package("blog", {"__init__.py": "import nothing_of_that_name\n"})

    with pytest.raises(AppError, match=r"nothing_of_that_name") as caught:
        make_config(name)
    assert "line 1" in str(caught.value)
    assert isinstance(caught.value.__cause__, ModuleNotFoundError)


def test_a_misspelt_member_of_a_config_is_named(package):
    body = """
    from covet.apps import AppConfig
    class BlogConfig(AppConfig):
        name = "blog_SUFFIX"
        default_auto_feld = "covet.db.models.UUIDField"
    """
    with pytest.raises(
        AppError, match=r"BlogConfig\.default_auto_feld is asked by nobody. Did you mean 'default_auto_field'"
    ):
        make_config(package("blog", {"apps.py": body}))


def test_a_schema_that_fails_is_placed_in_the_users_own_module(package):
    name = package("blog", {"models.py": "from pydantic import BaseModel\n\nclass One(BaseModel, nothing=1): ...\n"})

    with pytest.raises(AppError, match=r"models\.py, line 3\): TypeError"):
        Apps().setup([name], [ModelsLike])


def test_a_label_must_be_an_identifier(package):
    name = package("blog", {"apps.py": "from covet.apps import AppConfig\nclass C(AppConfig):\n    label = 'a-b'\n"})

    with pytest.raises(ValueError, match="no Python identifier"):
        make_config(name)


def test_a_module_that_is_no_package_is_no_app(tmp_path, package):
    (tmp_path / f"flat_{package.suffix}.py").touch()

    with pytest.raises(ValueError, match="must be a package"):
        make_config(f"flat_{package.suffix}")


def test_an_app_without_the_module_is_passed_over_and_a_broken_one_is_named(package):
    without = package("without")
    broken = package("broken", {"models.py": "x = 1\nimport nothing_of_that_name\n"})
    apps = Apps()
    apps.setup([without], [ModelsLike])

    assert apps.part(ModelsLike).found == {without: None}
    with pytest.raises(AppError) as caught:
        Apps().setup([without, broken], [ModelsLike])
    message = str(caught.value)
    assert f"App '{broken}': {broken}.models cannot be imported" in message
    assert "models.py, line 2" in message
    assert "nothing_of_that_name" in message


def test_the_nearest_name_of_a_module_is_told(package):
    broken = package("broken", {"views.py": "def home(): ...\n", "models.py": "from . import views\nviews.hoem\n"})

    with pytest.raises(AppError, match=r"has no attribute 'hoem'\. Did you mean 'home'\?"):
        Apps().setup([broken], [ModelsLike])


def test_a_module_that_a_class_body_hides_is_told(package):
    """``permissions = [permissions.AllowAny]`` is how viewsets say who may; below it the name is that list."""
    source = "from covet.rest import permissions\nclass View:\n    permissions = [permissions.AllowAny]\n"
    broken = package("broken", {"models.py": source + "    more = [permissions.IsAuthenticated]\n"})

    with pytest.raises(
        AppError, match=r"no attribute 'IsAuthenticated'\. If a module was meant, .* Import IsAuthenticated by"
    ):
        Apps().setup([broken], [ModelsLike])


def test_a_syntax_error_is_shown_with_its_line(package):
    broken = package("broken", {"models.py": "x = 1\ny =\n"})

    with pytest.raises(AppError, match=r"models\.py, line 2"):
        Apps().setup([broken], [ModelsLike])


def test_modules_that_import_each_other_are_named_in_their_circle(package):
    one = package("one", {"models.py": "from two_SUFFIX.models import Two\nclass One: ...\n"})
    two = package("two", {"models.py": "from one_SUFFIX.models import One\nclass Two: ...\n"})

    with pytest.raises(AppError) as caught:
        Apps().setup([one, two], [ModelsLike])
    assert f"{one}.models → {two}.models → {one}.models" in str(caught.value)
    assert "by a string" in str(caught.value)


def test_a_module_is_not_found_twice_however_many_parts_ask(package, monkeypatch):
    name = package("blog", {"models.py": ""})
    listings = []
    import covet.apps.config as config_module

    real = config_module.submodules
    monkeypatch.setattr(config_module, "submodules", lambda module: listings.append(module) or real(module))

    class Again(ModelsLike):
        pass

    Apps().setup([name], [ModelsLike, Again])

    assert len(listings) == 1


def test_a_nested_module_is_found(package):
    class Nested(ModelsLike):
        module = "api.models"

    name = package("blog", {"api/__init__.py": "", "api/models.py": "x = 1"})
    other = package("other", {"api/__init__.py": ""})
    apps = Apps()
    apps.setup([name, other], [Nested])

    assert apps.part(Nested).found[name].x == 1
    assert apps.part(Nested).found[other] is None


def test_parts_come_behind_what_they_need():
    class First(AppPart):
        pass

    class Second(AppPart):
        after = (First,)

    class Third(AppPart):
        after = (Second, "nowhere.at.All")

    assert sort_parts([Third, Second, First]) == [First, Second, Third]
    assert sort_parts([Third]) == [First, Second, Third]


def test_a_path_in_after_orders_and_does_not_add():
    class Wanted(AppPart):
        pass

    class Late(AppPart):
        after = (f"{__name__}.{Wanted.__qualname__}",)

    assert sort_parts([Late]) == [Late]
    assert sort_parts([Late, Wanted]) == [Wanted, Late]


def test_parts_in_a_circle_are_named():
    class One(AppPart):
        pass

    class Two(AppPart):
        after = (One,)

    One.after = (Two,)

    with pytest.raises(AppError, match=r"One → Two → One|Two → One → Two"):
        sort_parts([One, Two])


@pytest.mark.parametrize(
    ("part", "words"),
    [("nowhere.Part", "no module 'nowhere'"), ("pathlib.Path", "no AppPart"), (3, "no AppPart")],
)
def test_a_part_that_is_none_says_who_named_it(part, words):
    with pytest.raises(AppError, match=words) as caught:
        Apps().setup([], [part])
    assert "APP_PARTS" in str(caught.value)
