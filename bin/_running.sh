# Sourced by commands that work on the running stack: its addresses and secrets, as environment variables.
# shellcheck shell=sh

if [ -z "${DATABASE_URL:-}" ] || [ -z "${SECRET_KEY:-}${SECRET_KEY_FILE:-}" ]; then
    running="${DATA_DIR:-$ROOT/.data}/run/env"
    [ -f "$running" ] || fail "Nothing runs. Start bin/dev in another terminal first, or set DATABASE_URL, REDIS_URL and SECRET_KEY."
    # An address that was given wins over the running stack's.
    database=${DATABASE_URL:-} redis=${REDIS_URL:-}
    set -a
    . "$running"
    DATABASE_URL=${database:-$DATABASE_URL} REDIS_URL=${redis:-$REDIS_URL}
    set +a
    kill -0 "${STACK_PID:-$$}" 2>/dev/null || fail "bin/dev was killed and nothing runs. Start it again."
fi
