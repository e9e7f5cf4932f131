"""Writes the list of common passwords, from the lists of the package zxcvbn: `make common-passwords`."""

import importlib

from api.domain.common_passwords import FILE, MIN_LENGTH, SPANISH, make_filter
from api.domain.password_rules import core_of, fold

LISTS = ("passwords", "english_wikipedia", "female_names", "male_names", "surnames")

if __name__ == "__main__":
    lists = importlib.import_module("zxcvbn.frequency_lists").FREQUENCY_LISTS
    words = {fold(word) for name in LISTS for word in lists[name]} | {fold(word) for word in SPANISH.split()}
    cores = {core_of(word) for word in words}
    FILE.write_bytes(make_filter(text for text in words | cores if len(text) >= MIN_LENGTH))
