#!/bin/sh
# What a deploy does before the new version takes over; if it fails, the old version goes on serving. It is a
# file because Render starts this command without a shell, which would take `&&` for an argument.
#
# It does not ask for `gatehouse db status`: that one objects to migrations without a file, which is what a
# version meets that is deployed again after a newer one.
set -eu
cd "$(dirname "$0")"
piccolo migrations forwards all
exec gatehouse db verify
