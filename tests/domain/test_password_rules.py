"""Which passwords are refused, wherever one is set, and why."""

import time
from typing import Any

import asyncpg
import pytest

from api.domain import password_rules
from api.domain.errors import Problem
from api.domain.password_rules import new_password, require_impersonal
from api.messages import LANGUAGES, message
from tests.cli.commands import failure
from tests.domain.accounts.codes import RESET, code_for_reset
from tests.domain.accounts.test_password_change import change
from tests.domain.tenants.business import CREATE, new_staff
from tests.support import PASSWORD, Api, Settings, issue_key, registration

PHRASE = "correct horse battery staple long phrase"

COMMON = [
    "Password1!",
    "P@ssw0rd123",
    "Qwerty123!",
    "Qwerty12345!",
    "Contraseña1!",
    "contrasena2024",
    "Bienvenido2024*",
    "Colombia2024!",
    "Medellin2025*",
    "aaaaaaaaaaaa",
    "1234567890123",
    "abcdefghij",
    "qwertyuiop",
    "zxcvbnm1234",
    "1q2w3e4r5t6y",
    "asdfghjkl123",
    "qwerty123asdf",
    "Summer2024!",
    "Welcome123!",
    "Admin123!!",
    "iloveyou123",
    "Password12345678",
    "!!!Password!!!",
    "$ecret12345",
    "Ab1!Ab1!Ab1!",
    "passwordpassword",
    "trustno1trustno1",
    "Fernanda1990!",
    "Diciembre2025!",
    "Gatehouse2026!",
    "ＰＡＳＳＷＯＲＤ2024",
    "pässwörd1234",
    "0987654321",
    "holamundo123",
    "estrellita1",
    "claro12345",
    "3001234567",
    "+57 300 123 4567",
    "01/02/1990",
    "1990-02-01",
]

GOOD = (
    PHRASE,
    PASSWORD,
    "Xk9$mQ2vLp",
    "dfg8h3jk2l",
    "mi perro se llama firulais",
    "monkey dragon 99",
    "ñandú azul 77",
)


def refusal(password: str, *texts: str, old_client: bool = False) -> str | None:
    try:
        new_password(password, old_client=old_client)
        require_impersonal(password, texts)
    except Problem as problem:
        return problem.code
    return None


def test_common_and_leaked_passwords_are_refused_however_they_are_decorated() -> None:
    assert {password: refusal(password) for password in COMMON} == dict.fromkeys(COMMON, "COMMON_PASSWORD")
    assert refusal("password password") == "COMMON_PASSWORD"
    assert {password: refusal(password) for password in GOOD} == dict.fromkeys(GOOD)


def test_the_data_of_the_person_is_refused() -> None:
    """As it is, backwards, with digits for letters, and with what people add."""
    about = ("ana@x.co", "Ana", "Ríos", "El Ahorro", "+57 300 123 4567", "900.123.456-8", "CC 52.345.678")
    personal = [
        "ana@x.co1",
        "ANA@X.CO99",
        "oc.x@ana12",
        "AnaRios2024!",
        "4n4r105-2024",
        "SocraAnahorro",
        "ElAhorro2024",
        "Ahorro2026!!",
        "0rr0hA2024!",
        "Ana19900512x",
        "my-rios-2024",
        "573001234567x",
        "3001234567 x",
        "clave900123456",
        "9001234568clave",
        "mi 52345678 mi",
    ]

    codes = {password: _personal(password, about) for password in personal}

    assert codes == dict.fromkeys(personal, "PERSONAL_PASSWORD")
    for password in ("curiosidad larga", "banana bread recipe", PHRASE, PASSWORD):
        assert _personal(password, about) is None


def _personal(password: str, about: tuple[str, ...]) -> str | None:
    try:
        require_impersonal(password, about)
    except Problem as problem:
        return problem.code
    return None


