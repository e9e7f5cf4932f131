"""What people paste into each field, by each door; the characters are those of `tests/test_typed_text.py`."""

import time
from pathlib import Path

import asyncpg
import httpx
import pytest

from api.domain import fields
from api.domain.beta_keys.key_format import candidate_keys, canonical
from api.domain.errors import Problem
from api.domain.phone_numbers import phone
from api.domain.tax_ids import lookup_forms
from api.settings import get_settings
from tests.cli.commands import json_of, printed
from tests.domain.accounts.codes import REQUEST_VERIFICATION, VERIFY, mailed
from tests.support import Api, Settings, issue_key, registration
from tests.test_typed_text import DASHES, FILLERS, FORMATS, MINUS_SIGNS

pytestmark = pytest.mark.anyio


def pasted_keys(key: str) -> list[str]:
    symbols = key.replace("-", "")
    wide = symbols.translate({ord(char): ord(char) + 0xFEE0 for char in symbols})
    bold = "".join(chr(0x1D400 + ord(char) - 65) if char.isalpha() else char for char in symbols)
    return [
        *(f"{key}{one}" for one in FORMATS[:12]),
        *(key.replace("-", f"{one}-") for one in FORMATS[:12]),
        *(key.replace("-", dash) for dash in DASHES + MINUS_SIGNS),
        f"*{key}*",
        f"Clave: «{key}».",
        key.lower(),
        symbols,
        symbols[4:],
        f"\u00a0{symbols[4:].lower()}\u3000",
        wide,
        bold,
        f"\u202a{key}\u202c",
        f"\u2068{' '.join(symbols)}\u2069\ufeff",
    ]


async def test_a_key_is_found_in_any_spelling(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMITS="off")
    key = await issue_key(database)

    for typed in pasted_keys(key):
        assert (await api.validate(typed))["valid"], ascii(typed)
        answer = await api.http.get(
            f"/api/beta-keys/validate/{httpx.URL('http://x/' + typed).raw_path.decode()[1:]}"
        )
        assert answer.json()["valid"], ascii(typed)
    for filler in FILLERS:
        assert (await api.validate(f"{key}{filler}"))["reason"] == "NOT_FOUND"


AROUND = [
    *("*{}*", "_{}_", "~{}~", "`{}`", "```{}```", "«{}»", "« {} »", "“{}”", "„{}“", "‘{}’", '"{}"', "'{}'"),
    *(
        "{}.",
        "{},",
        "{}:",
        "{};",
        "{}!",
        "({})",
        "[{}]",
        "<{}>",
        "\u2022 {}",
        "{}\u202f",
        "\u3000{}\r\n",
        "“*{}*,”",
    ),
]


def test_what_a_chat_or_a_sentence_puts_around_a_value_is_dropped() -> None:
    for around in AROUND:
        key = around.format("BETA-7QX4M-9TKP2")
        assert canonical(key) == "BETA-7QX4M-9TKP2", key
        assert "BETA-7QX4M-9TKP2" in candidate_keys(around.format("7qx4m9tkp2")), around
        assert fields.tax_id(around.format("900.123.456-8")) == "9001234568", around
        assert phone(around.format("300 123 4567")) == "+573001234567", around
        if around not in ("{}!", "\u2022 {}", "```{}```"):
            assert fields.user_email(around.format("ana@example.com")) == "ana@example.com", around


LABELS_OF_KEYS = [
    "Clave: {}",
    "clave = {}",
    "Tu clave es {}.",
    "Your key: {}",
    "Key {}",
    "*Clave beta:* {}",
    "Código de invitación:\n{}",
    "Clave N.º {}",
    "key={}",
    "BETA KEY: {}",
]


def test_a_key_without_its_prefix_is_found_after_a_label() -> None:
    for label in LABELS_OF_KEYS:
        for spelled in (
            "7QX4M9TKP2",
            "7qx4m 9tkp2",
            "7QX4M\u20119TKP2",
            "BETA 7QX4M 9TKP2",
            "BETA7QX4M9TKP2",
        ):
            assert "BETA-7QX4M-9TKP2" in candidate_keys(label.format(spelled)), (label, spelled)
        # A key of an old system, which has another shape.
        assert "PILOT-7" in candidate_keys(label.format("pilot-7")), label
    assert candidate_keys("KEY4M-9TKP2")[0] == "KEY4M-9TKP2"
    assert candidate_keys("CLAVE-BETA-1")[0] == "CLAVE-BETA-1"
    for two in ("7QX4M9TKP2 7QX4M9TKP3", "Clave: 7QX4M9TKP2 Clave: 7QX4M9TKP3", "7QX4M9TKP2: 7QX4M9TKP3"):
        assert not any(key.startswith("BETA-") for key in candidate_keys(two)), two


