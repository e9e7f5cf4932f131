"""Validation of keys, registration, sign-in and errors over REST, for the web front end of the old system."""

from datetime import datetime

import asyncpg
import pytest

from api.domain.business_types import BusinessType
from api.domain.errors import DomainError
from api.domain.registration import RegistrationRequest
from api.messages import field_label
from api.rest.errors import HTTP_STATUS_OF_ERROR
from tests.support import PASSWORD, Api, Settings, issue_key, registration

pytestmark = pytest.mark.anyio


async def test_the_runbooks_key_is_not_valid(api: Api) -> None:
    response = await api.http.get("/api/beta-keys/validate/BETA-TEST-12345")

    assert response.status_code == 200
    assert response.json() == {"valid": False, "message": "This beta key does not exist."}


@pytest.mark.parametrize("typed", ["{key}", "beta%20{tail}", "{key}%0A"])
async def test_an_issued_key_is_valid(api: Api, database: asyncpg.Connection, typed: str) -> None:
    key = await issue_key(database)

    response = await api.http.get(f"/api/beta-keys/validate/{typed.format(key=key, tail=key[5:].lower())}")

    assert response.json() == {"valid": True, "message": "This beta key is valid."}


@pytest.mark.parametrize("typed", ["%00", "a/b", "%F0%9F%98%80", "%FF", "x" * 5000])
async def test_text_that_cannot_be_a_key_is_not_valid(api: Api, typed: str) -> None:
    response = await api.http.get(f"/api/beta-keys/validate/{typed}")

    assert (response.status_code, response.json()["valid"]) == (200, False)


async def test_a_business_registers_and_signs_in(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database), businessType="Cafetería")

    registered = await api.http.post("/api/auth/register", json=form)
    signed_in = await api.http.post("/api/auth/login", json={"email": form["email"], "password": PASSWORD})

    assert (registered.status_code, signed_in.status_code) == (201, 200)
    for body in (registered.json(), signed_in.json()):
        assert body.keys() == {"user", "tenant", "accessToken"}
        assert body["user"]["email"] == form["email"]
        assert body["user"]["tenantId"] == body["tenant"]["id"]
        assert body["tenant"]["businessType"] == "CAFETERIA"
        assert "password" not in body["user"]
        for row in (body["user"], body["tenant"]):
            assert datetime.fromisoformat(row["createdAt"]) <= datetime.fromisoformat(row["updatedAt"])
        assert (await api.viewer(body["accessToken"]))["tenant"]["id"] == body["tenant"]["id"]


async def test_an_error_has_the_shape_that_old_clients_know(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database), email="x", firstName="")

    response = await api.http.post("/api/auth/register", json=form, headers={"accept-language": "es"})

    assert response.status_code == 400
    assert response.json() == {
        "statusCode": 400,
        "error": "Bad Request",
        "code": "INVALID_INPUT",
        "message": [
            "Correo electrónico: No es un correo electrónico válido.",
            "Nombre: Este campo es obligatorio.",
        ],
        "fields": [
            {"field": "email", "code": "INVALID_EMAIL", "message": "No es un correo electrónico válido."},
            {"field": "firstName", "code": "REQUIRED", "message": "Este campo es obligatorio."},
        ],
    }


def test_every_field_of_registration_has_a_label() -> None:
    names = {str(field.alias) for field in RegistrationRequest.model_fields.values()}
    # A client of the old system never sends a token.
    for name in names - {"emailVerificationToken"}:
        assert name not in (field_label(name, "en"), field_label(name, "es"))


OLD_LABELS = {
    "Tienda": "TIENDA",
    "Supermercado": "SUPERMERCADO",
    "Minimercado": "MINIMERCADO",
    "Farmacia": "FARMACIA",
    "Droguería": "DROGUERIA",
    "Restaurante": "RESTAURANTE",
    "Cafetería": "CAFETERIA",
    "Panadería": "PANADERIA",
    "Ferretería": "FERRETERIA",
    "Papelería": "PAPELERIA",
    "Boutique": "BOUTIQUE",
    "Skateshop": "SKATESHOP",
    "Artículos Deportivos": "DEPORTES",
    "Tecnología y Electrónica": "TECNOLOGIA",
    "Tienda de Mascotas": "MASCOTAS",
    "Belleza y Cosméticos": "BELLEZA",
    "Licores": "LICORES",
    "Miscelánea/Variedades": "VARIEDADES",
    "Otro": "OTRO",
}


@pytest.mark.parametrize(
    ("password", "status"),
    [("Ana-Rios-77x", 201), ("Ana@rios7", 201), ("Password1!", 400), ("ana-rios-77x", 400)],
)
async def test_the_old_door_accepts_what_the_old_rule_accepts_unless_the_list_knows_it(
    api: Api, database: asyncpg.Connection, password: str, status: int
) -> None:
    """Also what is made of the person's name, if it has all kinds of characters."""
    form = registration(await issue_key(database), password=password, firstName="Ana", lastName="Ríos")

    response = await api.http.post("/api/auth/register", json=form)

    assert response.status_code == status, response.text


