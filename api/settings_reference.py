"""`python -m api.settings_reference`: writes docs/settings.md and .env.example from `Settings`."""

import shlex
import textwrap
from pathlib import Path

from pydantic.fields import FieldInfo

from api.setting_formats import Heading, format_of
from api.settings import Settings

ROOT = Path(__file__).resolve().parent.parent

MARKDOWN_INTRODUCTION = """\
# Settings

`make settings` writes this file from `api/settings.py`.

Gatehouse reads its settings from environment variables when it starts. A wrong value stops the start, and
every command, with one line that names the variable and its format, and never shows the value. An empty
variable counts as unset. `true` and `false`, or `1` and `0`, mean the same as `on` and `off`.
[.env.example](../.env.example) has every setting as a file for a shell.
"""

ENV_INTRODUCTION = """\
# Every setting of Gatehouse, with its default. `make settings` writes this file from api/settings.py.
# Gatehouse reads environment variables, not this file. Copy it to .env, edit that, and load it like this:
#     set -a; . ./.env; set +a; gatehouse serve
"""


def markdown() -> str:
    """The text of docs/settings.md."""
    parts = [MARKDOWN_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        if title := _heading(field):
            parts.append(f"\n## {title}\n\n| variable | default | format | meaning |\n|---|---|---|---|\n")
        default = f"`{_default(field)}`" if _default(field) else "unset"
        parts.append(f"| `{name.upper()}` | {default} | {format_of(field)} | {_description(field)} |\n")
    return "".join(parts)


def env_example() -> str:
    """The text of .env.example."""
    parts = [ENV_INTRODUCTION]
    for name, field in Settings.model_fields.items():
        if title := _heading(field):
            parts.append(f"\n\n# === {title} ===\n")
        parts.append(
            f"\n{_comment(_description(field))}\n{_comment(f'Format: {format_of(field)}.')}\n"
            f"# {name.upper()}={_default(field) and shlex.quote(_default(field))}\n"
        )
    return "".join(parts)


def _comment(markdown: str) -> str:
    return textwrap.fill(
        markdown.replace("`", ""),
        width=110,
        initial_indent="# ",
        subsequent_indent="# ",
        break_long_words=False,
        break_on_hyphens=False,
    )


def _heading(field: FieldInfo) -> str | None:
    return next((part.title for part in field.metadata if isinstance(part, Heading)), None)


def _description(field: FieldInfo) -> str:
    return " ".join((field.description or "").split())


def _default(field: FieldInfo) -> str:
    """As the variable is written; "" if it is unset."""
    match field.default:
        case None | ():
            return ""
        case bool(value):
            return "on" if value else "off"
        case value:
            return str(value)


def main() -> None:
    (ROOT / "docs" / "settings.md").write_text(markdown(), encoding="utf-8")
    (ROOT / ".env.example").write_text(env_example(), encoding="utf-8")


if __name__ == "__main__":
    main()
