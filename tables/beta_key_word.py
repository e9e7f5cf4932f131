from piccolo.columns import UUID, Timestamptz
from piccolo.table import Table

from tables.search_word import SearchWord


class BetaKeyWord(Table, tablename="beta_key_words"):
    """A word of a beta key, whose `id` and `created_at` it has: see `api.domain.search`. Triggers write it.

    The table has no primary key, which Piccolo requires.
    """

    id = UUID(primary_key=True)
    word = SearchWord(default=None)
    created_at = Timestamptz(db_column_name="createdAt")
