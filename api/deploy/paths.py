"""The folder of the migrations."""

from pathlib import Path

MIGRATIONS = Path(__file__).resolve().parents[2] / "migrations"
