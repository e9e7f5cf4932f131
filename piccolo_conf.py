"""The configuration of Piccolo: the engine that the tables use, and the apps with migrations."""

from piccolo.conf.apps import AppRegistry

from api.database.engine import get_engine
from api.deploy.migrations.piccolo_patches import install_patches
from api.settings import SettingsError

try:
    DB = get_engine()
except SettingsError as error:
    # The `piccolo` command prints a traceback for other exceptions.
    raise SystemExit(f"gatehouse: {error}") from None

install_patches()

APP_REGISTRY = AppRegistry(apps=["tables.piccolo_app"])
