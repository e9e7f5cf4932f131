"""What the `piccolo` command and the tables look for: the engine and the app registry."""

from piccolo.conf.apps import AppRegistry

from api.database.engine import create_engine
from api.settings import get_settings

DB = create_engine(get_settings())

APP_REGISTRY = AppRegistry(apps=["tables.piccolo_app"])
