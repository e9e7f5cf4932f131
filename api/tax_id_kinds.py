"""The kinds of tax ids of each country: modules of python-stdnum, and those that it does not have."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import Any, cast

from stdnum import get_cc_module
from stdnum.ec import ruc
from stdnum.exceptions import InvalidChecksum, InvalidComponent, InvalidFormat
from stdnum.mx import rfc
from stdnum.ve import rif


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of tax id."""

    name: str
    validate: Callable[[str], str]
    """The id in the form that is stored. Raises a `ValidationError` of python-stdnum."""


STDNUM: dict[str, tuple[str, ...]] = {
    "AU": ("abn", "acn"),
    "BR": ("cnpj", "cpf"),
    "CH": ("uid", "vat"),
    "CR": ("cpj", "cpf", "cr"),
    "CU": ("ni",),
    "DO": ("rnc", "cedula"),
    "EC": ("ruc", "ci"),
    "FI": ("alv", "ytunnus"),
    "GB": ("vat", "utr"),
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
the one that the library calls the country's VAT number."""


_SAME_AS = {"EL": "GR", "PR": "US"}
"""VAT numbers of Greece begin with EL; Puerto Rico has the ids of the United States."""


@cache
def kinds_of(country: str) -> tuple[Kind, ...]:
    """The kinds of a country; none for a country whose ids are not known."""
    return (*_of_stdnum(_SAME_AS.get(country, country)), *_OTHER_KINDS.get(country, ()))


def _of_stdnum(country: str) -> tuple[Kind, ...]:
    names = STDNUM.get(country)
    if names is None:
        module = cast("ModuleType | None", get_cc_module(country, "vat"))
        modules = () if module is None else (module,)
    else:
        package = "in_" if country == "IN" else country.lower()
        modules = tuple(import_module(f"stdnum.{package}.{name}") for name in names)
    return tuple(map(_of_module, modules))


def _of_module(module: Any) -> Kind:
    name = module.__name__.removeprefix("stdnum.")
    if (validate := _STRICTER.get(name)) is not None:
        return Kind(name, validate)
    length = _LENGTHS_WITHOUT_SUFFIX.get(name)
    return Kind(name, module.validate if length is None else lambda number: module.validate(number)[:length])


def _validate_ruc(number: str) -> str:
    """Each RUC ends in 001; with 002 and so on it would be a second id of the same business."""
    if not ruc.compact(number).endswith("001"):
        raise InvalidComponent
    return ruc.validate(number)


def _validate_rfc(number: str) -> str:
    """Without its last three characters, an RFC can be that of several persons."""
    if len(rfc.compact(number)) < 12:
        raise InvalidFormat
    return rfc.validate(number)


_STRICTER = {"ec.ruc": _validate_ruc, "mx.rfc": _validate_rfc}

_LENGTHS_WITHOUT_SUFFIX = {"ch.vat": 12, "no.mva": 9, "se.vat": 10}
"""The same business has the id with and without a suffix, such as MVA, or the 01 of Sweden."""


def _form(name: str, pattern: str, is_valid: Callable[[str], bool] = lambda _: True) -> Kind:
    """A kind whose ids have the form `pattern` without spaces, dots, slashes and dashes."""

    def validate(number: str) -> str:
        compact = re.sub(r"[\s./-]+", "", number.upper())
        if not re.fullmatch(pattern, compact):
            raise InvalidFormat
        if not is_valid(compact):
            raise InvalidChecksum
        return compact

    return Kind(name, validate)


def _is_cui(number: str) -> bool:
    return _weighted_sum(number[:8], range(2, 10)) % 11 == int(number[8])


def _is_dui(number: str) -> bool:
    return _weighted_sum(number, range(9, 0, -1)) % 10 == 0


def _weighted_sum(number: str, weights: range) -> int:
    return sum(int(digit) * weight for digit, weight in zip(number, weights, strict=True))


_PANAMANIAN = re.compile(
    r"((?:[0-9]{1,9}|PE|E|N|[0-9]{1,2}-?(?:AV|PI|NT))-[0-9]{1,4}-[0-9]{1,7})(?:-?(?:DV)?-?[0-9]{1,2})?"
)


def _validate_panamanian(number: str) -> str:
    """The dashes stay, because the parts between them have no fixed length.

    The check digits do not, nor do zeros before a number.
    """
    form = _PANAMANIAN.fullmatch(re.sub(r"[\s./-]+", "-", number.upper()))
    if form is None:
        raise InvalidFormat
    return re.sub("(^|-)0+(?=[0-9])", r"\1", form[1])


def _validate_commune(number: str) -> str:
    if not number.upper().startswith("C"):
        raise InvalidFormat
    return f"C{rif.validate('J' + number[1:])[1:]}"


_OTHER_KINDS = {
    "BO": (_form("bo.nit", "[0-9]{6,12}"),),
    "GT": (_form("gt.cui", "[0-9]{13}", _is_cui),),
    "HN": (_form("hn.rtn", "[0-9]{14}"),),
    "NI": (_form("ni.ruc", "[A-Z][0-9]{13}|[0-9]{13}[A-Z]"),),
    "PA": (Kind("pa.ruc", _validate_panamanian),),
    "SV": (_form("sv.dui", "[0-9]{9}", _is_dui),),
    "VE": (Kind("ve.comuna", _validate_commune),),
}
