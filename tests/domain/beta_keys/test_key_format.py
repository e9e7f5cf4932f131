"""The format of keys."""

import re

import pytest

from api.domain.beta_keys.issue import generate_keys
from api.key_shape import ALPHABET

pytestmark = pytest.mark.anyio


def test_keys_consist_of_unambiguous_symbols() -> None:
    assert len(ALPHABET) == len(set(ALPHABET)) == 30
    assert not set("0O1ILU") & set(ALPHABET)
    assert all(re.fullmatch(f"BETA-[{ALPHABET}]{{5}}-[{ALPHABET}]{{5}}", key) for key in generate_keys(1000))
