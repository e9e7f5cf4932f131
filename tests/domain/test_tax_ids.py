"""Tax ids: one form for all spellings, and the kinds of each country."""

import logging

import asyncpg
import pytest

from api.domain.errors import Problem
from api.domain.tax_ids import equal_ids, lookup_forms, rank, tax_id
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
    "Nit 900.123.456-8 DV: 8",
    "NIT 900123456 dígito de verificación 8",
    "CO900123456-8",
    "co-900.123.456-8",
    "CO NIT 900123456-8",
    "VAT No. CO 900123456-8",
    "N I T 900123456-8",
    "N. I. T. 900123456-8",
    "NIT# 900123456-8",
    "NITNO9001234568",
    "Número de NIT: 900123456-8",
    "No. NIT 900123456-8",
    "NIT - RUT: 900123456-8",
    "Cédula/NIT 900123456-8",
    "(NIT) 900123456-8",
    "900123456-8 (NIT)",
    "900123456-8 NIT",
    "“900123456-8”",
    "Tax ID: 900123456-8",
    "'9001234568",
    '="9001234568"',
    "=9001234568",
    "9001234568.0",
    "9001234568,00",
    "9,001,234,568.00",
    "9.001234568E9",
    "9,001234568E+09",
    "NIT 9001234568.0",
]

LABELS = {
    "CC1020304050": "1020304050",
    "C.C. 1020304050": "1020304050",
    "cc. No. 1.020.304.050": "1020304050",
    "Cédula de ciudadanía: 1.020.304.050": "1020304050",
    "RUT 76.086.428-5": "760864285",
    "CL 76.086.428-5": "760864285",
    "R.U.C. N° 1792060346001": "1792060346001",
    "EC1792060346001": "1792060346001",
    "RFC: J&J010101AA1": "J&J010101AA1",
    "RFCJ&J010101AA1": "J&J010101AA1",
    "MX-J&J010101AA1": "J&J010101AA1",
    "CNPJ 12.ABC.345/01DE-35": "12ABC34501DE35",
    "CNPJ12ABC34501DE35": "12ABC34501DE35",
    "C.P.F. 390.533.447-05": "39053344705",
    "CUIT Nº 20-05536168-2": "20055361682",
    "RIF J-12345678-4": "J123456784",
    "RIFJ123456784": "J123456784",
    "CIF B-58378431": "B58378431",
    "ESB58378431": "B58378431",
    "NIT 576937-k": "576937K",
    "RNC 1-01-85004-3": "101850043",
    "RTN: 0801-1990-123456": "08011990123456",
    "EIN 04-2103594": "042103594",
    "RUC 155596713-2-2015 DV 59": "15559671322015",
    "ATU13585627": "U13585627",
    "CHE-107.787.577 IVA": "CHE107787577",
    # What may be more than a label stays.
    "CHE-100.155.212": "CHE100155212",
    "J-12345678-4": "J123456784",
    "NI123456": "NI123456",
    "SC123456": "SC123456",
    "CE 345678": "CE345678",
    "RUT010101AB2": "RUT010101AB2",
    "CC010101AA1": "CC010101AA1",
    "NIT-010101-AA1": "NIT010101AA1",
    "ABC-010101-DV1": "ABC010101DV1",
    "NIT 010101 DV1": "NIT010101DV1",
}


