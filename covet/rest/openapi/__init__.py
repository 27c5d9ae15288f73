"""The OpenAPI 3.1 document of a project's endpoints, made from their plans, and the pages that show it."""

from covet.rest.openapi.document import build_document, get_openapi

__all__ = ["build_document", "get_openapi"]
