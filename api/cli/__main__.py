"""`python -m api.cli`: the same as `gatehouse`, wherever that is installed."""

from api.cli import main

main()
