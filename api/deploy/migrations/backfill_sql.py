"""The SQL of a `Backfill`: a DO statement that changes rows in batches, and commits after each batch.

`piccolo migrations …` runs it and `gatehouse db sql` prints it for psql. Run it outside of a transaction. It
reports progress by `RAISE INFO`, and refuses with the SQLSTATE `REFUSED`.

A batch holds the locks of its rows for about `TARGET` seconds: its size follows the time that the last batch
took, and is halved when another session waited for it. A batch that waits for a lock itself is rolled back
soon, because its rows are locked meanwhile, and is tried again.
"""

from api.deploy.migrations.history import literal
from api.deploy.migrations.retained_data import REFUSED

PROGRESS = "migration_progress"
"""The table that keeps how far a backfill is. It exists while a backfill runs, or if one was interrupted."""

TARGET = 0.075
"""Seconds of a batch."""

MIN_BATCH, MAX_BATCH = 50, 10_000
"""Rows that a batch changes."""

VISITED = 5_000
"""Rows that a batch reads, without locks, to find those to change."""

LOCK_TIMEOUT_MS = 100
"""Milliseconds that a batch waits for a row. Clients wait as long for the rows that it has locked before."""

MAX_FAILURES = 6
"""How often in a row a batch may fail to get a lock; the pauses between add up to 31 s."""

PASSES = 3
"""The rows that the application adds behind a pass are left to the next pass, up to this many."""

MAX_LAG = "2 s"
MAX_LAG_BYTES = 64 * 1024 * 1024
"""The backfill pauses while a standby is further behind, by time or by bytes of WAL."""

LAG_TIMEOUT = 300
"""Seconds that a backfill waits for a standby."""

REPORT_INTERVAL = 2
"""Seconds between two progress messages."""

PLATFORM = "PERFORM set_config('gatehouse.scope', 'platform', true);"

_SETTINGS = f"""\
{PLATFORM}
        PERFORM set_config('lock_timeout', '{LOCK_TIMEOUT_MS}ms', true);
        -- A generic plan does not know how far the batch goes, and may read the whole table.
        PERFORM set_config('plan_cache_mode', 'force_custom_plan', true);
        -- Without statistics PostgreSQL may read and sort the whole table for each batch.
        PERFORM set_config('enable_seqscan', 'off', true), set_config('enable_bitmapscan', 'off', true),
            -- It may also read and sort all of another index that has the ids: row security lets it expect
            -- that few rows are visible.
            set_config('enable_sort', 'off', true);"""


def loop(
    *, table: str, source: str, where: str, prepare: str, batch: str, end_of_pass: str, pause: float
) -> str:
    """The DO statement. It walks over the ids of `source` and calls `batch` for the range after `_after`.

    `batch` changes rows of `table` with ids up to `_until`, sets `_changed` to their number, and `_done` to
    that of all batches. `end_of_pass` leaves the loop, unless it starts another pass.
    """
    return f"""\
DO $backfill$
#variable_conflict use_column
{_declarations(source)}
BEGIN
{_indented(prepare)}
    LOOP
        {_SETTINGS}
{_indented(_batch(source, where, batch), 2)}
{_indented(_retry(table), 2)}
{_indented(_ADAPT, 2)}
{_indented(_report(table), 2)}
        IF _until IS NULL THEN
            _passes := _passes + 1;
{_indented(end_of_pass, 3)}
        END IF;
{_indented(_throttle(pause), 2)}
    END LOOP;
END $backfill$;"""


def _declarations(source: str) -> str:
    return f"""\
DECLARE
    _size integer := 500;
    _after {source}.id%TYPE;
    _until {source}.id%TYPE;
    _changed bigint;
    _again bigint := 0;
    _done bigint := 0;
    _total bigint;
    _left bigint := 0;
    _edited bigint := 0;
    _passes integer := 0;
    _failures integer := 0;
    _blocks boolean;
    _lagging boolean;
    _started timestamptz;
    _seconds double precision;
    _waits_since timestamptz;
    _reported timestamptz := clock_timestamp();"""


def _batch(source: str, where: str, batch: str) -> str:
    """Find the range of the batch without locks, change its rows, and see whether others wait for them.

    The search ends with the last row of the batch, and after `VISITED` rows if it does not find that one.
    """
    visited = f"FROM {source} WHERE (_after IS NULL OR id > _after) ORDER BY id LIMIT {VISITED}"
    return f"""\
BEGIN
    SELECT coalesce(
        (SELECT id FROM (SELECT * {visited}) AS {source.split(".")[-1]} WHERE ({where})
          ORDER BY id OFFSET _size - 1 LIMIT 1),
        (SELECT id FROM (SELECT id {visited}) AS backfill_visited ORDER BY id DESC LIMIT 1)
    ) INTO _until;
    _started := clock_timestamp();
{_indented(batch)}
    _blocks := EXISTS (
        SELECT FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY (pg_blocking_pids(pid))
    );
EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
    _changed := NULL;
END;
COMMIT;"""