KINDS = [
    ("", "J&J010101AA1", "J&J010101AA1"),
    ("MX", "J&J010101AA1", "J&J010101AA1"),
    ("MX", "J&J-010101-AA1", "J&J010101AA1"),
    ("MX", "JJ&010101AA1", "JJ&010101AA1"),
    ("MX", "ñan010101aa1", "ÑAN010101AA1"),
    ("MX", "RFC: XAXX-010101-000", "XAXX010101000"),
    ("MX", "NIT-010101-AA1", "NIT010101AA1"),
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
    ("PR", "EIN 66-1234567", "661234567"),
    ("BR", "12.ABC.345/01DE-35", "12ABC34501DE35"),
    ("BR", "CNPJ 12.abc.345/01de-35", "12ABC34501DE35"),
    ("AR", "CUIL 20-05536168-2", "20055361682"),
    ("AR", "AR20055361682", "20055361682"),
    ("CL", "20.347.878-k", "20347878K"),
    ("MX", "GODE 561231-GR8", "GODE561231GR8"),
    ("MX", "XEXX010101000", "XEXX010101000"),
    ("UY", "RUT 21-100342-001-7", "211003420017"),
    ("PY", "RUC 80028061-0", "800280610"),
    ("BO", "NIT 1020304050", "1020304050"),
    ("BO", "12345", None),
    ("GT", "NIT 576937-K", "576937K"),
    ("GT", "DPI 2593 24736 0101", "2593247360101"),
    ("SV", "0614-050707-104-8", "06140507071048"),
    ("SV", "DUI 00016297-5", "000162975"),
    ("SV", "00016297-4", None),
    ("HN", "RTN 0801-1990-123456", "08011990123456"),
    ("NI", "RUC J0310000000001", "J0310000000001"),
    ("NI", "001-010180-0001A", "0010101800001A"),
    ("PA", "155596713-2-2015 DV 59", "155596713-2-2015"),
    ("PA", "RUC 8-442-445 D.V. 36", "8-442-445"),
    ("PA", "PE 12 345", "PE-12-345"),
    ("PA", "8-NT-1-12345 DV 5", "8-NT-1-12345"),
    ("PA", "08-0442-000445", "8-442-445"),
    ("PA", "12345", None),
    ("MX", "GODE561231", None),
    ("EC", "1714307103002", None),
    ("EC", "1793213150002", None),
    ("CR", "106130584", "0106130584"),
    ("CR", "1-613-584", "0106130584"),
    ("VE", "J123456784", "J123456784"),
    ("CU", "91021527775", "91021527775"),
    ("ES", "X-2482300-W", "X2482300W"),
    ("ES", "54362315-k", "54362315K"),
    ("ES", "ESB58378431", "B58378431"),
    ("CH", "CHE-107.787.577 MWST", "CHE107787577"),
    ("CH", "CHE-107.787.577", "CHE107787577"),
    ("NO", "NO 995 525 828 MVA", "995525828"),
    ("NO", "995 525 828", "995525828"),
    ("SE", "SE556036079301", "5560360793"),
    ("SE", "556036-0793", "5560360793"),
    ("AU", "53 004 085 616", "53004085616"),
    ("AU", "004 085 616", "004085616"),
    ("EC", "1763154690001", None),
    ("EC", "17932131500", None),
    ("BR", "16.727.230/0001-98", None),
    ("CO", "900123456-7", None),
    ("CO", "9001234567", None),
    ("CO", "J&J010101AA1", None),
    ("CO", "900123456", "9001234568"),
    ("CO", "900.123.456", "9001234568"),
    ("CO", "900123456.0", "9001234568"),
    ("CO", "9.00123456E8", "9001234568"),
    ("CO", "'900123456", "9001234568"),
    ("CO", "79123456.0", "791234560"),
    ("EC", "1792060346001.0", "1792060346001"),
    ("DO", "101850043.0", "101850043"),
    ("CO", "1.020.304.050", "10203040508"),
    ("CO", "1020304050-8", "10203040508"),
    ("CO", "79.123.456", "791234560"),
    ("CO", "79123456-0", "791234560"),
    ("CO", "791234560", "791234560"),
]


def test_each_spelling_is_one_tax_id(settings: Settings) -> None:
    for country in ("", "CO"):
        settings(TAX_ID_COUNTRY=country)
        for typed in SPELLINGS:
            assert tax_id(typed) == "9001234568", ascii(typed)
            assert lookup_forms(typed)[0] == "9001234568", ascii(typed)


def test_labels_are_dropped_where_only_a_label_can_be_meant() -> None:
    for typed, stored in LABELS.items():
        assert tax_id(typed) == stored, typed
    for nothing in ("NIT", "nit: ", "R.U.C. No."):
        with pytest.raises(Problem, match="REQUIRED"):
            tax_id(nothing)


def test_separators_and_digits_of_every_kind_make_no_second_tax_id() -> None:
    for one in FORMATS + DASHES + MINUS_SIGNS:
        assert tax_id(f"900{one}100001") == "900100001", ascii(one)
    for digit, value in DIGITS.items():
        assert tax_id(f"90010000{digit}") == f"90010000{value}", ascii(digit)


