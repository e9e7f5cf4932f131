"""`gatehouse serve`: prepares the database and runs the server."""

import asyncio
import os
import resource
import signal
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from types import FrameType

import uvicorn
from uvicorn.supervisors import Multiprocess

from api.database.driver_errors import DISCONNECTED, UnsafeRole
from api.database.engine import get_engine
from api.deploy.migrations.apply import apply_pending
from api.deploy.migrations.lock import migration_lock
from api.deploy.migrations.pending import pending_migrations
from api.domain.actors import SYSTEM_ACTOR
from api.domain.beta_keys.issue import IssueOptions, NewKey, any_key, issue_keys
from api.http.limits import MAX_REQUEST_SECONDS
from api.observability.error_descriptions import describe_error
from api.observability.logs import configure_logging, get_logger
from api.server.http_protocol import HttpProtocol
from api.server.listeners import open_listeners
from api.server.worker_process import worker_process
from api.settings import Settings, get_settings
from api.terminal_language import in_terminal_language

logger = get_logger()

MIN_OPEN_FILES = 4096
"""Open files that a server process should be allowed."""


def serve() -> None:
    """Serve until SIGINT or SIGTERM. Raises `CommandError`, also `UnsafeRole`, if the server cannot start."""
    settings = get_settings()
    configure_logging()
    # First, so that a start fails immediately, and changes nothing, if another program has the port.
    listeners = open_listeners(settings.host, settings.port, "HOST", "PORT")
    if settings.metrics_port is not None:
        listeners += open_listeners(
            settings.metrics_host, settings.metrics_port, "METRICS_HOST", "METRICS_PORT"
        )
    # uvicorn raises the signal again after its shutdown. The default handler would then end the process
    # without stopping the embedded PostgreSQL.
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _exit)
    if settings.workers > 1 and settings.rate_limits and settings.rate_limit_storage is None:
        logger.warning("each of %d WORKERS has its own rate limits; set RATE_LIMIT_STORAGE", settings.workers)
    asyncio.run(_prepare(settings))
    config = _config(settings)
    if _is_stopped:
        sys.exit(0)
    try:
        with _shared_metrics(settings), worker_process() if settings.worker else nullcontext():
            if settings.workers > 1:
                _Workers(config, sockets=listeners).run()
            else:
                uvicorn.Server(config).run(sockets=listeners)
    except KeyboardInterrupt:
        logger.info("stopped")


def _config(settings: Settings) -> uvicorn.Config:
    return uvicorn.Config(
        "api.app:create_app",
        factory=True,
        http=HttpProtocol,
        workers=settings.workers,
        log_config=None,
        log_level="warning",
        access_log=False,
        server_header=False,
        # `api.http.client` reads X-Forwarded-For, and only from TRUSTED_PROXIES.
        proxy_headers=False,
        # Without this uvicorn advises to install a WebSocket library, whenever a client asks for one.
        ws="none",
        timeout_keep_alive=settings.keeps_alive_for,
        # The deadline of a request ends it before, with a response.
        timeout_graceful_shutdown=MAX_REQUEST_SECONDS + 5,
    )


class _Workers(Multiprocess):
    """The parent of several server processes."""

    def terminate_all(self) -> None:
        super().terminate_all()
        # Open here, it would let clients connect after the server processes have closed theirs.
        for listener in self.sockets:
            listener.close()


@contextmanager
def _shared_metrics(settings: Settings) -> Iterator[None]:
    """With several server processes, a folder for their metrics: any of them serves the metrics of all."""
    if not settings.metrics or settings.workers == 1:
        # prometheus_client would use the folder of another program.
        os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
        yield
        return
    with tempfile.TemporaryDirectory(prefix="gatehouse-metrics-") as folder:
        os.environ["PROMETHEUS_MULTIPROC_DIR"] = folder
        yield


_is_stopped = False


def _exit(_signal: int, _frame: FrameType | None) -> None:
    global _is_stopped
    _is_stopped = True
    # Python ignores it where it interrupts a destructor.
    sys.exit(0)


async def _prepare(settings: Settings) -> None:
    """Migrate an embedded database. Check any other one, and log a warning if it is not ready."""
    host = settings.host.split(",")[0]
    base = f"http://{f'[{host}]' if ':' in host else host}:{settings.port}"
    if settings.database_url is None:
        get_engine().creates_embedded = True
        await apply_pending()
        issued: list[NewKey] = []
        # Under the lock, so that two concurrent first starts issue one key.
        async with migration_lock():
            if not await any_key():
                options = IssueOptions.read({"count": 1, "notes": "the first start"})
                await issue_keys(SYSTEM_ACTOR, options, issued.extend)
        _print_ready(base, settings, issued)
        return
    if settings.db_sync:
        logger.warning("DB_SYNC is on: pending migrations are applied at start; unset it after the deploy")
    try:
        await get_engine().check_role()
        if settings.db_sync:
            await _apply_pending_as_owner()
        elif pending := await pending_migrations():
            logger.warning("migrations pending; run: piccolo migrations forwards all", pending=pending)
    except UnsafeRole:
        raise
    except DISCONNECTED as error:
        if settings.db_sync:
            # The migrations would stay pending when the database is back.
            raise
        # The server starts: /readyz reports the outage, and requests succeed when the database is back.
        logger.warning("the database is not available yet", error=describe_error(error))
    _warn_about_unset(settings)
    _warn_about_few_files()
    if settings.operator_second_factor != "required":
        logger.warning(
            "operators can sign in with a password alone; set OPERATOR_SECOND_FACTOR=required",
            see="docs/operating.md",
        )
    logger.info("serving", url=base, introspection=settings.introspects, graphiql=settings.serves_graphiql)


async def _apply_pending_as_owner() -> None:
    engine = get_engine()
    with engine.connected_as(engine.roles.owner):
        await apply_pending()


def _warn_about_few_files() -> None:
    """Each connection is an open file. Over the limit, the server accepts no connection."""
    limit, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= limit < MIN_OPEN_FILES:
        logger.warning("a server process can open few connections; raise its limit: ulimit -n", limit=limit)


def _warn_about_unset(settings: Settings) -> None:
    """One warning for all settings that a deployed server needs."""
    mails = "no mail is sent" if settings.outbox is None else f"mails are files in {settings.outbox}"
    consequences = {
        "TRUSTED_PROXIES": (settings.trusted_proxies, "all clients behind a proxy share the limits of one"),
        "SMTP_URL": (settings.smtp_url, mails),
        "MAIL_FROM": (settings.mail_from, None),
        "PUBLIC_URL": (settings.public_url, "users cannot set up passkeys"),
    }
    unset = [name for name, (value, _) in consequences.items() if value is None]
    if unset:
        effects = [effect for value, effect in consequences.values() if value is None and effect]
        logger.warning("; ".join([f"not set: {', '.join(unset)}", *effects, "see docs/deploy.md"]))


def _print_ready(base: str, settings: Settings, issued: list[NewKey]) -> None:
    """Print the address, and the key of a first start, set apart from the log lines around them."""
    graphiql = "on" if settings.serves_graphiql else "off"
    lines = [
        f"Gatehouse is ready:  {base}/graphql",
        f"For its clients:     introspection {settings.introspects}, GraphiQL {graphiql}",
        *(f"A beta key to try:   {new.key}" for new in issued),
    ]
    sys.stdout.write("\n" + "\n".join(map(in_terminal_language, lines)) + "\n\n")
    sys.stdout.flush()
