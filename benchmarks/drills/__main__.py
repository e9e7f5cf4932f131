"""`make drill NAME=…`: faults in the surroundings of a server, with real processes; each takes minutes."""

import sys

from benchmarks.drills.blocked_statements import locked_table, standby_away
from benchmarks.drills.restarts import restarts_behind_haproxy, restarts_behind_nginx

DRILLS = {
    "locked-table": locked_table,
    "standby-away": standby_away,
    "haproxy": restarts_behind_haproxy,
    "nginx": restarts_behind_nginx,
}


def main(names: list[str]) -> int:
    """Run the drills of these names; 1 if a bound is not met, 2 for a wrong name."""
    if not names or not set(names) <= set(DRILLS):
        sys.stderr.write(f"usage: make drill NAME=…, one of: {', '.join(DRILLS)}\n")
        return 2
    missed = [name for name in names if not DRILLS[name]()]
    if missed:
        sys.stderr.write(f"a bound is not met: {', '.join(missed)}\n")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