def _retry(table: str) -> str:
    refusal = (
        f"a transaction has locked rows of {table} for over 30 s; end it, then run the migrations again,"
        " which go on where they stopped; to find it: SELECT pid, query FROM pg_stat_activity"
        " WHERE xact_start < now() - interval '30 s'"
    )
    return f"""\
IF _changed IS NULL THEN
    _failures := _failures + 1;
    IF _failures > {MAX_FAILURES} THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = {literal(refusal)};
    END IF;
    _size := greatest({MIN_BATCH}, _size / 2);
    PERFORM pg_sleep(0.25 * 2 ^ _failures);
    CONTINUE;
END IF;
_failures := 0;
_after := _until;"""


_ADAPT = f"""\
_seconds := extract(epoch FROM clock_timestamp() - _started);
IF _blocks THEN
    _size := greatest({MIN_BATCH}, _size / 2);
ELSIF _changed >= _size / 2 OR _seconds > {TARGET} THEN
    _size := least({MAX_BATCH}, greatest({MIN_BATCH},
        round(_size * least(2, greatest(0.5, {TARGET} / greatest(_seconds, 0.001))))));
END IF;"""


def _report(table: str) -> str:
    return f"""\
IF clock_timestamp() > _reported + interval '{REPORT_INTERVAL} s' THEN
    _reported := clock_timestamp();
    RAISE INFO '{table}: % of % rows', {_number("_done")}, {_number("greatest(_total, _done)")};
END IF;"""


def _throttle(pause: float) -> str:
    """Pause, longer after a batch that others waited for, and as long as a standby is behind."""
    refusal = (
        f"a standby is over {LAG_TIMEOUT} s behind; repair it, then run the migrations again, which go on"
    )
    return f"""\
PERFORM pg_sleep(CASE WHEN _blocks THEN 4 ELSE 1 END * {pause} * least(1, _changed));
_waits_since := NULL;
LOOP
    SELECT bool_or(
        replay_lag > interval '{MAX_LAG}'
        OR pg_wal_lsn_diff(pg_current_wal_lsn(), replay_lsn) > {MAX_LAG_BYTES}
    ) INTO _lagging FROM pg_stat_replication WHERE state IN ('streaming', 'catchup');
    EXIT WHEN _lagging IS NOT TRUE;
    IF _waits_since IS NULL THEN
        _waits_since := clock_timestamp();
        RAISE INFO 'waits for a standby that is behind';
    ELSIF clock_timestamp() > _waits_since + interval '{LAG_TIMEOUT} s' THEN
        RAISE EXCEPTION USING ERRCODE = '{REFUSED}', MESSAGE = {literal(refusal + " where they stopped")};
    END IF;
    COMMIT;
    PERFORM pg_sleep(0.5);
END LOOP;
COMMIT;"""


WARN_OF_INVISIBLE_STANDBYS = """\
IF EXISTS (SELECT FROM pg_stat_replication WHERE state IS NULL) THEN
    RAISE INFO 'does not wait for standbys: the role may not see their lag; allow it: GRANT pg_monitor TO %',
        quote_ident(current_user);
END IF;"""
"""The columns of pg_stat_replication are null for a role without the rights of pg_monitor."""


def _number(expression: str) -> str:
    return f"to_char({expression}, 'FM999,999,999,990')"


def changed_message(table: str) -> str:
    """The messages at the end: the rows that were changed, and those that the application wrote since."""
    return f"""\
RAISE INFO '{table}: % rows changed', {_number("_done")};
IF _left > 0 THEN
    RAISE INFO '{table}: % rows that were written meanwhile are not changed', {_number("_left")};
END IF;"""


def restored_message(table: str) -> str:
    return f"""\
RAISE INFO '{table}: the old values of % rows are back', {_number("_done - _edited")};
IF _edited > 0 THEN
    RAISE INFO '{table}: % rows were edited or deleted since, and stay so', {_number("_edited")};
END IF;"""


def _indented(sql: str, levels: int = 1) -> str:
    return "\n".join(f"{'    ' * levels}{line}" if line else line for line in sql.splitlines())