def test_an_id_that_looks_like_another_is_refused() -> None:
    for typed in (
        *(f"900{filler}100001" for filler in FILLERS),
        "9\u041e\u041e1\u041e\u041e\u041e\u041e1",
        "9ΟΟ100001",
        "900100001\u02bc",
        "900100001é",
        "900100001♥",
        "9.001E8",
        "9,001E+08",
        "9.0012E+09",
        "900(100001)",
    ):
        with pytest.raises(Problem) as refused:
            tax_id(typed)

        assert refused.value.code in ("INVALID_TAX_ID", "INVALID_CHARACTERS"), ascii(typed)


def test_the_kinds_of_each_country_are_read(settings: Settings) -> None:
    for country, typed, stored in KINDS:
        settings(TAX_ID_COUNTRY=country)
        try:
            read = tax_id(typed)
        except Problem as problem:
            read = problem.code
        assert read == (stored or "INVALID_TAX_ID"), (country, typed)


def test_a_check_digit_that_is_not_promised_is_warned_of(
    settings: Settings, caplog: pytest.LogCaptureFixture
) -> None:
    settings(TAX_ID_COUNTRY="EC")

    with caplog.at_level(logging.WARNING):
        tax_id("1793213150001")
        tax_id("1792060346001")

    (record,) = [record for record in caplog.records if "check digit" in record.getMessage()]
    assert "1793213150001" not in record.getMessage()


STORED_BY_OLDER_VERSIONS = [
    ("", "NIT9001234568", "900.123.456-8"),
    ("", "NITNO9001234568", "NIT No. 900.123.456-8"),
    ("", "900123456DV8", "900.123.456-8"),
    ("", "CO9001234568", "900123456-8"),
    ("", "٩٠٠1234568", "900123456-8"),
    ("", "९००१२३४५६८", "900123456-8"),
    ("", "9001234568ʼ", "900123456-8"),
    ("", "900ᅠ123ㅤ4568", "900123456-8"),
    ("", "JJ010101AA1", "J&J010101AA1"),
    ("", "CÉDULA1020304050", "C.C. 1.020.304.050"),
    ("", "NIT 900.123.456-8", "9001234568"),
    ("MX", "RFCJJ010101AA1", "J&J010101AA1"),
    ("CO", "NIT900123456", "900.123.456-8"),
    ("CO", "900123456", "NIT 900123456-8"),
    ("CO", "1020304050", "1020304050-8"),
    ("EC", "RUC1792060346001", "1792060346-001"),
    ("EC", "1714307103", "1714307103001"),
    ("EC", "1714307103001", "171430710-3"),
    ("AU", "53004085616", "004 085 616"),
    ("AU", "004085616", "53 004 085 616"),
    ("SE", "556036079301", "SE556036079301"),
    ("SE", "556036079301", "556036-0793"),
    ("PA", "8442445", "8-442-445 DV 36"),
    ("PA", "8-442-445", "RUC 8-442-445"),
]
OTHERS = [
    ("", "9001234568", "A9001234568"),
    ("", "900123456", "9001234568"),
    ("", "9ОО1234568", "91234568"),
    ("", "J&J010101AA1", "JJ&010101AA1"),
    ("MX", "J&J010101AA1", "JJ&010101AA1"),
    ("PA", "1-2442-445", "12-442-445"),
]


async def test_an_id_that_an_older_version_stored_is_taken(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    await api.register(registration(await issue_key(database), nit="800197268-4"))
    free = await issue_key(database)
    for country, stored, typed in STORED_BY_OLDER_VERSIONS:
        settings(TAX_ID_COUNTRY=country, RATE_LIMITS="off")
        await database.execute("UPDATE tenants SET nit = $1", stored)

        answer = await api.register(registration(free, nit=typed))

        assert answer["__typename"] == "NitTaken", (country, ascii(stored), typed)
        assert (await show_tenant(typed)).nit == stored


def test_ids_with_equal_digits_are_different(settings: Settings) -> None:
    for country, stored, typed in OTHERS:
        settings(TAX_ID_COUNTRY=country)

        assert rank(stored, equal_ids(tax_id(typed))) is None, (country, ascii(stored), typed)


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
