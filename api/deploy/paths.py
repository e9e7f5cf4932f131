"""Where the migrations are."""

from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
