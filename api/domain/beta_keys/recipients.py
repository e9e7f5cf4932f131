"""The recipients of invitations in a file: one address a line, a list of a mail program, or CSV.

The whole file is read and judged before a mail is sent. What can be read in two ways is a problem: a key that
went to the wrong person admits a business that no operator has invited.
"""

import io
import re
from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType
from typing import BinaryIO, NamedTuple, TextIO

from api import typed_text
from api.domain.beta_keys.file_export import without_text_mark
from api.domain.beta_keys.headings import Column, column_of, names_address, names_inviter, plain
from api.domain.beta_keys.key_format import STORED, canonical
from api.domain.csv_files import BadLines, LineProblem, Row, decoded, open_rows, unmarked
from api.domain.email_addresses import user_email
from api.domain.errors import Problem
from api.domain.mailboxes import address_of, has_name, mailboxes

MAX_LIST = 1_000_000
"""Characters of a list of a mail program."""


class Recipient(NamedTuple):
    line: int
    typed: str
    """The address as the file has it."""
    address: str
    """The address as it is stored."""
    key: str | None = None
    """The key that the line pairs with the address."""


class RecipientFile(NamedTuple):
    recipients: list[Recipient]
    column: str | None
    """The heading of the column with the addresses, if the file has one."""
    without_address: int = 0
    """Lines that have a key and no address."""


def read_recipients(file: BinaryIO, column: str | None = None) -> RecipientFile:
    """The recipients in a seekable file. `column` is the heading of the column with the addresses.

    Raises `BadLines` with every line that is doubtful.
    """
    with decoded(file) as text:
        if column is None and (listed := _read_list(text)) is not None:
            return RecipientFile(listed, None)
        text.seek(0)
        return _Reader(text, column).read()


def _read_list(text: TextIO) -> list[Recipient] | None:
    """The recipients of a text that is nothing but mailboxes; None for another one, such as CSV.

    Several addresses in one of several lines may be those of one person, unless names stand beside them.
    """
    lines: list[tuple[int, list[re.Match[str]]]] = []
    for number, line in enumerate(io.StringIO(text.read(MAX_LIST), newline=None), 1):
        listed = mailboxes(line)
        if listed is None:
            return None
        if listed:
            lines.append((number, listed))
    if text.read(1) or not lines:
        return None
    is_list = len(lines) == 1 or all(has_name(mailbox) for _, listed in lines for mailbox in listed)
    problems: list[LineProblem] = []
    recipients: list[Recipient] = []
    for number, listed in lines:
        if len(listed) > 1 and not is_list:
            problems.append(LineProblem(number, "", "LINE.SEVERAL_ADDRESSES"))
            continue
        for typed in map(address_of, listed):
            try:
                recipients.append(Recipient(number, typed, user_email(typed)))
            except Problem as problem:
                problems.append(LineProblem(number, "", problem.code, problem.limits))
    _require_none(problems)
    return recipients