def test_a_key_is_found_in_a_sentence_or_a_link_that_has_one() -> None:
    key = "BETA-7QX4M-9TKP2"
    for typed in (
        f"Clave: {key}",
        f"Tu clave beta es *{key}*. Vence el 30.",
        f"key={key}",
        f"https://shop.example.com/registro?key={key}",
        f"https://shop.example.com/registro?key={key.lower()}&utm=1",
        f"https://shop.example.com/r/{key}/",
        f"https://nam.example.com/?url=https%3A%2F%2Fshop.example.com%3Fkey%3D{key}&data={'x' * 300}",
        f"{key} {key}",
    ):
        assert canonical(typed) == key, typed
    for typed in (
        f"{key} BETA-7QX4M-9TKP3",
        f"X-{key}",
        f"{key}-A",
        f"{key}A",
        f"{key}\u0301",
        f"\u041a{key}",
        f"Clave: {key}\u3164",
    ):
        assert key not in candidate_keys(typed), ascii(typed)


@pytest.mark.parametrize(
    ("field", "typed", "stored"),
    [
        ("firstName", "\u200eAna", "Ana"),
        ("firstName", "\ufeffJose\u0301\u200b", "José"),
        ("lastName", "Nu\u00adn\u0303ez", "Nuñez"),
        ("lastName", "\u2066Ríos\u2069", "Ríos"),
        ("phoneNumber", "\u202a+57 300 123 4567\u202c", "+573001234567"),
        ("phoneNumber", "＋５７ ３００ １２３ ４５６７", "+573001234567"),
        ("phoneNumber", "300\u2212123\u22124567", "+573001234567"),
        ("phoneNumber", "٣٠٠ ١٢٣ ٤٥٦٧", "+573001234567"),
        ("email", "ana\u200b@example.com", "ana@example.com"),
        ("email", "\ufeffana@exam\u00adple.com\u2060", "ana@example.com"),
        ("email", "ana\u2010maria@example.com", "ana-maria@example.com"),
        ("email", "ana１@example.com", "ana1@example.com"),
        ("email", "\u202aana@example.com\u202c", "ana@example.com"),
        ("email", "山田たろう@example.com", "山田たろう@example.com"),
        ("email", "почта@example.com", "почта@example.com"),
        ("email", "ana@sonyストア.jp", "ana@sonyストア.jp"),
        ("email", "ana@mu\u0308ller.de", "ana@müller.de"),
        ("documentId", "１．０２０\u2212３", "1.020-3"),
        ("documentId", "'1020304050", "1020304050"),
        ("documentId", "1020304050.0", "1020304050"),
    ],
    ids=ascii,
)
async def test_a_pasted_field_is_stored_clean(
    api: Api, database: asyncpg.Connection, field: str, typed: str, stored: str
) -> None:
    form = registration(await issue_key(database), **{field: typed})

    assert (await api.register(form))["__typename"] == "Registration"

    row = await database.fetchrow("SELECT * FROM users")
    assert row is not None
    assert row[field] == stored


@pytest.mark.parametrize(
    "typed",
    [
        *(f"an{filler}a@example.com" for filler in FILLERS),
        "аna@example.com",
        "pаypal@example.com",
        "anа.rios@example.com",
        "αna@example.com",
        "ana\u02bc@example.com",
        "m\u0130ke@example.com",
        "mıKE\u017f@example.com",
        "JOSÉ@example.com",
        "ﬁona@example.com",
        "ａna@example.com",
        "𝐚na@example.com",
        "mi\u0307ke@example.com",
        "o\u2019brien@example.com",
        "ana\u2044b@example.com",
        "ana@m\u0130ke.com",
        "eva@example.com <ana@example.com>",
        "ana@example.com, eva@example.com",
        "eva@example.com (ana@example.com)",
        "ana@example.com (eva@example.com)",
        "[ana@example.com](mailto:eva@example.com)",
        "mailto:ana%2Bb@example.com",
        "ana@ex\u0430mple.com",
        "ana@xn--exmple-4nf.com",
    ],
    ids=ascii,
)
def test_an_email_that_looks_like_another_is_refused(typed: str) -> None:
    with pytest.raises(Problem) as refused:
        fields.user_email(typed)

    assert refused.value.code in ("AMBIGUOUS_EMAIL", "INVALID_EMAIL")


