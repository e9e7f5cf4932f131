"""The base class of errors that a command prints as one line."""


class CommandError(Exception):
    """An expected failure. Its message is one line, and says what to do next."""
