"""The kinds of tax ids of each country, as modules of python-stdnum."""

from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from stdnum import get_cc_module

KINDS: dict[str, tuple[str, ...]] = {
    "AU": ("abn", "acn"),
    "BR": ("cnpj", "cpf"),
    "CH": ("vat", "uid"),
    "CR": ("cpj", "cpf", "cr"),
    "DO": ("rnc", "cedula"),
    "EC": ("ruc", "ci"),
    "FI": ("alv", "ytunnus"),
    "IL": ("hp", "idnr"),
    "IN": ("gstin", "pan"),
    "IT": ("iva", "codicefiscale"),
    "MD": ("idno",),
    "NO": ("mva", "orgnr"),
    "SE": ("vat", "orgnr"),
    "TR": ("vkn", "tckimlik"),
    "UA": ("edrpou", "rntrc"),
    "US": ("tin",),
    "ZA": ("tin",),
}
"""The modules of python-stdnum for the ids under which a business lives, by country, where these are not only
the one that the library calls the country's VAT number. """


@cache
def kinds_of(country: str) -> tuple[Any, ...]:
    """The modules of python-stdnum for a country; none for one that the library does not know."""
    names = KINDS.get(country)
    if names is None:
        module = cast("ModuleType | None", get_cc_module(country, "vat"))
        return () if module is None else (module,)
    package = "in_" if country == "IN" else country.lower()
    return tuple(import_module(f"stdnum.{package}.{name}") for name in names)
