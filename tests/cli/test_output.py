"""What commands print: in a terminal, into a pipe, and where only ASCII can be shown."""

import json
import os
import subprocess
from importlib.metadata import version as installed

import asyncpg
import pytest
from rich.cells import cell_len

from api.cli.keys.output import print_keys
from api.cli.terminal import print_table
from tests.cli.commands import type_in
from tests.cli.conftest import LONG, TIME, Terminal, key_row
from tests.support import GATEHOUSE, hire, issue_key

pytestmark = pytest.mark.anyio


def test_a_key_is_one_line_of_80_columns(terminal: Terminal) -> None:
    _, first, second = terminal(print_keys, [key_row(), key_row(key="BETA-BBBBB-BBBBB")], False)

    assert first.startswith("BETA-AAAAA-AAAAA  AVAILABLE  ")
    assert second.startswith("BETA-BBBBB-BBBBB  AVAILABLE  ")
    assert max(map(cell_len, (first, second))) <= 80
    assert "…" in first


def test_a_tenant_is_at_most_two_lines_of_80_columns(terminal: Terminal) -> None:
    rows = [
        (f"90010000{number}", LONG, f"{'a' * 60}@b.co", "admin 1/1, manager 0/1", TIME, LONG)
        for number in range(3)
    ]

    headings = ("tax id", "name", "owner", "seats", "registered", "history")

    lines = terminal(print_table, headings, rows, 2)

    assert len(lines) == 7
    assert max(map(cell_len, lines)) <= 80


WIDE = {
    "Chinese": "東京のパン屋さん",
    "full width": "ＰＡＮ",
    "emoji": "🎉🥐",
    "a family of joined emoji": "👩\u200d👩\u200d👧\u200d👦",
    "a flag": "🇨🇴",
    "a skin tone": "👍🏽",
    "a variation selector": "☕\ufe0f",
    "a combining tilde": "Pen\u0303a",
    "Devanagari": "क्षि",
    "Thai": "ร้าน",
    "Hangul in parts": "\u1112\u1161\u11ab",
    "a zero width space": "a\u200bb",
    "Arabic": "مخبز",
}


@pytest.mark.parametrize("text", WIDE.values(), ids=WIDE)
def test_columns_are_aligned_whatever_the_width_of_their_characters(terminal: Terminal, text: str) -> None:
    """Text that fits, and text that is cut or wrapped."""
    for times in (1, 70):
        rows = [("BETA-AAAAA-AAAAA", "AVAILABLE", text * times, "end"), ("B", "USED", "plain", "end")]
        for lines in (1, None):
            printed = terminal(print_table, ("key", "status", "notes", "history"), rows, lines)
            ends = [line for line in printed if line.endswith(("  end", "  history"))]

            assert max(map(cell_len, printed)) <= 80
            assert len({cell_len(line.removesuffix("history").removesuffix("end")) for line in ends}) == 1
            assert (len(ends), lines is None or len(printed) == 3) == (3, True)


@pytest.mark.parametrize("text", WIDE.values(), ids=WIDE)
def test_into_a_pipe_wide_text_is_whole(capsys: pytest.CaptureFixture[str], text: str) -> None:
    print_table(("key", "notes"), [("B", text * 70)], 1)

    assert capsys.readouterr().out == f"key\tnotes\nB\t{text * 70}\n"


@pytest.mark.parametrize("mark", ["\u202e", "\u202a", "\u2067", "\u200f", "\u061c"], ids=ascii)
def test_marks_of_direction_do_not_turn_a_line_around(terminal: Terminal, mark: str) -> None:
    _, line = terminal(print_table, ("key", "notes"), [("BETA", f"a{mark}b")], 1)

    assert line == "BETA  ab"


def test_one_record_is_shown_whole(terminal: Terminal) -> None:
    lines = terminal(print_table, ("id", "name"), [("1", "x" * 300)])

    assert "".join(lines).count("x") == 300


async def test_into_a_pipe_listings_are_tab_separated(database: asyncpg.Connection) -> None:
    await issue_key(database, key="BETA-AAAAA-AAAAA", notes=f"a\tb\nc {LONG}", batch="feria")
    await hire(database, None, "SUPER_ADMIN", email="ana@example.com")

    keys = type_in("keys", "list", COLUMNS="80").stdout.splitlines()
    operators = type_in("operators", "list").stdout.splitlines()
    stats = type_in("keys", "stats").stdout.splitlines()

    assert keys[0].split("\t") == ["key", "status", "batch", "for", "expires", "notes", "history"]
    cells = ["BETA-AAAAA-AAAAA", "AVAILABLE", "feria", "", "", f"a b c {LONG.strip()}", ""]
    assert [line.split("\t") for line in keys[1:]] == [cells]
    assert [line.split("\t")[0] for line in operators] == ["email", "ana@example.com"]
    assert [line.count("\t") for line in stats] == [stats[0].count("\t")] * 2


@pytest.mark.parametrize("encoding", [{"PYTHONIOENCODING": "ascii"}, {"LC_ALL": "C"}], ids=str)
async def test_where_only_ascii_can_be_shown_nothing_fails(
    database: asyncpg.Connection, encoding: dict[str, str]
) -> None:
    await issue_key(database, key="BETA-AAAAA-AAAAA", notes="Peña 東京 🎉")

    for command in (["keys", "list"], ["keys", "list", "--json"], ["keys", "show", "ñandú"], ["--help"]):
        done = type_in(*command, **encoding)

        assert "Traceback" not in done.stderr
        assert done.returncode == (1 if "show" in command else 0), done.stderr
    (key,) = json.loads(type_in("keys", "list", "--json", **encoding).stdout)
    assert key["notes"] == "Peña 東京 🎉"


def test_the_version_and_the_short_option_for_help() -> None:
    version = type_in("--version")
    helps = [type_in(*words, "-h") for words in ([], ["keys"], ["keys", "issue"])]

    assert (version.returncode, version.stdout) == (0, f"gatehouse {installed('gatehouse')}\n")
    assert [(done.returncode, "Usage: " in done.stdout) for done in helps] == [(0, True)] * 3
    assert "registration of a closed beta" in helps[0].stdout


def test_a_shell_completes_commands() -> None:
    """The script of `--install-completion` calls the program with these variables."""
    words = {"_GATEHOUSE_COMPLETE": "complete_bash", "COMP_WORDS": "gatehouse keys i", "COMP_CWORD": "2"}
    done = subprocess.run([GATEHOUSE], env=os.environ | words, capture_output=True, text=True, check=True)

    assert set(done.stdout.split()) == {"invite", "issue", "import"}
