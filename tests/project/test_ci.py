"""What CI runs: every test, the GraphQL clients, and the style."""

import re
import shlex

from tests.support import ROOT


def test_ci_runs_every_test_in_both_ways() -> None:
    script = (ROOT / ".ci" / "run").read_text()
    (options,) = re.findall(r'^CI=true make test TESTS="(.*)"', script, re.M)

    assert set(shlex.split(options)) == {"--both-ways", "--all"}
    assert {"make test-clients", "make lint"} <= set(re.findall(r"make [\w-]+", script))
