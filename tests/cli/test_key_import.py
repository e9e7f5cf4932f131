"""Importing beta keys from files of other systems, spreadsheets and `gatehouse keys export`."""

from pathlib import Path

import asyncpg
import orjson
import pytest

from api.domain.beta_keys.file_import import MAX_PROBLEMS
from tests.cli.commands import failure, printed, type_in
from tests.commands import Ended
from tests.support import Api, free_port, issue_key, one_row, registration

pytestmark = pytest.mark.anyio


async def count(database: asyncpg.Connection) -> int:
    return (await one_row(database, "SELECT count(*) FROM beta_keys"))["count"]


def take_over(file: Path, text: str | bytes) -> Ended:
    file.write_bytes(text.encode() if isinstance(text, str) else text)
    return type_in("keys", "import", str(file))


@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
async def test_imported_keys_admit_a_business(
    api: Api, database: asyncpg.Connection, tmp_path: Path, delimiter: str, newline: str
) -> None:
    lines = [
        "\ufeffkey,batch,notes,expiresAt,recipientEmail",
        'old-1,x,"a",2099-01-31,',
        "beta abcde fghjk,x,,,ana@example.com",
        "",
        "ZZ TOP,,,2099-01-31T12:00-05:00",
    ]
    text = newline.join(lines).replace(",", delimiter)

    done = take_over(tmp_path / "keys.csv", text)

    assert (done.stdout, done.stderr, done.returncode) == ("3 keys imported\n", "", 0)
    for typed in ("old-1", "BETA-ABCDE-FGHJK", "zz top"):
        assert (await api.validate(typed))["valid"], typed
    ours = await one_row(database, "SELECT * FROM beta_keys WHERE key = 'BETA-ABCDE-FGHJK'")
    assert (ours["batch"], ours["notes"], ours["recipientEmail"]) == ("x", None, "ana@example.com")
    ends = await database.fetch(
        'SELECT "expiresAt"::text FROM beta_keys WHERE "expiresAt" IS NOT NULL ORDER BY 1'
    )
    assert [row[0][:16] for row in ends] == ["2099-01-31 17:00", "2099-02-01 04:59"]
    event = await one_row(database, "SELECT * FROM audit_events")
    assert (event["action"], orjson.loads(event["detail"])) == (
        "beta_key.imported",
        {"count": 3, "file": "keys.csv"},
    )


OLD_SYSTEM = """Clave Beta,Estado,Usado por,Fecha de uso,Notas
"BETA-ABCDE-FGHJK","Disponible","-","-","Feria de Bogotá, «niños» €"
"BETA-ABCDE-FGHJM","Usado","El Sol","29/11/2026","-"
"BETA-ABCDE-FGHJN","Disponible","-","-","-"
"""


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16", "utf-16-le", "utf-16-be"])
async def test_the_list_of_the_old_system_is_imported_without_its_used_keys(
    database: asyncpg.Connection, tmp_path: Path, encoding: str
) -> None:
    """As its page saved it, or as Excel saved that again."""
    done = take_over(tmp_path / "keys.csv", OLD_SYSTEM.encode(encoding))

    assert (done.returncode, done.stdout) == (0, "2 keys imported\n")
    assert done.stderr == "not imported, because they are used: line 3\n"
    stored = await database.fetch("SELECT key, notes FROM beta_keys ORDER BY key")
    assert [tuple(row) for row in stored] == [
        ("BETA-ABCDE-FGHJK", "Feria de Bogotá, «niños» €"),
        ("BETA-ABCDE-FGHJN", None),
    ]


