"""`gatehouse keys …`: the commands for beta keys."""

import typer

from api.cli.keys import changes, files, issue, listing, send

keys = typer.Typer(help="Issue and manage beta keys.", no_args_is_help=True)

keys.command("issue")(issue.issue)
keys.command("list")(listing.list_keys)
keys.command("stats")(listing.stats)
keys.command("show")(listing.show)
keys.command("update")(changes.update)
keys.command("invite")(changes.invite)
keys.command("revoke")(changes.revoke)
keys.command("export")(files.export)
keys.command("import")(files.import_file)
keys.command("send")(send.send)
