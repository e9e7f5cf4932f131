"""What the `piccolo` command and the tables look for: the engine and the app registry."""

from piccolo.conf.apps import AppRegistry

from api.database.engine import create_engine
from api.settings import SettingsError, get_settings

try:
    DB = create_engine(get_settings())
except SettingsError as error:
    # The piccolo command would print a traceback of anything else.
    raise SystemExit(f"gatehouse: {error}") from None

APP_REGISTRY = AppRegistry(apps=["tables.piccolo_app"])