class _Reader:
    """Reads the recipients of a CSV file."""

    def __init__(self, text: TextIO, column: str | None) -> None:
        self._wanted = None if column is None else plain(column)
        rows = open_rows(text, self._count_known)
        self._rows = list(rows)
        self._problems = rows.problems
        self._heading: list[str] = []
        self._heading_line = 1

    def _count_known(self, cells: list[str]) -> int:
        return sum(self._is_heading(cell) or _is_address(cell) for cell in cells)

    def _is_heading(self, cell: str) -> bool:
        return names_address(cell) if self._wanted is None else plain(cell) == self._wanted

    def read(self) -> RecipientFile:
        self._take_heading()
        column = self._find_heading_of_addresses() if self._heading else self._find_column()
        if column is None:
            _require_none(self._problems)
            return RecipientFile([], None)
        key_column = self._find_key_column(column)
        doubtful = {problem.line for problem in self._problems}
        recipients: list[Recipient] = []
        without_address = 0
        for row in self._rows:
            key = _cell(row, key_column)
            if row.line in doubtful:
                continue
            if key and not _cell(row, column):
                without_address += 1
            elif (recipient := self._read_address(row, column)) is not None:
                recipients.append(recipient._replace(key=self._read_key(row, key_column, key)))
        self._find_repeated(recipients)
        _require_none(sorted(self._problems, key=lambda problem: problem.line))
        return RecipientFile(recipients, self._heading[column] if self._heading else None, without_address)

    def _take_heading(self) -> None:
        """Take the last heading before the first address; what is above it is a title."""
        before = 0
        while before < len(self._rows) and not any(map(_is_address, self._rows[before].cells)):
            before += 1
        headings = [i for i in range(before) if any(map(self._is_heading, self._rows[i].cells))]
        if headings:
            index = max(headings, key=lambda i: (any(map(_is_known, self._rows[i].cells)), i))
            self._heading = [" ".join(typed_text.clean(cell).split()) for cell in self._rows[index].cells]
            self._heading_line = self._rows[index].line
            self._require_titles(self._rows[:index])
            self._rows = self._rows[index + 1 :]
            return
        if self._wanted is not None and self._rows:
            self._report(1, "", "LINE.NO_SUCH_COLUMN")
            self._rows = []
        elif before and any(len(row.cells) > 1 for row in self._rows):
            self._report(self._rows[0].line, "", "LINE.NO_ADDRESS_HEADING")
            self._rows = []
        else:
            for row in self._rows[:before]:
                self._report(row.line, "", "LINE.NO_ADDRESS")
            self._rows = self._rows[before:]

    def _require_titles(self, rows: list[Row]) -> None:
        for row in rows:
            if any("@" in cell for cell in row.cells):
                self._report(row.line, "", "INVALID_EMAIL")

    def _find_heading_of_addresses(self) -> int | None:
        """The column of the recipients; None, with a problem, if the headings leave a doubt."""
        width = len(self._heading)
        for row in self._rows:
            # Such as a name with a comma that is not quoted, which moves the cells after it.
            if any(map(typed_text.clean, row.cells[width:])):
                self._report(row.line, "", "TOO_MANY_CELLS")
        if self._wanted is not None:
            named = [i for i, heading in enumerate(self._heading) if plain(heading) == self._wanted]
            return named[0] if len(named) == 1 else self._doubt(named)
        filled = [i for i in range(width) if any(_is_address(_cell(row, i)) for row in self._rows)]
        candidates = [i for i in filled if not names_inviter(self._heading[i])]
        if not candidates:
            # Every address is missing or wrong: each is reported with its line.
            candidates = [
                i for i, name in enumerate(self._heading) if names_address(name) and not names_inviter(name)
            ][:1]
        if len(candidates) == 1 and names_address(self._heading[candidates[0]]):
            return candidates[0]
        return self._doubt(candidates)

    def _doubt(self, columns: list[int]) -> None:
        line = self._heading_line
        if len(columns) > 1:
            for index in columns:
                self._report(line, self._heading[index] or str(index + 1), "LINE.SEVERAL_COLUMNS")
        else:
            self._report(line, "", "LINE.NO_ADDRESS_HEADING")

    def _find_column(self) -> int | None:
        """The column of the addresses of a file without a heading: the only one in every line."""
        columns = [[i for i, cell in enumerate(row.cells) if _is_address(cell)] for row in self._rows]
        common = Counter(found[0] for found in columns if len(found) == 1).most_common(1)
        column = common[0][0] if common else None
        for row, found in zip(self._rows, columns, strict=True):
            if len(found) > 1:
                self._report(row.line, "", "LINE.SEVERAL_ADDRESSES")
            elif found and found != [column]:
                self._report(row.line, "", "LINE.ADDRESS_ELSEWHERE")
            elif not found and column is None:
                self._report(row.line, "", "INVALID_EMAIL")
        return column

    def _find_key_column(self, address_column: int) -> int | None:
        """The column of the keys that the file pairs with its addresses."""
        keys = {
            index
            for row in self._rows
            for index, cell in enumerate(row.cells)
            if index != address_column and STORED.fullmatch(typed_text.fold(_unmarked(cell)).upper())
        }
        keys |= {i for i, name in enumerate(self._heading) if plain(name) in _KEY_HEADINGS}
        if len(keys) > 1:
            self._doubt(sorted(keys))
        return min(keys, default=None)

    def _read_address(self, row: Row, column: int) -> Recipient | None:
        """The recipient of a row; None, with a problem, if there is a doubt."""
        heading = self._heading[column] if self._heading else ""
        cell = _cell(row, column)
        listed = mailboxes(cell)
        if self._heading and self._is_heading(cell) and plain(cell) == plain(heading):
            return self._report(row.line, "", "LINE.REPEATED_HEADING")
        if listed is not None and len(listed) > 1:
            return self._report(row.line, heading, "LINE.SEVERAL_ADDRESSES")
        typed = address_of(listed[0]) if listed else cell
        try:
            return Recipient(row.line, typed, user_email(typed))
        except Problem as problem:
            return self._report(row.line, heading, problem.code, problem.limits)

    def _read_key(self, row: Row, column: int | None, cell: str) -> str | None:
        if column is None:
            return None
        key = canonical(cell) if cell else None
        if key is None:
            heading = self._heading[column] if self._heading else ""
            self._report(row.line, heading, "INVALID_KEY" if cell else "REQUIRED")
        return key

    def _find_repeated(self, recipients: list[Recipient]) -> None:
        """Of two lines that pair one address or one key twice, one is wrong."""
        keys: dict[str, int] = {}
        addresses: dict[str, int] = {}
        for line, _, address, key in recipients:
            if key is None:
                continue
            first = min(keys.setdefault(key, line), addresses.setdefault(address.lower(), line))
            if first != line:
                self._report(line, "", "LINE.REPEATED_PAIR", {"line": first})

    def _report(
        self, line: int, column: str, code: str, limits: Mapping[str, int] = MappingProxyType({})
    ) -> None:
        self._problems.append(LineProblem(line, column, code, limits))


_KEY_HEADINGS = {"key", "beta key", "clave", "clave beta", "llave beta"}


def _is_known(heading: str) -> bool:
    return column_of(heading) is Column.RECIPIENT_EMAIL


def _require_none(problems: list[LineProblem]) -> None:
    if problems:
        raise BadLines(problems, len(problems))


def _cell(row: Row, column: int | None) -> str:
    """A cell without the marks of spreadsheets; blank if the row is too short."""
    return _unmarked(row.cells[column]) if column is not None and column < len(row.cells) else ""


def _unmarked(cell: str) -> str:
    return typed_text.clean(without_text_mark(unmarked(cell.strip())))


def _is_address(cell: str) -> bool:
    """Whether a cell holds nothing but addresses, valid or not."""
    return "@" in cell and bool(mailboxes(_unmarked(cell)))
