"""Tax ids: one form for all spellings, and the kinds of each country."""

import logging

import asyncpg
import pytest

from api.domain.errors import Problem
from api.domain.tax_ids import lookup_forms, tax_id
from api.domain.tenants.listing import show_tenant
from tests.cli.commands import json_of
from tests.support import Api, Settings, issue_key, registration
from tests.test_typed_text import DASHES, DIGITS, FILLERS, FORMATS, MINUS_SIGNS

pytestmark = pytest.mark.anyio

SPELLINGS = [
    "900.123.456-8",
    "9001234568",
    "900 123 456 8",
    "NIT 900.123.456-8",
    "NIT: 900123456-8",
    "nit.900123456-8",
    "N.I.T. No. 900.123.456-8",
    "NIT # 900,123,456-8",
    "NIT900123456-8",
    "ＮＩＴ：９００１２３４５６\u22128",
    "\u202a900.123.456\u20138\u202c",
    "NIT N° 900.123.456-8",
    "NIT N.º 900123456-8",
    "NIT Nro. 900123456-8",
    "Nit número: 900123456-8",
    "NIT = 900123456-8",
    "NIT/RUT 900123456-8",
    "Identificación tributaria: 900.123.456-8",
    "900.123.456 DV 8",
    "NIT 900.123.456 D.V. 8",
    "nit. 900123456, dv: 8",
    "NIT 900.123.456-8 DV",
    "900123456DV8",
]


@pytest.mark.parametrize("country", ["", "CO"])
@pytest.mark.parametrize("typed", SPELLINGS, ids=ascii)
def test_each_spelling_is_one_tax_id(settings: Settings, country: str, typed: str) -> None:
    settings(TAX_ID_COUNTRY=country)

    assert tax_id(typed) == "9001234568"
    assert lookup_forms(typed)[0] == "9001234568"


def test_separators_and_digits_of_every_kind_make_no_second_tax_id() -> None:
    for one in FORMATS + DASHES + MINUS_SIGNS:
        assert tax_id(f"900{one}100001") == "900100001", ascii(one)
    for digit, value in DIGITS.items():
        assert tax_id(f"90010000{digit}") == f"90010000{value}", ascii(digit)


@pytest.mark.parametrize(
    "typed",
    [
        *(f"900{filler}100001" for filler in FILLERS),
        "9\u041e\u041e1\u041e\u041e\u041e\u041e1",
        "9ΟΟ100001",
        "900100001\u02bc",
        "900100001é",
        "900100001♥",
        "900(100001)",
    ],
    ids=ascii,
)
def test_an_id_that_looks_like_another_is_refused(typed: str) -> None:
    with pytest.raises(Problem) as refused:
        tax_id(typed)

    assert refused.value.code in ("INVALID_TAX_ID", "INVALID_CHARACTERS")


