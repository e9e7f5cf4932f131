"""What the `piccolo` command and the tables look for: the engine and the app registry."""

from piccolo.conf.apps import AppRegistry

from api.database.engine import create_engine
from api.deploy.guard import install_guard
from api.settings import SettingsError, get_settings

try:
    DB = create_engine(get_settings())
except SettingsError as error:
    # The piccolo command would print a traceback of anything else.
    raise SystemExit(f"gatehouse: {error}") from None

install_guard(DB, get_settings().migration_lock_timeout)

APP_REGISTRY = AppRegistry(apps=["tables.piccolo_app"])
