"""The file of a dump: a zip archive, with the SHA-256 of all its bytes at the end.

    manifest.json        what the dump holds: `Manifest`
    before.sql           the statements that create the tables, without keys and indexes
    rows/SCHEMA/TABLE    the rows of a table, as COPY writes them
    after.sql            the statements that create keys, indexes, triggers and policies, and set sequences

So a person can restore it with `unzip` and `psql`, too.
"""

import hashlib
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import IO, Any, BinaryIO

import orjson

from api.command_error import CommandError

FORMAT = 1
"""A version of Gatehouse that changes the format raises the number, and refuses those that it cannot read."""

MANIFEST, BEFORE, AFTER = "manifest.json", "before.sql", "after.sql"

DIGEST_SIZE = 64
"""Bytes of the SHA-256 in hexadecimal digits. It is the comment of the archive, which ends the file."""

# Twice as large as with the default level, in a quarter of the time, in which the dump holds a snapshot.
LEVEL = 1

CHUNK = 1 << 20


@dataclass(frozen=True)
class TableRows:
    schema: str
    table: str
    columns: list[str]
    """The names of the columns in the rows, without generated ones."""
    rows: int

    @property
    def entry(self) -> str:
        return entry_of(self.schema, self.table)


@dataclass(frozen=True)
class Manifest:
    format: int
    created_at: str
    """The time of the snapshot by the clock of the database, in ISO 8601."""
    database: str
    postgresql: str
    schema: str
    """The schema of the application's tables."""
    migrations: list[str]
    """The ids of the migrations that are applied."""
    tables: list[TableRows]


def entry_of(schema: str, table: str) -> str:
    return f"rows/{schema}/{table}"


class DumpWriter:
    """Writes the entries of a dump, one after the other."""

    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive

    @contextmanager
    def entry(self, name: str) -> Iterator[IO[bytes]]:
        with self._archive.open(name, "w", force_zip64=True) as file:
            yield file

    def write_sql(self, name: str, statements: list[str]) -> None:
        with self.entry(name) as file:
            file.write("".join(f"{statement};\n" for statement in statements).encode())

    def write_manifest(self, manifest: Manifest) -> None:
        with self.entry(MANIFEST) as file:
            file.write(orjson.dumps(asdict(manifest), option=orjson.OPT_INDENT_2))


@contextmanager
def write_archive(file: BinaryIO) -> Iterator[DumpWriter]:
    """Write a dump to `file`. Only at the end of the block does it become a valid one."""
    hashed: Any = _HashedFile(file)
    with zipfile.ZipFile(hashed, "w", zipfile.ZIP_DEFLATED, compresslevel=LEVEL) as archive:
        archive.comment = _HashedFile.PLACE
        yield DumpWriter(archive)


class _HashedFile:
    """A file that replaces `PLACE` by the SHA-256 of what was written before. It cannot seek."""

    PLACE = b"-" * DIGEST_SIZE

    def __init__(self, file: BinaryIO) -> None:
        self._file = file
        self._hash = hashlib.sha256()
        self.flush = file.flush

    def write(self, data: bytes) -> int:
        if data == self.PLACE:
            data = self._hash.hexdigest().encode()
        self._hash.update(data)
        return self._file.write(data)


class DumpReader:
    """A dump whose file is complete and unchanged."""

    def __init__(self, archive: zipfile.ZipFile, manifest: Manifest) -> None:
        self._archive = archive
        self.manifest = manifest

    def read_sql(self, name: str) -> str:
        return self._archive.read(name).decode()

    def open_rows(self, table: TableRows) -> IO[bytes]:
        return self._archive.open(table.entry)


@contextmanager
def read_archive(file: BinaryIO) -> Iterator[DumpReader]:
    """Raises `CommandError` if `file` is no dump, is truncated or was changed, or is of a newer format."""
    if file.read(4) != b"PK\3\4":
        raise CommandError(f"{file.name} is not a file that gatehouse db dump wrote")
    _check_digest(file)
    with zipfile.ZipFile(file) as archive:
        content = orjson.loads(archive.read(MANIFEST))
        if content["format"] > FORMAT:
            raise CommandError(
                f"{file.name} was written by a newer version of Gatehouse; restore it with that version"
            )
        tables = [TableRows(**table) for table in content.pop("tables")]
        yield DumpReader(archive, Manifest(**content, tables=tables))


def _check_digest(file: BinaryIO) -> None:
    size = file.seek(0, 2)
    remaining = size - DIGEST_SIZE
    file.seek(0)
    digest = hashlib.sha256()
    while chunk := file.read(max(0, min(CHUNK, remaining))):
        digest.update(chunk)
        remaining -= len(chunk)
    if file.read() != digest.hexdigest().encode():
        raise CommandError(f"{file.name} is incomplete or was changed after the dump; use another dump")
