"""Registration: a beta key becomes a tenant, its owner and a session."""

import asyncpg
import pytest

from tests.support import REGISTER, Api, issue_key, one_row, registration

pytestmark = pytest.mark.anyio


@pytest.mark.usefixtures("real_hashes")
async def test_a_business_registers_with_a_key(api: Api, database: asyncpg.Connection) -> None:
    """One mutation creates the tenant, its owner and a session, and marks the key used."""
    key = await issue_key(database)
    form = registration(key, nit="900.123.456-8", email="Ana@Example.com", phoneNumber="300 123 4567")

    answer = await api.register(form)

    assert answer["__typename"] == "Registration"
    assert answer["user"] | {"id": None} == {
        "id": None,
        "email": "Ana@example.com",
        "role": "ADMIN",
        "isOwner": True,
    }
    assert answer["tenant"]["businessName"] == form["businessName"]
    tenant = await one_row(database, "SELECT * FROM tenants")
    owner = await one_row(database, "SELECT * FROM users")
    used = await one_row(database, "SELECT * FROM beta_keys")
    assert str(tenant["id"]) == answer["tenant"]["id"]
    assert tenant["nit"] == "9001234568"
    assert tenant["betaKeyUsed"] == key
    assert owner["tenantId"] == tenant["id"]
    assert owner["phoneNumber"] == "+573001234567"
    assert owner["password"].startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert (used["isUsed"], used["usedByTenantId"]) == (True, tenant["id"])
    assert used["usedAt"] is not None


async def test_the_token_of_a_registration_signs_the_owner_in(api: Api, database: asyncpg.Connection) -> None:
    answer = await api.register(registration(await issue_key(database)))

    viewer = await api.viewer(answer["accessToken"])

    assert viewer["email"] == answer["user"]["email"]
    assert viewer["tenant"] == answer["tenant"]


async def test_only_a_digest_of_the_token_is_stored(api: Api, database: asyncpg.Connection) -> None:
    answer = await api.register(registration(await issue_key(database)))

    stored = await one_row(database, "SELECT * FROM sessions")

    assert answer["accessToken"] not in str(dict(stored))
    assert len(stored["tokenDigest"]) == 32


async def test_a_registration_records_events(api: Api, database: asyncpg.Connection) -> None:
    key = await issue_key(database)
    answer = await api.register(registration(key))

    events = await database.fetch("SELECT * FROM audit_events ORDER BY action")
    assert [event["action"] for event in events] == ["beta_key.used", "tenant.registered"]
    assert events[0]["subjectId"] == await database.fetchval("SELECT id FROM beta_keys")
    assert {str(event["tenantId"]) for event in events} == {answer["tenant"]["id"]}
    assert {event["actorEmail"] for event in events} == {answer["user"]["email"]}
    assert key not in str([dict(event) for event in events])


async def test_a_repeated_registration_answers_the_same_tenant(
    api: Api, database: asyncpg.Connection
) -> None:
    """A client that lost its connection may repeat the request, also with another spelling of the address."""
    form = registration(await issue_key(database), email="ana@example.com")
    first = await api.register(form)

    second = await api.register({**form, "email": "ANA@example.com", "businessName": "Other"})

    assert second["__typename"] == "Registration"
    assert second["tenant"] == first["tenant"]
    assert second["user"] == first["user"]
    assert second["accessToken"] != first["accessToken"]
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1


@pytest.mark.parametrize(
    "changes",
    [{"email": "other@example.com"}, {"nit": "123456789"}, {"password": "0ther!Secret"}],
    ids=["another email", "another tax id", "another password"],
)
async def test_a_used_key_admits_no_other_business(
    api: Api, database: asyncpg.Connection, changes: dict[str, str]
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)

    answer = await api.register({**form, **changes})

    assert (answer["__typename"], answer["reason"]) == ("BetaKeyRejected", "USED")
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1