def test_an_email_is_read_as_a_mail_program_copies_it() -> None:
    for typed in (
        "mailto:ana@example.com",
        "MAILTO:ana@example.com?subject=Hola",
        "Ana <ana@example.com>",
        '"Ríos, Ana" <ana@example.com>;',
        "'ana@example.com' <ana@example.com>",
        "<mailto:ana@example.com>",
        "Correo electrónico: ana@example.com",
        "E-mail: *ana@example.com*",
        "Email - ana@example.com",
        "Para: Ana <ana@example.com>",
        "'ana@example.com",
        '="ana@example.com"',
        "=ana@example.com",
        "Ana Ríos (ana@example.com)",
        "ana@example.com (Ana)",
        "[ana@example.com](mailto:ana@example.com)",
        "mailto://ana@example.com",
        "ana＠example.com",
        "ana﹫EXAMPLE．com",
    ):
        assert fields.user_email(typed) == "ana@example.com", typed
    assert fields.user_email("o'brien@example.com") == "o'brien@example.com"
    assert fields.user_email("_ana_@example.com") == "_ana_@example.com"


def test_line_breaks_and_tabs_of_one_line_are_spaces() -> None:
    assert fields.text(60)("Cra. 7 # 12-34\r\nLocal\t2\u2028Bogotá\n") == "Cra. 7 # 12-34 Local 2 Bogotá"
    with pytest.raises(Problem):
        fields.text(60)("Ana\x0bRíos")