async def test_each_label_of_the_old_business_types_is_stored_as_a_type(
    api: Api, database: asyncpg.Connection
) -> None:
    assert set(OLD_LABELS.values()) == {known.value for known in BusinessType}
    for label, stored in OLD_LABELS.items():
        form = registration(await issue_key(database), businessType=label)
        response = await api.http.post("/api/auth/register", json=form)
        assert (response.status_code, response.json()["tenant"]["businessType"]) == (201, stored), label


async def test_the_signed_in_user_is_read(api: Api, database: asyncpg.Connection) -> None:
    registered = await api.http.post("/api/auth/register", json=registration(await issue_key(database)))
    token = registered.json()["accessToken"]

    signed_in = await api.http.get("/api/users/me", headers={"authorization": f"Bearer {token}"})
    unknown = await api.http.get("/api/users/me", headers={"authorization": f"Bearer {'x' * 43}"})
    without = await api.http.get("/api/users/me")

    assert (signed_in.status_code, signed_in.json()) == (200, registered.json()["user"])
    for refused in (unknown, without):
        assert (refused.status_code, refused.json()["code"]) == (401, "UNAUTHENTICATED")


async def test_the_question_for_an_account_tells_nothing(api: Api, database: asyncpg.Connection) -> None:
    form = registration(await issue_key(database))
    await api.register(form)

    for identifier in (form["email"], "nobody@example.com", "300 123 4567", "x"):
        response = await api.http.post("/api/auth/check-user", json={"identifier": identifier})
        assert (response.status_code, response.json()) == (200, {"exists": True}), identifier
    for invalid in ({}, {"identifier": " "}, {"identifier": 3}):
        response = await api.http.post("/api/auth/check-user", json=invalid)
        assert (response.status_code, response.json()["fields"][0]["field"]) == (400, "identifier"), invalid


async def test_the_question_for_an_account_is_limited(api: Api, settings: Settings) -> None:
    settings(RATE_LIMITS="on", RATE_LIMIT_VALIDATE="2/minute")
    answers = [await api.http.post("/api/auth/check-user", json={"identifier": "x"}) for _ in range(3)]

    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"betaKey": "BETA-TEST-12345"}, 400, "BETA_KEY_REJECTED"),
        ({"email": "taken@example.com"}, 409, "EMAIL_TAKEN"),
        ({"nit": "800800800"}, 409, "NIT_TAKEN"),
    ],
)
async def test_each_error_has_its_status(
    api: Api, database: asyncpg.Connection, changes: dict[str, str], status: int, code: str
) -> None:
    await api.register(registration(await issue_key(database), email="taken@example.com", nit="800800800"))

    response = await api.http.post(
        "/api/auth/register", json=registration(await issue_key(database)) | changes
    )

    assert (response.status_code, response.json()["code"]) == (status, code)
    assert response.json()["statusCode"] == status


async def test_wrong_credentials_and_suspension_have_their_statuses(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database))
    await api.register(form)
    right = {"email": form["email"], "password": PASSWORD}

    wrong = await api.http.post("/api/auth/login", json=right | {"password": "x"})
    await database.execute('UPDATE tenants SET "isActive" = false')
    suspended = await api.http.post("/api/auth/login", json=right)

    assert (wrong.status_code, wrong.json()["code"]) == (401, "WRONG_CREDENTIALS")
    assert (suspended.status_code, suspended.json()["code"]) == (403, "TENANT_SUSPENDED")


async def test_missing_fields_and_fields_that_are_not_text_are_named(api: Api) -> None:
    response = await api.http.post("/api/auth/register", json={"email": 3, "nit": ["x"]})

    named = {problem["field"]: problem["code"] for problem in response.json()["fields"]}
    assert named["email"] == named["nit"] == "NOT_TEXT"
    assert named["businessType"] == named["address"] == "REQUIRED"
    assert len(named) == len(response.json()["fields"])


async def test_all_invalid_fields_are_reported_at_once(api: Api) -> None:
    form = registration("x", email="x", businessType="BANK", nit="1")

    response = await api.http.post("/api/auth/register", json=form)

    assert {problem["field"] for problem in response.json()["fields"]} == {"email", "businessType", "nit"}


def test_every_domain_error_has_a_status() -> None:
    assert set(HTTP_STATUS_OF_ERROR) == set(DomainError.__subclasses__())


@pytest.mark.parametrize(
    ("body", "status"),
    [(b"", 400), (b"{", 400), (b"[]", 400), (b"\xff", 400), (b"{" + b" " * 70_000 + b"}", 413)],
)
async def test_a_body_that_is_not_a_json_object_is_refused(api: Api, body: bytes, status: int) -> None:
    response = await api.http.post(
        "/api/auth/login", content=body, headers={"content-type": "application/json"}
    )

    assert (response.status_code, response.json()["statusCode"]) == (status, status)


@pytest.mark.parametrize(
    ("method", "path", "status"), [("GET", "/nowhere", 404), ("GET", "/api/auth/login", 405)]
)
async def test_unknown_paths_and_methods_get_json(api: Api, method: str, path: str, status: int) -> None:
    response = await api.http.request(method, path)

    assert (response.status_code, response.json()["statusCode"]) == (status, status)
