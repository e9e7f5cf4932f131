"""The checks of the schema: applied migrations, and whether the tables are those that they build."""

from api.deploy.migrations.pending import pending_migrations
from api.deploy.migrations.status import read_status
from api.deploy.verify import verify
from api.server.doctor.check import Outcome


async def check_migrations() -> Outcome:
    status = await read_status()
    if status.pending:
        return Outcome("failure", f"{len(status.pending)} pending; run: ./predeploy.sh")
    if status.needs_attention:
        return Outcome(
            "warning", "a file of an applied migration is edited or missing; run: gatehouse db status"
        )
    return Outcome("ok", f"{len(status.applied)} applied, none pending")


async def check_schema() -> Outcome:
    if await pending_migrations():
        return Outcome("warning", "not compared, because migrations are pending; run: ./predeploy.sh")
    verification = await verify()
    if verification.differences:
        count = len(verification.differences)
        return Outcome("failure", f"{count} differences from the migrations; see: gatehouse db verify")
    return Outcome("ok", "the tables are those that the migrations build")
