#!/bin/sh
# Applies the migrations and checks the schema, before the new version takes over. If it fails, the old version
# goes on serving. It is a file because Render starts the pre-deploy command without a shell, so `&&` would be
# passed as an argument.
#
# It does not run `gatehouse db status`: that fails for applied migrations without a file, which an older version
# finds when it is deployed again after a newer one.
set -eu
cd "$(dirname "$0")"
piccolo migrations forwards all
exec gatehouse db verify
