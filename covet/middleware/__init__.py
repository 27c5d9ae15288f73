"""Middleware: layers round every view, folded into one callable at start-up."""

from covet.middleware.base import GetResponse, Middleware, MiddlewareNotUsed

__all__ = ["GetResponse", "Middleware", "MiddlewareNotUsed"]