@pytest.mark.parametrize(
    "text",
    [
        "CLAVE BETA;NOTAS;LOTE;VENCIMIENTO;CORREO ELECTRÓNICO\nold-1;a;x;2099-01-31;ana@example.com\n",
        "Beta key\tNotes\tBatch\tExpires on\tE-mail\r\nold-1\ta\tx\t2099-01-31\tana@example.com\r\n",
        "sep=;\r\nClave (obligatoria);Observación;Grupo;Válida hasta;Correo\r\n"
        "old-1;a;x;2099-01-31;ana@example.com",
        '\n\nkey,note,batch,expiry date,recipient,,\n="old-1",a,x,="2099-01-31",ana@example.com,,\n',
        "clave_beta|comentarios|tanda|vence|destinatario\r'old-1|a|x|2099-01-31|ana@example.com\r",
        "keys,NOTES,batch,EXPIRESAT,recipientEmail,Status,id\nold-1,a,x,2099-01-31,ana@example.com,AVAILABLE,7\n",
    ],
    ids=["Spanish", "tabs", "Excel", "blank lines", "old Mac", "status"],
)
async def test_headings_in_two_languages_name_the_columns(
    database: asyncpg.Connection, tmp_path: Path, text: str
) -> None:
    done = take_over(tmp_path / "keys.csv", text)

    assert (done.returncode, done.stdout) == (0, "1 keys imported\n"), done.stderr
    assert done.stderr == ("columns that were not imported: id\n" if "Status" in text else "")
    row = await one_row(
        database, 'SELECT key, notes, batch, "expiresAt"::date::text, "recipientEmail" FROM beta_keys'
    )
    assert tuple(row) == ("old-1", "a", "x", "2099-02-01", "ana@example.com")


async def test_a_heading_alone_has_nothing_to_import(database: asyncpg.Connection, tmp_path: Path) -> None:
    for text in ("key,notes\n", "Clave,Estado\nold-1,usada\n"):
        done = take_over(tmp_path / "keys.csv", text)

        assert (done.returncode, done.stdout[:29]) == (0, "there was nothing to import: ")
    assert await count(database) == 0
    assert await database.fetch("SELECT FROM audit_events") == []


async def test_exported_keys_are_imported_as_they_were(
    api: Api, database: asyncpg.Connection, tmp_path: Path
) -> None:
    """Another database gets the available keys; used ones would admit a second business."""
    await api.register(registration(await issue_key(database, notes="used")))
    for number, notes in enumerate(["=1+1", "Tienda;=cmd|'/C calc'!A0;", 'a "b", c', "'quoted'", None]):
        await database.execute(
            """INSERT INTO beta_keys (key, notes, batch, "expiresAt", "recipientEmail", "sentAt", "createdAt",
            "updatedAt") VALUES ($1, $2, '@x', '2099-01-31T12:00Z', 'a@example.com', now(), now(), now())""",
            f"'{number}" if number else "-1",
            notes,
        )
    file = tmp_path / "keys.csv"
    printed("keys", "export", "--output", str(file))
    columns = 'SELECT key, notes, batch, "expiresAt", "recipientEmail", "sentAt" FROM beta_keys'
    before = await database.fetch(f"{columns} WHERE batch = '@x' ORDER BY key")
    await database.execute("DELETE FROM beta_keys")

    done = type_in("keys", "import", str(file))

    assert (done.returncode, done.stdout) == (0, "5 keys imported\n"), done.stderr
    assert await database.fetch(f"{columns} ORDER BY key") == before


