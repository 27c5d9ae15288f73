"""Typed handlers, schemas, viewsets and the OpenAPI document of them."""

from covet.http.forms import UploadedFile
from covet.http.request import Request
from covet.rest import permissions
from covet.rest.filters import Filters, FilterSet
from covet.rest.pagination import Page
from covet.rest.params import Body, Cookie, Depends, File, Form, Header, Path, Query
from covet.rest.routes import Router
from covet.rest.viewsets import ModelViewSet, ReadOnlyModelViewSet, ViewSet, action
from covet.schema import ModelSchema, Schema

__all__ = [
    "Body",
    "Cookie",
    "Depends",
    "File",
    "FilterSet",
    "Filters",
    "Form",
    "Header",
    "ModelSchema",
    "ModelViewSet",
    "Page",
    "Path",
    "Query",
    "ReadOnlyModelViewSet",
    "Request",
    "Router",
    "Schema",
    "UploadedFile",
    "ViewSet",
    "action",
    "permissions",
]
