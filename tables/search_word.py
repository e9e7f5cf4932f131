from piccolo.columns import Text


class SearchWord(Text):
    """A text in the order of its bytes, in which the words with a prefix are one range."""

    value_type = str

    @property
    def column_type(self) -> str:
        return 'TEXT COLLATE "C"'
