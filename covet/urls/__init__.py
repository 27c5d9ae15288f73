"""Routing: which view answers an address, and which address a view has."""

from typing import TYPE_CHECKING

from covet.loading import late_names
from covet.urls.converters import register_converter
from covet.urls.patterns import autodiscover, host, include, path, re_path

if TYPE_CHECKING:
    from covet.urls.addresses import (
        NoReverseMatch,
        ResolverMatch,
        get_urlconf,
        resolve,
        reverse,
        reverse_lazy,
        set_urlconf,
    )
    from covet.urls.localized import i18n_patterns, translate_url

__all__ = [
    "NoReverseMatch",
    "ResolverMatch",
    "autodiscover",
    "get_urlconf",
    "host",
    "i18n_patterns",
    "include",
    "path",
    "re_path",
    "register_converter",
    "resolve",
    "reverse",
    "reverse_lazy",
    "set_urlconf",
    "translate_url",
]

if not TYPE_CHECKING:
    __getattr__, __dir__ = late_names(
        __name__,
        {
            "covet.urls.localized": ("i18n_patterns", "translate_url"),
            "covet.urls.addresses": (
                "NoReverseMatch",
                "ResolverMatch",
                "get_urlconf",
                "resolve",
                "reverse",
                "reverse_lazy",
                "set_urlconf",
            ),
        },
    )
