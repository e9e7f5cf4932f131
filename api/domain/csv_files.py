"""Reading CSV files as spreadsheets, mail programs and scripts write them: encoding, delimiter and lines."""

import codecs
import csv
import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import islice
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, TextIO

from api import typed_text

MAX_LINE_LENGTH = 100_000
"""Characters. Without a limit, a file without line breaks would be read into memory as one line."""

DELIMITERS = ",;\t|"

CHUNK = 1_000_000
"""Bytes that are decoded at once."""


class LineProblem(NamedTuple):
    """`code` is that of a message, and `limits` its values. Without a column, it is about the whole line."""

    line: int
    column: str
    code: str
    limits: Mapping[str, int | str] = MappingProxyType({})


class BadLines(Exception):
    """The file has `count` problems; `problems` are the first of them."""

    def __init__(self, problems: list[LineProblem], count: int) -> None:
        super().__init__(count)
        self.problems = problems
        self.count = count


class Row(NamedTuple):
    line: int
    """The number of its first line; cells can contain line breaks."""
    cells: list[str]


@contextmanager
def decoded(file: BinaryIO) -> Iterator[TextIO]:
    """The text of a seekable file, which stays open.

    Raises `BadLines` for a workbook, and for a file that is in none of UTF-8, UTF-16 and Windows-1252, the
    encodings of spreadsheets.
    """
    start = file.read(4096)
    if start.startswith(_WORKBOOKS):
        raise _bad_line(1, "LINE.NOT_CSV")
    encoding = _marked_encoding(start) or _wide_encoding(start)
    if encoding is None:
        encoding = _narrow_encoding(file)
    else:
        _require_text(file, encoding)
    file.seek(0)
    text = io.TextIOWrapper(file, encoding=encoding, newline="")
    try:
        yield text
    finally:
        # A wrapper that is deleted closes the file, and warns.
        text.detach()


# The first bytes of .xlsx, .ods and other archives, of .xls, and of PDF.
_WORKBOOKS = (b"PK\x03\x04", b"\xd0\xcf\x11\xe0", b"%PDF")

# UTF-32 first, because its mark starts with that of UTF-16.
_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def _marked_encoding(start: bytes) -> str | None:
    return next((encoding for mark, encoding in _MARKS if start.startswith(mark)), None)


def _wide_encoding(start: bytes) -> str | None:
    """UTF-16 without a mark: in a text of mostly ASCII, every second byte is NUL."""
    even, odd = start[::2].count(0), start[1::2].count(0)
    enough = len(start) // 4
    if odd > max(enough, even):
        return "utf-16-le" if even == 0 else None
    return "utf-16-be" if even > enough and odd == 0 else None


def _narrow_encoding(file: BinaryIO) -> str:
    """UTF-8, or Windows-1252, in which Excel saves CSV unless it is asked for UTF-8."""
    try:
        _require_text(file, "utf-8")
    except BadLines:
        _require_text(file, "cp1252", _DOUBTFUL)
        return "cp1252"
    return "utf-8"


# Windows-1252 gives nearly every byte a meaning, so a text in another encoding decodes as well, but with
# signs for the letters that have accents in DOS, such as U+00A1 for an i, or on old Macs, such as U+2019.
_DOUBTFUL = re.compile(
    "[\x80-\x9f\u201a\u0192\u201e\u2020\u2021\u02c6\u2030\u2039\u203a\u0152\u0153\u0160\u0161\u017d\u017e\u0178]"
    "|[\xa2-\xa6\xa8\xac\xaf\xb1-\xb3\xb5\xb6\xb8\xb9\xbc-\xbe\xd0\xd7\xdd\xde\xf0\xf7\xfd-\xff]"
    "|[^\\W\\d_][\xa1\xbf\u201c\u2013\u2014][^\\W\\d_]"
    "|[a-z]\u2019(?!s\\b)[a-z]"
)


