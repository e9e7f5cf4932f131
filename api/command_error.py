"""What every failure that a person at a terminal may meet has in common."""


class CommandError(Exception):
    """A foreseen failure; its message is one line that says what to do next."""
