"""Concurrent registrations of one business under two forms of its tax id, which no unique index compares."""

import asyncio
from collections import Counter

import asyncpg
import pytest

from tests.domain.test_races import half_done, register_all
from tests.support import GatehouseProcess, issue_key, registration

pytestmark = pytest.mark.anyio

ONE_BUSINESS = [
    # The cédula and the RUC of a person.
    ("EC", "1714307103", "1714307103001"),
    ("EC", "171430710-3", "RUC 1714307103-001"),
    # The last digit of a cédula is that of a check digit by chance.
    ("CO", "79123450", "79123450-7"),
    ("CO", "79123455", "79123455-3"),
    ("CO", "900123456", "900.123.456-8"),
    ("CO", "1020304050", "1020304050-8"),
    ("DO", "001-1391820-5", "00113918205"),
    ("CR", "1-0613-0584", "106130584"),
    ("MX", "J&J-010101-AA1", "RFC J&J010101AA1"),
    ("PA", "8-442-445", "8-0442-00445 DV 36"),
    # The numbers of a company and of its taxes.
    ("AU", "53 004 085 616", "004 085 616"),
    ("SE", "SE556036079301", "556036-0793"),
]

TWO_BUSINESSES = [("", "J&J010101AA1", "JJ&010101AA1"), ("", "9001234568", "A9001234568")]


@pytest.mark.slow
async def test_one_business_makes_one_tenant(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    for country in dict.fromkeys(country for country, *_ in ONE_BUSINESS):
        gatehouse.environment.update(TAX_ID_COUNTRY=country, RATE_LIMITS="off")
        gatehouse.start()
        for _, one, other in (pair for pair in ONE_BUSINESS if pair[0] == country):
            await database.execute("TRUNCATE tenants, users, beta_keys CASCADE")
            forms = [registration(await issue_key(database), nit=nit) for nit in (one, other) * 4]

            answers = await register_all(gatehouse, forms, concurrency=8)

            kinds = Counter(answer["__typename"] for answer in answers)
            assert kinds == {"Registration": 1, "NitTaken": 7}, (country, one, other)
            assert await database.fetchval("SELECT count(*) FROM tenants") == 1
            assert await database.fetchval('SELECT count(*) FROM beta_keys WHERE NOT "isUsed"') == 7
            assert await half_done(database) == {}
        await asyncio.to_thread(gatehouse.stop)


async def test_two_businesses_with_equal_digits_make_two_tenants(
    serving: GatehouseProcess, database: asyncpg.Connection
) -> None:
    for _, one, other in TWO_BUSINESSES:
        forms = [registration(await issue_key(database), nit=nit) for nit in (one, other) * 4]

        answers = await register_all(serving, forms, concurrency=8)

        assert Counter(answer["__typename"] for answer in answers) == {"Registration": 2, "NitTaken": 6}
    assert await half_done(database) == {}


async def test_the_person_of_a_repeated_registration_is_the_same_in_both_forms(
    gatehouse: GatehouseProcess, database: asyncpg.Connection
) -> None:
    """The client that got no answer sends the form again, also with the RUC in place of the cédula."""
    gatehouse.environment |= {"TAX_ID_COUNTRY": "EC", "RATE_LIMITS": "off"}
    gatehouse.start()
    form = registration(await issue_key(database))

    forms = [{**form, "nit": nit} for nit in ("1714307103", "1714307103001") * 8]
    answers = await register_all(gatehouse, forms, concurrency=16)

    assert {answer["__typename"] for answer in answers} == {"Registration"}
    assert len({answer["tenant"]["id"] for answer in answers}) == 1
    assert await half_done(database) == {}
