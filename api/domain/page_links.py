"""Links of mails to pages of the web front end, whose addresses are settings."""

from urllib.parse import quote, urlencode


def page_link(url: str | None, **parameters: str) -> str | None:
    """The page with parameters in its query; None without the setting of the page."""
    if url is None:
        return None
    return f"{url}{'&' if '?' in url else '?'}{urlencode(parameters, quote_via=quote, safe='')}"
