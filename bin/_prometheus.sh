# Sourced after _venv.sh: finds Prometheus and promtool, or unpacks Debian's package beside the environment.
# shellcheck shell=sh

# find_prometheus: puts both on the PATH; 1 where there are none. Nothing is installed and no root is needed.
find_prometheus() {
    PATH="$PATH:$VENV/prometheus/usr/bin"
    export PATH
    if command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1; then
        return 0
    fi
    command -v apt-get >/dev/null 2>&1 && command -v dpkg-deb >/dev/null 2>&1 || return 1
    unpacked=$(mktemp -d "$VENV/prometheus.XXXXXX") || return 1
    if (cd "$unpacked" && { timeout 120 apt-get -qq download prometheus ||
        { timeout 120 apt-get -qq update && timeout 120 apt-get -qq download prometheus; }; } &&
        dpkg-deb -x prometheus_*.deb . && rm prometheus_*.deb) >/dev/null 2>&1 &&
        [ ! -e "$VENV/prometheus" ]; then
        mv "$unpacked" "$VENV/prometheus"
    fi
    rm -rf "$unpacked"
    command -v prometheus >/dev/null 2>&1 && command -v promtool >/dev/null 2>&1
}