async def test_a_code_may_be_pasted_with_spaces_dashes_and_other_digits(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(RATE_LIMITS="off")
    for change in (
        lambda code: f"{code[:3]} {code[3:]}",
        lambda code: f"{code[:3]}-{code[3:]}",
        lambda code: f"{code[:3]}\u2212{code[3:]}",
        lambda code: "".join(chr(0xFF10 + int(digit)) for digit in code),
        lambda code: "".join(chr(0x660 + int(digit)) for digit in code),
        lambda code: f"\u200b{code}\ufeff",
        lambda code: f"*{code[:3]} {code[3:]}*.",
        lambda code: f"Tu código es «{code}». Vence en 10 minutos.",
        lambda code: f"Code: {code}",
        lambda code: f"Código:\n{code}",
    ):
        await api.data(REQUEST_VERIFICATION, e="ana@example.com")
        code = (await mailed(database, "verification_code"))[-1]["code"]
        answer = (await api.data(VERIFY, e="Ana@example.com\u200b", c=change(code)))["verifyEmail"]
        assert answer["__typename"] == "EmailVerified", ascii(change(code))


async def test_a_code_proves_only_the_address_that_was_mailed(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    settings(REQUIRE_VERIFIED_EMAIL="true", RATE_LIMITS="off")
    for other in ("m\u0130ke@example.com", "mık\u0435@example.com", "MIKÉ@example.com"):
        asked = (await api.data(REQUEST_VERIFICATION, e=other))["requestEmailVerification"]
        assert asked["__typename"] == "InvalidInput", ascii(other)
    await api.data(REQUEST_VERIFICATION, e="mike@example.com")
    code = (await mailed(database, "verification_code"))[-1]["code"]

    wrong = (await api.data(VERIFY, e="m\u0130ke@example.com", c=code))["verifyEmail"]
    token = (await api.data(VERIFY, e="Mike@Example.com", c=code))["verifyEmail"]["token"]
    form = registration(await issue_key(database), email="MIKE@example.com")

    assert wrong["__typename"] == "WrongCode"
    assert (await api.register({**form, "emailVerificationToken": f"\u200b{token} "}))["__typename"] == (
        "Registration"
    )


@pytest.mark.parametrize(
    ("typed", "stored"),
    [
        ("+52 1 55 1234 5678", "+525512345678"),
        ("+5215512345678", "+525512345678"),
        ("0052 1 55 1234 5678", "+525512345678"),
        ("+52 55 1234 5678", "+525512345678"),
        ("+54 9 11 2345-6789", "+5491123456789"),
        ("0057 300 123 4567", "+573001234567"),
        ("(+57) 300 123 4567", "+573001234567"),
        ("tel:+57-300-1234567", "+573001234567"),
        ("WhatsApp: 300 123 4567", "+573001234567"),
        ("300 123 4567 (WhatsApp)", "+573001234567"),
        ("Tel.: + 57 300 123 4567", "+573001234567"),
        ("Cel. No. 300 123 4567", "+573001234567"),
        ("Phone: 300 123 4567", "+573001234567"),
        ("601 555 1234 (Ext.: 12)", "+576015551234;ext=12"),
        ("601 555 1234 Ext-12", "+576015551234;ext=12"),
        ("+57 601 555 1234 ext. 12", "+576015551234;ext=12"),
        ("601 555 1234 Extensión 1234", "+576015551234;ext=1234"),
        ("(601) 555-1234, ext 12", "+576015551234;ext=12"),
        ("601 555 1234 x12", "+576015551234;ext=12"),
        ("601 555 1234 #12", "+576015551234;ext=12"),
        ("tel:+57-601-5551234;ext=12", "+576015551234;ext=12"),
        ("+576015551234;ext=12", "+576015551234;ext=12"),
        ("wa.me/573001234567", "+573001234567"),
        ("https://wa.me/573001234567?text=Hola", "+573001234567"),
        ("https://api.whatsapp.com/send?phone=573001234567", "+573001234567"),
        ("'+57 300 123 4567", "+573001234567"),
        ("=+573001234567", "+573001234567"),
        ("\u260e\ufe0f 601 555 1234 ext. 12.", "+576015551234;ext=12"),
        ("\U0001f4f1 Tel./WhatsApp: 300·123·4567", "+573001234567"),
        ("+57 (0) 300_123_4567", "+573001234567"),
        ("+39 (0)6 698 12345", "+390669812345"),
        ("521 55 1234 5678", "+525512345678"),
        ("52 55 1234 5678", "+525512345678"),
        ("57 300 123 4567", "+573001234567"),
        ("(57) 300 123 4567", "+573001234567"),
        ("0057 300 1234567", "+573001234567"),
        ("593 99 123 4567", "+593991234567"),
        ("506 8888 8888", "+50688888888"),
        ("+57 1 555 1234", "+576015551234"),
        ("3001234567.0", "+573001234567"),
        ("3.001234567E+09", "+573001234567"),
        ("573001234567,00", "+573001234567"),
    ],
)
def test_a_phone_is_read_in_any_notation(typed: str, stored: str) -> None:
    assert phone(typed) == stored


def test_a_mexican_phone_is_read_as_it_was_dialled_before(settings: Settings) -> None:
    settings(PHONE_REGION="MX")

    for typed in (
        "55 1234 5678",
        "044 55 1234 5678",
        "045 55 1234 5678",
        "01 55 1234 5678",
        "1 55 1234 5678",
    ):
        assert phone(typed) == "+525512345678"


@pytest.mark.parametrize(
    "typed",
    [
        *("", "ext. 12", "x12", "300 123 4567 ext", "+57 300 123 4567 ext. 12345678"),
        # The second would be one of the Netherlands.
        *("300 123 4567 8", "310 456 7890 1"),
        *("300\u3164123 4567", "300 123 4567 / 310 123 4567", "3.00123E+09", "300 123 4567 (Ana)"),
    ],
)
def test_what_is_no_phone_is_refused(typed: str) -> None:
    with pytest.raises(Problem):
        phone(typed)


async def test_commands_and_files_read_pasted_text(
    api: Api, database: asyncpg.Connection, tmp_path: Path
) -> None:
    file = tmp_path / "keys.csv"
    file.write_text(
        "\u200bkey,batch,notes,recipientEmail\n"
        "\u202aBETA\u2212ABCDE\u2212FGHJK\u202c,Fe\u0301ria\u200b,Pen\u0303a,\u2068ana@example.com\u2069\n"
    )

    assert printed("keys", "import", str(file)) == "1 keys imported\n"

    (key,) = json_of("keys", "list", "--batch", "\ufeffFe\u0301ria ", "--status\u200b", "AVAILABLE\ufeff")
    assert (key["key"], key["batch"], key["notes"]) == ("BETA-ABCDE-FGHJK", "F\u00e9ria", "Pe\u00f1a")
    assert key["recipientEmail"] == "ana@example.com"
    assert json_of("keys", "stats", "--batch", "F\u00e9ria\u200b")["total"] == 1
    assert json_of("keys", "show", "beta\u2013abcde\u2013fghjk")["key"] == key["key"]
    printed("operators", "add", "\u200beva@example.com")
    assert [one["email"] for one in json_of("operators", "list")] == ["eva@example.com"]


def test_settings_are_read_as_they_were_pasted(settings: Settings) -> None:
    settings(TAX_ID_COUNTRY="\u200bco", PHONE_REGION="\ufeffMX\u00a0", RATE_LIMIT_LOGIN="10/minute\u200b")

    read = get_settings()

    assert (read.tax_id_country, read.phone_region, read.rate_limit_login) == ("CO", "MX", "10/minute")


async def test_a_huge_text_in_a_field_does_not_block_the_process(
    api: Api, database: asyncpg.Connection, settings: Settings
) -> None:
    """Normalisation takes quadratic time for such texts: seconds for these, minutes for a whole body."""
    marks, digits = "a" + "\u0301\u0323" * 7_000, "\u0660" * 5_000
    settings(RATE_LIMITS="off")
    key = await issue_key(database)
    for huge in (marks, digits):
        for field in registration(key, phoneNumber="", businessPhone="", businessEmail="", documentId=""):
            if field != "businessType":
                start = time.process_time()
                assert (await api.register(registration(key, **{field: huge})))["__typename"] in (
                    "InvalidInput",
                    "BetaKeyRejected",
                )
                assert time.process_time() - start < 0.25, field
        start = time.process_time()
        assert (await api.login(huge, huge))["__typename"] == "WrongCredentials"
        assert lookup_forms(huge) == []
        assert time.process_time() - start < 0.25