def test_the_lengths_and_the_old_rule_are_settings(settings: Settings) -> None:
    assert refusal("k7#mQx2z9") == "TOO_SHORT"
    assert refusal("k7#mQx2z", old_client=True) is None
    assert refusal("k7#mqx2z", old_client=True) == "TOO_SHORT"
    assert refusal("P@ssw0rd", old_client=True) == "COMMON_PASSWORD"
    assert refusal("x1" * 64 + "y") == "TOO_LONG"

    settings(PASSWORD_MIN_LENGTH="15")
    assert (refusal("perro gato casa"), refusal("perro gato cas")) == (None, "TOO_SHORT")

    settings(PASSWORD_RULES="old")
    assert (refusal("k7#mQx2z"), refusal(PHRASE), refusal("k7#mQx2")) == (None, "WEAK_PASSWORD", "TOO_SHORT")
    assert refusal("Password1!") == "COMMON_PASSWORD"


def test_no_password_takes_long_to_check() -> None:
    """The estimator of zxcvbn takes seconds for the second one."""
    started = time.process_time()
    for password in ("aé" * 64, "4@8({[<369&#!1/|0$5+7%2z" * 5, "1!" * 64, "ab" * 63 + "c", "x" * 128):
        refusal(password, "ana@x.co", "Ana", "Ríos", "El Ahorro")

    assert time.process_time() - started < 0.25


@pytest.mark.anyio
async def test_each_place_that_sets_a_password_says_which_rule_it_breaks(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database), email="lucia.mora@example.com", businessName="La Espiga")
    token = (await api.register(form))["accessToken"]
    code = await code_for_reset(api, database, form["email"])
    staff = new_staff(email="eva.luna@example.com")

    async def codes(password: str, own: str) -> list[list[tuple[str, str]]]:
        answers: list[Any] = [
            await api.register({**form, "password": password}),
            await change(api, token, PASSWORD, password),
            (await api.data(CREATE, token, i={**staff, "password": own}))["createStaff"],
            (await api.data(RESET, i={"email": form["email"], "code": code, "newPassword": password}))[
                "resetPassword"
            ],
        ]
        return [[(problem["field"], problem["code"]) for problem in answer["fields"]] for answer in answers]

    names = ["password", "newPassword", "password", "newPassword"]
    for password, own, expected in (
        ("Password1!", "Password1!", "COMMON_PASSWORD"),
        ("lucia.mora@example.com1", "eva.luna@example.com1", "PERSONAL_PASSWORD"),
        ("la-espiga-2026", "la-espiga-2026", "PERSONAL_PASSWORD"),
    ):
        assert await codes(password, own) == [[(name, expected)] for name in names]
    assert (await change(api, token, PASSWORD, PASSWORD))["fields"] == [
        {"field": "newPassword", "code": "SAME_PASSWORD"}
    ]
    assert (await change(api, token, PASSWORD, PHRASE))["__typename"] == "Done"
    assert (await api.login(form["email"], PHRASE))["__typename"] == "SignedIn"


@pytest.mark.anyio
async def test_the_old_client_may_set_what_the_old_rule_accepted(
    api: Api, database: asyncpg.Connection
) -> None:
    form = registration(await issue_key(database))

    known = await api.http.post("/api/auth/register", json={**form, "password": "P@ssw0rd"})
    accepted = await api.http.post("/api/auth/register", json={**form, "password": "k7#mQx2z"})

    (problem,) = known.json()["fields"]
    assert (problem["field"], problem["code"]) == ("password", "COMMON_PASSWORD")
    assert accepted.status_code == 201, accepted.json()


@pytest.mark.parametrize(
    ("password", "code"),
    [("Password1!", "COMMON_PASSWORD"), ("maria@example.com1", "PERSONAL_PASSWORD")],
)
def test_operators_have_the_same_rules(password: str, code: str) -> None:
    said = failure("operators", "add", "maria@example.com", "--password-stdin", typed=f"{password}\n")

    assert message(code, "en") in said


@pytest.mark.parametrize("code", ["COMMON_PASSWORD", "PERSONAL_PASSWORD", "SAME_PASSWORD"])
def test_each_rule_has_its_own_sentence(code: str) -> None:
    assert len({message(code, language) for language in LANGUAGES}) == 2


def test_long_texts_about_a_person_cost_no_more_than_short_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    """An address of 60 KB reaches the comparison before it is known to be none."""
    lengths: list[int] = []

    def fold(text: str) -> str:
        lengths.append(len(text))
        return text

    monkeypatch.setattr(password_rules, "fold", fold)
    password_rules.require_impersonal("una frase larga", ["\u0323\u0301" * 15_500, "ana@example.com"])

    assert max(lengths) <= password_rules.MAX_PERSONAL
