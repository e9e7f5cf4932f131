"""`python -m api.cli`: the same as `gatehouse`, also if that is not on the PATH."""

from api.cli import main

main()
