"""What the `piccolo` command and the tables look for: the engine and the app registry."""

from piccolo.conf.apps import AppRegistry

from api.database.engine import get_engine
from api.deploy.migrations.piccolo_patches import install_patches
from api.settings import SettingsError, get_settings

try:
    DB = get_engine()
except SettingsError as error:
    # The piccolo command would print a traceback of anything else.
    raise SystemExit(f"gatehouse: {error}") from None

install_patches(DB, get_settings().migration_lock_timeout)

APP_REGISTRY = AppRegistry(apps=["tables.piccolo_app"])
