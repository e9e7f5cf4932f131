"""Commands in Spanish, where the environment asks for it."""

import io
import re
from contextlib import nullcontext, redirect_stderr
from typing import Any

import asyncpg
import pytest
import typer
from typer.main import get_command

from api.cli import app
from api.cli.keys.output import print_keys
from api.cli.terminal import confirm
from api.deploy.adoption.rewrites import _MEANINGS, _SPELLINGS
from api.messages import message
from api.spanish import SENTENCES, translate
from api.terminal_language import terminal_language
from tests.cli.commands import run_here, type_in
from tests.cli.conftest import Terminal, key_row
from tests.cli.sentences import headings, sentences
from tests.deploy.adoption.old_databases import old
from tests.support import issue_key

pytestmark = pytest.mark.anyio

SPANISH = {"LANG": "es_CO.UTF-8", "LC_ALL": "", "LC_MESSAGES": "", "LANGUAGE": ""}


@pytest.fixture
def spanish(monkeypatch: pytest.MonkeyPatch) -> None:
    """This process is in Spanish."""
    for name, value in SPANISH.items():
        monkeypatch.setenv(name, value)


SAME_IN_BOTH = {"Gatehouse ‹1›, Python ‹2›", "--mail-to: ‹1›"}


# Every sentence has its Spanish. A missing one stands in the failure: add it to a file of api/spanish/.


def test_what_commands_print_and_raise_has_its_spanish() -> None:
    found = [one for one in sentences() if _is_english(one.text) and one.text not in SAME_IN_BOTH]

    missing = [f"{one.place}: {one.text}" for one in found if not _is_translated(one.text)]
    past = [f"{one.place}: use say()" for one in found if one.printed_by in ("echo", "secho")]

    assert len(found) > 200
    assert not missing + past, "\n".join(missing + past)


def test_each_change_of_rows_by_an_adoption_has_its_spanish() -> None:
    """Its sentence has the table and the number of rows filled in, so that `sentences` does not know it."""
    lines = [f"{one.table}: 7 {one.description}" for one in (*_SPELLINGS, *_MEANINGS)]

    assert [line for line in lines if translate(line) == line or "7" not in translate(line)] == []


def _is_english(sentence: str) -> bool:
    """At least two words besides values, so neither a code nor SQL that is filled in."""
    return len(re.findall(r"\b[a-z]{2,}\b", re.sub(r"‹\d+›", "", sentence))) > 1


def _is_translated(sentence: str) -> bool:
    """In other words, with the same values."""
    spanish = translate(sentence)
    return spanish != sentence and _values(spanish) == _values(sentence)


def _values(sentence: str) -> list[str]:
    return sorted(re.findall(r"‹\d+›", sentence))


def test_the_help_and_the_headings_have_their_spanish() -> None:
    missing = [text for text in [*_help_texts(get_command(app)), *headings()] if text not in SENTENCES]

    assert not missing, "\n".join(missing)


def _help_texts(command: Any) -> list[str]:
    texts = [command.help or "", *(parameter.help or "" for parameter in command.params)]
    below = [text for child in getattr(command, "commands", {}).values() for text in _help_texts(child)]
    return [*(" ".join(part.split()) for text in texts for part in text.split("\n\n") if part), *below]


def test_a_sentence_keeps_its_values_in_spanish() -> None:
    for english, spanish in SENTENCES.items():
        assert spanish
        assert len(re.findall(r"\{\d?(?::es)?\}", spanish)) == english.count("{}"), english


# The language


