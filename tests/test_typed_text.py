"""The cleaner of typed text, over all characters of each kind."""

import unicodedata
from collections import defaultdict
from datetime import UTC, datetime
from uuid import UUID

import pytest
from strawberry import ID

from api import typed_text
from api.domain.pagination import Position
from api.schema.inputs import uuid_of
from api.schema.pagination import read_cursor, write_cursor

# Without the surrogates, and the planes that Unicode has not assigned or leaves to private use.
ALL = [
    chr(code) for codes in (range(0xD800), range(0xE000, 0x40000), range(0xE0000, 0xF0000)) for code in codes
]

OF_CATEGORY: dict[str, list[str]] = defaultdict(list)
for character in ALL:
    OF_CATEGORY[unicodedata.category(character)].append(character)

FORMATS = [
    character
    for character in OF_CATEGORY["Cf"]
    # The others are visible: marks before the numbers of Arabic and of Kaithi, and those of hieroglyphs.
    if not 0x600 <= ord(character) <= 0x605
    and ord(character) not in (0x6DD, 0x70F, 0x890, 0x891, 0x8E2, 0x110BD, 0x110CD)
    and not 0x13430 <= ord(character) <= 0x1343F
    and not 0xFFF9 <= ord(character) <= 0xFFFB
]

FILLERS = [
    "\u3164",
    "\u1160",
    "\u115f",
    "\uffa0",
    "\u034f",
    "\u17b4",
    "\u17b5",
    "\u180b",
    "\ufe0f",
    "\U000e0100",
]

DASHES = OF_CATEGORY["Pd"]

MINUS_SIGNS = ["\u2212", "\u207b", "\u208b", "\u2796", "\ufe63", "\uff0d", "\u02d7", "\u30fc"]

DIGITS = {character: unicodedata.decimal(character) for character in OF_CATEGORY["Nd"]}


def test_each_invisible_format_character_is_dropped() -> None:
    assert len(FORMATS) > 130
    assert all(typed_text.clean(f"{one}An{one}a{one}") == "Ana" for one in FORMATS)
    assert all(typed_text.fold(f"{one}BE{one}TA{one}") == "BETA" for one in FORMATS)


@pytest.mark.parametrize("word", ["می\u200cخواهم", "न\u094d\u200dन", "ශ්\u200dරී", "ব্\u200dয"], ids=ascii)
def test_a_joiner_stays_inside_a_word_that_needs_it(word: str) -> None:
    assert typed_text.clean(f"\u200d{word}\u200c") == word
    assert typed_text.clean("Jo\u200dsé") == "José"


def test_each_dash_and_minus_sign_counts_as_one() -> None:
    assert len(DASHES) > 20
    assert {typed_text.fold(f"A{dash}B") for dash in DASHES + MINUS_SIGNS} == {"A-B"}
    assert {typed_text.compact(f"12{dash}3 4") for dash in DASHES + MINUS_SIGNS} == {"1234"}


def test_digits_of_every_script_count_by_their_value() -> None:
    assert len(DIGITS) > 600
    assert all(typed_text.fold(f"9{digit}") == f"9{value}" for digit, value in DIGITS.items())


def test_letters_of_another_width_or_style_are_folded() -> None:
    for spelled in ("ＢＥＴＡ", "𝐁𝐄𝐓𝐀", "𝔅𝔈𝔗𝔄", "Ⓑⓔⓣⓐ", "𝙱𝙴𝚃𝙰"):
        assert typed_text.fold(spelled).upper() == "BETA"


def test_each_filler_is_found_and_is_not_readable() -> None:
    assert all(typed_text.has_filler(f"a{filler}") for filler in FILLERS)
    assert not any(typed_text.is_readable(f"a{filler}") for filler in FILLERS)


def test_an_id_and_a_cursor_are_read_with_what_was_pasted_around_them() -> None:
    one = UUID("0e0b5c1e-3c0a-4d3f-9a44-1f2a3b4c5d6e")
    for typed in (f" {one}\n", f"\ufeff{one}\u00a0", str(one).upper(), str(one).replace("-", "\u2011")):
        assert typed_text.read_uuid(typed) == uuid_of(ID(typed)) == one, ascii(typed)
    assert typed_text.read_uuid(f"{one} {one}") is None
    position = Position(datetime(2027, 1, 1, tzinfo=UTC), one)
    assert read_cursor("after", f"\u00a0{write_cursor(position)}\u200b\n") == position


def test_a_text_for_people_is_in_nfc_and_otherwise_unchanged() -> None:
    assert typed_text.clean("Pan\u0303aderi\u0301a ") == "Pañadería"
    assert typed_text.clean("Cra. 7ª # 12–34 №3 ＡＢ") == "Cra. 7ª # 12–34 №3 ＡＢ"


def test_cleaning_again_changes_nothing() -> None:
    for character in ALL[:0x3200]:
        for clean in (typed_text.clean, typed_text.fold):
            once = clean(f"x{character}y")
            assert clean(once) == once, (clean, character)