@pytest.mark.parametrize(
    ("country", "typed", "stored"),
    [
        ("", "J&J010101AA1", "J&J010101AA1"),
        ("MX", "J&J010101AA1", "J&J010101AA1"),
        ("MX", "J&J-010101-AA1", "J&J010101AA1"),
        ("MX", "JJ&010101AA1", "JJ&010101AA1"),
        ("MX", "ñan010101aa1", "ÑAN010101AA1"),
        ("MX", "RFC: XAXX-010101-000", "XAXX010101000"),
        ("MX", "NIT-010101-AA1", "NIT010101AA1"),
        ("", "NIT-010101-AA1", "NIT010101AA1"),
        ("", "ABC-010101-DV1", "ABC010101DV1"),
        ("", "NIT 010101 DV1", "NIT010101DV1"),
        ("MX", "ABC 010101 DV1", "ABC010101DV1"),
        ("EC", "1793213150001", "1793213150001"),
        ("EC", "RUC 1792060346-001", "1792060346001"),
        ("EC", "171430710-3", "1714307103"),
        ("DO", "001-1391820-5", "00113918205"),
        ("DO", "1-01-85004-3", "101850043"),
        ("CR", "1-0613-0584", "0106130584"),
        ("CR", "3-101-999999", "3101999999"),
        ("BR", "16.727.230/0001-97", "16727230000197"),
        ("BR", "390.533.447-05", "39053344705"),
        ("AR", "20-05536168-2", "20055361682"),
        ("CL", "76.086.428-5", "760864285"),
        ("PE", "RUC: 20512333797", "20512333797"),
        ("VE", "J-12345678-9", None),
        ("VE", "V-11470283-4", "V114702834"),
        ("ES", "B-58378431", "B58378431"),
        ("US", "04-2103594", "042103594"),
        ("EC", "1763154690001", None),
        ("EC", "17932131500", None),
        ("BR", "16.727.230/0001-98", None),
        ("CO", "900123456-7", None),
        ("CO", "9001234567", None),
        ("CO", "J&J010101AA1", None),
        ("CO", "900123456", "9001234568"),
        ("CO", "900.123.456", "9001234568"),
        ("CO", "1.020.304.050", "10203040508"),
        ("CO", "1020304050-8", "10203040508"),
        ("CO", "79.123.456", "791234560"),
        ("CO", "79123456-0", "791234560"),
        ("CO", "791234560", "791234560"),
    ],
    ids=ascii,
)
def test_the_kinds_of_each_country_are_read(
    settings: Settings, country: str, typed: str, stored: str | None
) -> None:
    settings(TAX_ID_COUNTRY=country)

    if stored is None:
        with pytest.raises(Problem, match="INVALID_TAX_ID"):
            tax_id(typed)
    else:
        assert tax_id(typed) == stored


def test_a_check_digit_that_is_not_promised_is_warned_of(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings(TAX_ID_COUNTRY="EC")

    with caplog.at_level(logging.WARNING):
        tax_id("1793213150001")
        tax_id("1792060346001")

    (record,) = [record for record in caplog.records if "check digit" in record.getMessage()]
    assert "1793213150001" not in record.getMessage()


async def test_a_nit_is_taken_with_and_without_its_check_digit(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """The one that was stored without it is of the time before `TAX_ID_COUNTRY` was set."""
    old = registration(await issue_key(database), nit="800.197.268")
    await api.register(old)
    settings(TAX_ID_COUNTRY="CO")
    new = registration(await issue_key(database), nit="900123456")
    first = await api.register(new)
    free = await issue_key(database)

    assert first["tenant"]["nit"] == "9001234568"
    for taken in ("900123456-8", "900.123.456", "NIT 9001234568", "800197268-4", "800197268"):
        assert (await api.register(registration(free, nit=taken)))["__typename"] == "NitTaken", taken
    for form, nit in ((new, "900.123.456-8"), (old, "800.197.268-4")):
        assert (await api.register({**form, "nit": nit}))["__typename"] == "Registration"
    assert await database.fetchval("SELECT count(*) FROM tenants") == 2


async def test_tenants_are_found_by_any_spelling(api: Api, database: asyncpg.Connection) -> None:
    """Also those whose id was stored with its label, or without its `&`."""
    await api.register(registration(await issue_key(database), nit="900.123.456-8"))
    await api.register(registration(await issue_key(database), nit="800123456"))
    await api.register(registration(await issue_key(database), nit="J&J010101AA1"))
    await database.execute("UPDATE tenants SET nit = 'JJ020202BB2' WHERE nit = '800123456'")
    await api.register(registration(await issue_key(database), nit="800123456"))
    await database.execute("UPDATE tenants SET nit = 'RUC1792060346001' WHERE nit = '800123456'")

    for typed in ("NIT: 900123456-8", "900\u2212123\u2212456"):
        assert json_of("tenants", "show", typed)["nit"] == "9001234568", ascii(typed)
    assert (await show_tenant("1792060346-001")).nit == "RUC1792060346001"
    assert json_of("tenants", "show", "J&J 020202 BB2")["nit"] == "JJ020202BB2"
    for typed in (*SPELLINGS, "900123456", "900.123.456", "NIT 900123456"):
        assert (await show_tenant(typed)).nit == "9001234568", ascii(typed)
    assert (await show_tenant("j&j-010101-aa1")).nit == "J&J010101AA1"