@pytest.mark.parametrize(
    ("variables", "language"),
    [
        ({}, "en"),
        ({"LANG": ""}, "en"),
        ({"LANG": "C"}, "en"),
        ({"LANG": "POSIX"}, "en"),
        ({"LANG": "C.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8"}, "en"),
        ({"LANG": "de_DE.UTF-8"}, "en"),
        ({"LANG": "est"}, "en"),
        ({"LANG": "es"}, "es"),
        ({"LANG": "es_CO.UTF-8"}, "es"),
        ({"LANG": "es_ES@euro"}, "es"),
        ({"LANG": "es_419"}, "es"),
        ({"LANG": "ES_MX"}, "es"),
        ({"LANG": "es_CO.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "es_CO.UTF-8"}, "es"),
        ({"LANG": "en_US.UTF-8", "LC_MESSAGES": "", "LC_ALL": "es_CO"}, "es"),
        ({"LANG": "es_CO.UTF-8", "LC_ALL": "C"}, "en"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "es_CO:en"}, "es"),
        ({"LANG": "en_US.UTF-8", "LANGUAGE": "fr:es"}, "es"),
        ({"LANG": "es_CO.UTF-8", "LANGUAGE": "en:es"}, "en"),
        ({"LANG": "es_CO.UTF-8", "LANGUAGE": "fr"}, "es"),
        ({"LANG": "C.UTF-8", "LANGUAGE": "es"}, "es"),
        ({"LANG": "C", "LANGUAGE": "es"}, "en"),
        ({"LC_ALL": "POSIX", "LANG": "es_CO", "LANGUAGE": "es"}, "en"),
        ({"LC_TIME": "es_CO"}, "en"),
    ],
    ids=str,
)
def test_the_language_is_that_of_gettext(variables: dict[str, str], language: str) -> None:
    assert terminal_language(variables) == language


# What is printed


async def test_the_help_is_spanish(spanish: None) -> None:
    for words in ([], ["keys"], ["tenants", "list"], ["keys", "show"]):
        done = await run_here(*words, "-h")

        assert (done.returncode, done.stderr) == (0, "")
        for expected in ("Uso: gatehouse", "OPCIONES", "Opciones", "Muestra este mensaje", "Ejemplos:"):
            assert expected in done.stdout
        for english in ("Usage", "Options", "Commands", "Arguments", "Show", "default", "required"):
            assert english not in done.stdout


WRONG_USAGE = {
    "keys isue": "No existe el comando 'isue'. ¿Quiso decir 'issue'?",
    "keys list --limt 3": "No existe la opción --limt (opciones posibles: --limit)",
    "keys show": "Falta el argumento 'CLAVE'.",
    "tenants suspend 1": "Falta la opción '--reason'.",
    "keys show a b": "Sobran argumentos (b)",
    "keys list --limit": "La opción '--limit' necesita un valor.",
    "keys list --json=3": "La opción '--json' no lleva valor.",
    "keys issue --count x": "Valor no válido para '--count': Debe ser un número entero",
    "keys issue --count 0": "Valor no válido para '--count': Debe ser mayor o igual que 1",
    "doctor --timeout x": "Valor no válido para '--timeout': Debe ser un número",
    "keys list --status x": "Valor no válido para '--status': 'x' no es una de las opciones: 'available',",
    "keys issue --csv a --json": "Valor no válido: no se pueden usar --csv y --json a la vez",
    "keys issue --expires ayer": "Valor no válido: 'ayer' no es un plazo o una fecha como 30d",
}


async def test_wrong_usage_is_explained_in_spanish(spanish: None) -> None:
    for words, expected in WRONG_USAGE.items():
        done = await run_here(*words.split())

        assert (done.returncode, done.stdout) == (2, "")
        assert expected in " ".join(done.stderr.replace("│", " ").split())
        assert "Error: " not in done.stderr
        assert ("Uso: " in done.stderr) == ("Para obtener ayuda: gatehouse " in done.stderr)


async def test_results_and_errors_are_spanish(database: asyncpg.Connection) -> None:
    key = await issue_key(database, notes="used")

    issued = type_in("operators", "add", "ana@example.com", **SPANISH)
    missing = type_in("keys", "show", "BETA-NADA", **SPANISH)
    invalid = type_in("operators", "add", "ana", **SPANISH)
    refused = type_in("tenants", "seats", "1", "--admins", "0", **SPANISH)
    away = type_in("keys", "list", DATABASE_URL="postgresql://x@127.0.0.1:1/x", **SPANISH)
    wrong = type_in("keys", "list", DATABASE_URL="mysql://x", **SPANISH)

    assert issued.stdout.startswith("operador ana@example.com agregado\ncontraseña: ")
    assert missing.stderr == "gatehouse: no existe la clave beta 'BETA-NADA'; vea: gatehouse keys list\n"
    assert invalid.stderr == f"gatehouse: email: {message('INVALID_EMAIL', 'es')}\n"
    assert refused.stderr == "gatehouse: no existe el negocio '1'; vea: gatehouse tenants list\n"
    assert away.stderr.startswith("gatehouse: no se puede conectar con la base de datos (")
    assert wrong.stderr.startswith("gatehouse: DATABASE_URL: valor no válido; debe ser como postgresql://")
    assert key in type_in("keys", "list", **SPANISH).stdout


async def test_what_programs_read_is_the_same_in_every_language(
    database: asyncpg.Connection, request: pytest.FixtureRequest
) -> None:
    """Headings and cells into a pipe, and JSON."""
    await issue_key(database, notes="used", batch="sent")
    await database.execute("UPDATE beta_keys SET \"sentAt\" = '2026-11-28 12:00Z'")
    commands = (["keys", "list"], ["keys", "stats"], ["tenants", "list"], ["keys", "list", "--json"])

    english = [await run_here(*words) for words in commands]
    request.getfixturevalue("spanish")

    assert [await run_here(*words) for words in commands] == english
    assert "Examples:" not in (await run_here("keys", "-h")).stdout


def test_values_are_printed_as_they_are(spanish: None, terminal: Terminal) -> None:
    """Also one that is a sentence by chance."""
    heading, key = terminal(
        print_keys,
        [
            key_row(
                notes="used", batch="sent", expiresAt=None, recipientEmail="x", usedBy={"businessName": "for"}
            )
        ],
        False,
    )

    assert heading.split() == ["clave", "estado", "lote", "para", "notas", "historia"]
    assert ("sent" in key, "used" in key, "usada por for" in key) == (True, True, True)


@pytest.mark.parametrize(
    ("typed", "is_yes"), [("s", True), ("Sí", True), ("y", True), ("n", False), ("", False)]
)
def test_a_question_is_answered_in_spanish(
    spanish: None, monkeypatch: pytest.MonkeyPatch, typed: str, is_yes: bool
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(f"{typed}\n"))
    with redirect_stderr(io.StringIO()) as output, nullcontext() if is_yes else pytest.raises(typer.Abort):
        confirm("Delete El Sol, tax id 900123456?")

    assert output.getvalue().startswith("¿Eliminar El Sol, NIT 900123456? [s/N]:")


async def test_what_verify_and_adopt_find_is_spanish(empty_database: str) -> None:
    connection = await asyncpg.connect(empty_database)
    await connection.execute(old("synced"))
    await connection.execute("UPDATE users SET \"isOwner\" = false; ALTER TYPE users_role_enum ADD VALUE 'X'")
    await connection.execute("UPDATE users SET role = 'X' WHERE email LIKE 'luis%'")
    await connection.close()

    verified = type_in("db", "verify", DATABASE_URL=empty_database, **SPANISH).stdout.splitlines()
    adopted = type_in("db", "adopt", "--dry-run", DATABASE_URL=empty_database, **SPANISH).stdout.splitlines()

    assert "-- falta la tabla sessions" in verified
    assert any(line.startswith("-- users.role es users_role_enum") for line in verified)
    assert verified[-1] == "-- si el sistema anterior creó estas tablas, ejecute: gatehouse db adopt"
    assert any(line.startswith("resuelva primero: usuarios con el rol desconocido X: ") for line in adopted)
    assert "    pasan a ser CASHIER (sugerido):" in adopted
    english = re.compile("is missing|should be|lacks|has the|becomes?|resolve first|they |the owner|run: ")
    # The descriptions of migrations are those of their files.
    lines = [line for line in verified + adopted if not line.startswith("aplicar ")]
    assert [line for line in lines if english.search(line)] == []