def _require_text(file: BinaryIO, encoding: str, doubtful: re.Pattern[str] | None = None) -> None:
    """Raises `BadLines` with the first line that is not in the encoding, or has a `doubtful` text."""
    file.seek(0)
    decoder = codecs.getincrementaldecoder(encoding)()
    line = 1
    at_end = False
    while not at_end:
        chunk = file.read(CHUNK)
        at_end = not chunk
        try:
            text = decoder.decode(chunk, at_end)
        except UnicodeDecodeError as error:
            before = error.object[: error.start].decode("latin-1")
            raise _bad_line(line + _line_ends(before), "LINE.NOT_UTF_8") from None
        if doubtful is not None and (found := doubtful.search(text)):
            raise _bad_line(line + _line_ends(text[: found.start()]), "LINE.NOT_UTF_8")
        line += _line_ends(text)


def _line_ends(text: str) -> int:
    return text.count("\n") or text.count("\r")


def _bad_line(line: int, code: str) -> BadLines:
    return BadLines([LineProblem(line, "", code)], 1)


def open_rows(text: TextIO, count_known: Callable[[list[str]], int]) -> "Rows":
    """The rows of a seekable text.

    Its delimiter is that of Excel's line `sep=;`, or the one with which the first rows make most sense:
    `count_known` counts the cells of a row that are known headings or addresses.
    """
    first, sample = 1, _read_sample(text)
    while sample and not typed_text.clean(sample[0]):
        first, sample = first + 1, sample[1:]
    if sample and (declared := _DECLARATION.fullmatch(sample[0])):
        first, delimiter = first + 1, declared[1]
    else:
        delimiter = _likely_delimiter(sample, count_known)
    text.seek(0)
    return Rows(islice(_pieces(text), first - 1, None), delimiter, first)


_DECLARATION = re.compile(r'\ufeff?"?sep=([^\w\n\r" ])"?\s*', re.IGNORECASE)


def _read_sample(text: TextIO) -> list[str]:
    return list(islice(_pieces(text), 50))


def _pieces(text: TextIO) -> Iterator[str]:
    return iter(partial(text.readline, MAX_LINE_LENGTH), "")


def _likely_delimiter(sample: list[str], count_known: Callable[[list[str]], int]) -> str:
    def score(delimiter: str) -> tuple[int, int]:
        reader = csv.reader(sample, delimiter=delimiter)
        try:
            rows = list(islice(reader, 20))
        except csv.Error:
            return (0, 0)
        return (sum(map(count_known, rows)), len(rows[0]) if rows else 0)

    # Of equally good ones, `max` takes the first.
    return max(DELIMITERS, key=score)


class Rows:
    """The rows of a CSV file that are not blank. Iterated once."""

    def __init__(self, pieces: Iterable[str], delimiter: str, first_line: int) -> None:
        self.problems: list[LineProblem] = []
        """Of the lines that are not CSV; complete after the iteration."""
        # Strict, because a quotation mark that is missing moves all cells after it.
        self._reader = csv.reader(pieces, delimiter=delimiter, strict=True)
        self._first_line = first_line

    def __iter__(self) -> Iterator[Row]:
        while True:
            line = self._first_line + self._reader.line_num
            try:
                cells = next(self._reader)
            except StopIteration:
                return
            except csv.Error as error:
                self.problems.append(LineProblem(line, "", "LINE.UNBALANCED_QUOTES"))
                if "field limit" in str(error):
                    # A quotation mark that is never closed makes the rest of the file one cell.
                    return
                continue
            if any(map(typed_text.clean, cells)):
                yield Row(line, cells)


def unmarked(cell: str) -> str:
    """The cell without the marks by which Excel takes a number for a text: `="0123"`."""
    marked = _FORMULA_OF_TEXT.fullmatch(cell.strip())
    return marked[1].replace('""', '"') if marked else cell


_FORMULA_OF_TEXT = re.compile(r'="((?:[^"]|"")*)"')