async def test_each_invalid_line_is_reported_with_its_number_and_no_key_is_imported(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    text = """key,notes,expiresAt,recipientEmail
good-1,,,
,no key,,
way-too-long-to-be-a-key,,,
bad-mail,,,ana
"two
lines","fine",,
past,,2001-01-01,
when,,soon,
nul\x00,,,
more,,,,cells
end of days,,9999-12-31T23:59:59-14:00,
"""
    done = take_over(tmp_path / "keys.csv", text)

    assert done.returncode == 1
    *problems, last = done.stderr.splitlines()
    assert [line.partition(": ")[0] for line in problems] == [
        "line 3, key",
        "line 4, key",
        "line 5, recipientEmail",
        "line 6, key",
        "line 8, expiresAt",
        "line 9, expiresAt",
        "line 10, key",
        "line 11, recipientEmail",
        "line 12, expiresAt",
    ]
    assert last.startswith("gatehouse: nothing was imported: 9 problems")
    assert await count(database) == 0


async def test_duplicate_keys_are_reported_with_their_lines(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    """Duplicates of keys in the database, or of earlier lines of the file."""
    await issue_key(database, key="BETA-ABCDE-FGHJK")
    text = "key\nnew-1\nbeta-abcde-fghjk\nnew-2\nnew-1\n"

    done = take_over(tmp_path / "keys.csv", text)

    assert [line.partition(": ")[0] for line in done.stderr.splitlines()[:-1]] == [
        "line 3, key",
        "line 5, key",
    ]
    assert await count(database) == 1


async def test_all_errors_are_reported_at_once(database: asyncpg.Connection, tmp_path: Path) -> None:
    await issue_key(database, key="BETA-ABCDE-FGHJK")
    text = "key,recipientEmail\nBETA-ABCDE-FGHJK,\nnew-1,ana\nnew-2,\nnew-2,\n"

    done = take_over(tmp_path / "keys.csv", text)

    assert done.stderr.splitlines()[:-1] == [
        "line 2, key: This key already exists.",
        "line 3, recipientEmail: This is not a valid email address.",
        "line 5, key: This key is also in line 4.",
    ]
    assert "3 problems" in done.stderr


async def test_a_file_of_issued_keys_can_be_imported(database: asyncpg.Connection, tmp_path: Path) -> None:
    """Such as in another database. Notes that were escaped for spreadsheets are restored."""
    file = tmp_path / "keys.csv"
    printed("keys", "issue", "--count", "3", "--notes", "=1+1", "--expires", "30d", "--csv", str(file))
    issued = 'SELECT key, notes, batch, "expiresAt" FROM beta_keys ORDER BY key'
    before = await database.fetch(issued)
    await database.execute("DELETE FROM beta_keys")

    assert printed("keys", "import", str(file)) == "3 keys imported\n"

    assert await database.fetch(issued) == before
    assert before[0]["notes"] == "=1+1"


async def test_of_very_many_errors_the_first_are_reported(
    database: asyncpg.Connection, tmp_path: Path
) -> None:
    done = take_over(tmp_path / "keys.csv", "key,notes\n" + ",x\n" * (MAX_PROBLEMS + 50))

    assert len(done.stderr.splitlines()) == MAX_PROBLEMS + 1
    assert f"{MAX_PROBLEMS + 50} problems" in done.stderr


@pytest.mark.parametrize(
    ("content", "error"),
    [
        (b"", "line 1, key"),
        (b"PK\x03\x04 a workbook", "export it as CSV"),
        ("Clave,Notas\nold-1,Panader\u00eda\n".encode("cp850"), "line 2: This text is not in UTF-8"),
        (b"key,Clave Beta\nx,y\n", "line 1, Clave Beta: Another column means the same."),
        (b'"Clave","Notas"\n"old-1","a "quoted" word"\n', "line 2, Notas: The quotation marks"),
        (b"key,notes\nold-1,a\nkey,notes\n", "line 3: The heading is here again"),
        (b"key,notes\nold-1,a\nTotal: 1,\n", "line 3, key: This is a total"),
        (b"key,notes,,\nold-1,a,,lost\n", "line 2, "),
        (b"Clave,Estado\nold-1,perdida\n", "line 2, Estado: Use a status"),
        (b"Clave,Estado,Usado por\nold-1,Disponible,El Sol\n", "line 2, Estado: The key is available here"),
        (b"schluessel\nx\n", "line 1, schluessel"),
        (b"key,key\nx,y\n", "line 1, key"),
        (b"key\n\xff\xfe\n", "not in UTF-8"),
        (b"key,notes\na,b\nc," + b"x" * 1_000_000, "line 3, notes"),
        (b'key,notes\na,b\nc,"' + b"\n" * 1_000_000, "line 3, notes"),
        (b"x" * 1_000_000, "line 1, xxx"),
    ],
    ids=[
        "empty",
        "workbook",
        "DOS",
        "same meaning",
        "quotes",
        "heading twice",
        "total",
        "no heading",
        "status",
        "contradiction",
        "unknown column",
        "twice",
        "not UTF-8",
        "endless line",
        "endless cell",
        "no lines",
    ],
)
async def test_a_file_of_another_format_is_refused(
    database: asyncpg.Connection, tmp_path: Path, content: bytes, error: str
) -> None:
    done = take_over(tmp_path / "keys.csv", content)

    assert done.returncode == 1
    assert error in done.stderr


async def test_a_missing_file_is_reported_in_one_line(database: asyncpg.Connection) -> None:
    assert "cannot be read" in failure("keys", "import", "none.csv")


async def test_an_unavailable_database_is_not_reported_as_an_error_of_the_file(tmp_path: Path) -> None:
    file = tmp_path / "keys.csv"
    file.write_text("key\nnew-1\n")

    output = failure("keys", "import", str(file), DATABASE_URL=f"postgresql://x@127.0.0.1:{free_port()}/x")

    assert "database" in output
    assert "keys.csv" not in output
