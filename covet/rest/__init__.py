"""Typed handlers, schemas, viewsets and the OpenAPI document of them."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from covet.http.files import UploadedFile
    from covet.http.request import Request
    from covet.rest import permissions
    from covet.rest.actions import action
    from covet.rest.deprecation import Deprecation
    from covet.rest.filters import FilterBy, Filters, FilterSet
    from covet.rest.nested import Nested
    from covet.rest.overrides import dependency_overrides, override_dependencies
    from covet.rest.pagination import (
        CursorPage,
        EstimatedOffsetPage,
        EstimatedPage,
        ListPage,
        OffsetPage,
        Page,
        UncountedOffsetPage,
        UncountedPage,
    )
    from covet.rest.params import Body, Cookie, Depends, File, Form, Header, Path, Query
    from covet.rest.patches import JsonPatch, MergePatch
    from covet.rest.related import Link, SelfLink, Slug
    from covet.rest.resources import ViewSet
    from covet.rest.routes import Router
    from covet.rest.throttle import Throttle
    from covet.rest.versioning import Versions
    from covet.rest.viewsets import ModelViewSet, ReadOnlyModelViewSet
    from covet.schema import ModelSchema, Schema
    from covet.schema.field_types import FileUrl

__all__ = [
    "Body",
    "Cookie",
    "CursorPage",
    "Depends",
    "Deprecation",
    "EstimatedOffsetPage",
    "EstimatedPage",
    "File",
    "FileUrl",
    "FilterBy",
    "FilterSet",
    "Filters",
    "Form",
    "Header",
    "JsonPatch",
    "Link",
    "ListPage",
    "MergePatch",
    "ModelSchema",
    "ModelViewSet",
    "Nested",
    "OffsetPage",
    "Page",
    "Path",
    "Query",
    "ReadOnlyModelViewSet",
    "Request",
    "Router",
    "Schema",
    "SelfLink",
    "Slug",
    "Throttle",
    "UncountedOffsetPage",
    "UncountedPage",
    "UploadedFile",
    "Versions",
    "ViewSet",
    "action",
    "dependency_overrides",
    "override_dependencies",
    "permissions",
]

# Looked up late: every command imports the packages of the installed apps, and most need no endpoints.
_HOMES = {
    "UploadedFile": "covet.http.files",
    "Request": "covet.http.request",
    "Deprecation": "covet.rest.deprecation",
    "Versions": "covet.rest.versioning",
    "FilterBy": "covet.rest.filters",
    "FilterSet": "covet.rest.filters",
    "Filters": "covet.rest.filters",
    "Nested": "covet.rest.nested",
    "dependency_overrides": "covet.rest.overrides",
    "override_dependencies": "covet.rest.overrides",
    "CursorPage": "covet.rest.pagination",
    "EstimatedOffsetPage": "covet.rest.pagination",
    "EstimatedPage": "covet.rest.pagination",
    "ListPage": "covet.rest.pagination",
    "OffsetPage": "covet.rest.pagination",
    "Page": "covet.rest.pagination",
    "UncountedOffsetPage": "covet.rest.pagination",
    "UncountedPage": "covet.rest.pagination",
    "Body": "covet.rest.params",
    "Cookie": "covet.rest.params",
    "Depends": "covet.rest.params",
    "File": "covet.rest.params",
    "Form": "covet.rest.params",
    "Header": "covet.rest.params",
    "Path": "covet.rest.params",
    "Query": "covet.rest.params",
    "JsonPatch": "covet.rest.patches",
    "MergePatch": "covet.rest.patches",
    "permissions": "covet.rest.permissions",
    "Link": "covet.rest.related",
    "SelfLink": "covet.rest.related",
    "Slug": "covet.rest.related",
    "Router": "covet.rest.routes",
    "Throttle": "covet.rest.throttle",
    "ModelViewSet": "covet.rest.viewsets",
    "ReadOnlyModelViewSet": "covet.rest.viewsets",
    "ViewSet": "covet.rest.resources",
    "action": "covet.rest.actions",
    "FileUrl": "covet.schema.field_types",
    "ModelSchema": "covet.schema",
    "Schema": "covet.schema",
}


if not TYPE_CHECKING:  # a checker knows the names, and tells a misspelt one

    def __getattr__(name: str) -> Any:
        """Return a public name from the module that holds it."""
        home = _HOMES.get(name)
        if home is None:
            raise AttributeError(f"module 'covet.rest' has no attribute {name!r}")
        import importlib

        module = importlib.import_module(home)
        found = module if name == "permissions" else getattr(module, name)
        globals()[name] = found
        return found