async def test_a_suspended_business_gets_no_session_by_registering_again(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    await database.execute('UPDATE tenants SET "isActive" = false')

    answer = await api.register(form)

    assert (answer["__typename"], answer["reason"]) == ("BetaKeyRejected", "USED")


async def test_a_taken_email_leaves_the_key_unused(api: Api, database: asyncpg.Connection) -> None:
    await api.register(registration(await issue_key(database), email="ana@example.com"))
    free = await issue_key(database)

    answer = await api.register(registration(free, email="ANA@example.com"))

    assert (answer["__typename"], answer["code"]) == ("EmailTaken", "EMAIL_TAKEN")
    assert (await api.validate(free))["valid"]
    assert await database.fetchval("SELECT count(*) FROM tenants") == 1


async def test_a_tax_id_is_the_same_in_any_punctuation(api: Api, database: asyncpg.Connection) -> None:
    await api.register(registration(await issue_key(database), nit="900.123.456-8"))
    free = await issue_key(database)

    for same in ("900123456-8", "\uff19\uff10\uff101234568"):
        answer = await api.register(registration(free, nit=same))

        assert (answer["__typename"], answer["code"]) == ("NitTaken", "NIT_TAKEN")
    assert (await api.validate(free))["valid"]


@pytest.mark.parametrize("taken", ["email", "nit"])
async def test_taken_values_are_reported_only_with_a_valid_key(
    api: Api, database: asyncpg.Connection, taken: str
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)

    answer = await api.register(registration("BETA-TEST-12345", **{taken: form[taken]}))

    assert (answer["__typename"], answer["reason"]) == ("BetaKeyRejected", "NOT_FOUND")


BAD_FIELDS = {
    "email": [
        "nobody",
        "a b@example.com",
        "ana@example.com\n.evil",
        "a@b",
        "",
        "ana@" + "x" * 130 + ".com",
        "😀@example.com",
        "ana@example.com\x00",
    ],
    "password": ["Sh0rt!", "Password1!", "NOSMALL1!", "Anaríos2024", "Aa1!" * 33, ""],
    "phoneNumber": [
        "12",
        "not a phone",
        "+57 1",
        "3" * 50,
        "300 123 4567\x00",
        "Hola 300 123 4567",
        "\x07300 123 4567",
    ],
    "businessPhone": ["000"],
    "businessEmail": ["@", "x" * 101 + "@example.com"],
    "nit": ["", "12", "9" * 51, "..-..", "ß" * 50, "900\x00123", "😀😀😀"],
    "businessName": [
        "",
        "   ",
        "\u200d",
        "\u3164",
        "x" * 201,
        "x" * 10_000,
        "El\x07Ahorro",
        "Tienda 😀",
        "1\ufe0f\u20e3",
        "👍🏽",
    ],
    "firstName": ["", "x" * 61, "An\na", "An\x00a", "😀", "❤"],
    "lastName": ["", "x" * 10_000],
    "address": ["", "x" * 501],
    "documentId": ["x" * 21, "1\x072"],
}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        pytest.param(field, value, id=f"{field} {number}")
        for field, values in BAD_FIELDS.items()
        for number, value in enumerate(values)
    ],
)
async def test_an_invalid_field_is_named(
    api: Api, database: asyncpg.Connection, field: str, value: str
) -> None:
    """The response names only that field, and the key stays unused."""
    key = await issue_key(database)

    answer = await api.register(registration(key, **{field: value}))

    assert answer["__typename"] == "InvalidInput"
    assert [problem["field"] for problem in answer["fields"]] == [field]
    assert all(problem["message"] for problem in answer["fields"])
    assert (await api.validate(key))["valid"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("businessName", "Ferretería & Hijos N° 1 «Ñandú» ™"),
        ("businessName", "日本食堂"),
        ("address", "Cra. 7ª # 12–34, apto. 5º; ofic. №3"),
        ("firstName", "Jean-Luc O’Neill"),
        ("firstName", "می‌خواهم"),
        ("email", "ana+shop@example.com"),
        ("phoneNumber", "+44 20 7946 0958"),
        ("phoneNumber", "(300) 123-45-67"),
        ("password", "contraseña Ñ1!"),
        ("documentId", ""),
        ("phoneNumber", None),
    ],
    ids=ascii,
)
async def test_names_of_people_are_accepted(
    api: Api, database: asyncpg.Connection, field: str, value: str
) -> None:
    answer = await api.register(registration(await issue_key(database), **{field: value}))

    assert answer["__typename"] == "Registration", answer


async def test_all_invalid_fields_are_reported_at_once(api: Api, database: asyncpg.Connection) -> None:
    bad = {"email": "x", "password": "x", "nit": "x", "businessName": "", "phoneNumber": "x"}

    answer = await api.register(registration(await issue_key(database), **bad))

    assert {problem["field"] for problem in answer["fields"]} == set(bad)


async def test_messages_are_in_spanish_on_request(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database), email="x")

    spanish = (await api.data(REGISTER, language="es-CO,es;q=0.9,en;q=0.5", i=form))["register"]
    english = (await api.data(REGISTER, language="fr", i=form))["register"]

    assert spanish["fields"][0]["message"] == "No es un correo electrónico válido."
    assert english["fields"][0]["message"] == "This is not a valid email address."
    assert spanish["code"] == english["code"] == "INVALID_INPUT"


async def test_nothing_is_hashed_for_a_key_that_is_not_valid(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.domain import registration as domain

    hashed: list[str] = []
    monkeypatch.setattr(domain, "hash_password", hashed.append)

    await api.register(registration("BETA-TEST-12345"))

    assert hashed == []


async def test_tax_ids_follow_the_rules_of_tax_id_country(
    api: Api, database: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    from api.settings import get_settings

    monkeypatch.setenv("TAX_ID_COUNTRY", "CO")
    get_settings.cache_clear()
    try:
        wrong = await api.register(registration(await issue_key(database), nit="900123456-7"))
        right = await api.register(registration(await issue_key(database), nit="213.123.432-1"))
    finally:
        get_settings.cache_clear()

    assert wrong["fields"][0] | {"message": ""} == {"field": "nit", "code": "INVALID_TAX_ID", "message": ""}
    assert right["__typename"] == "Registration"
    assert right["tenant"]["nit"] == "2131234321"
