#!/usr/bin/env bash
# Installs the servers that the tests start privately (tests/kit/servers.py), and what they look at exports with, where
# they are missing; with arguments of the form program:package also these (the benches want sshd).
# Needs apt, as root or through sudo; asks nothing; starts no service, neither now nor at the next boot.
set -euo pipefail
export PATH="$PATH:/usr/sbin:/usr/local/sbin:/sbin"

# program, and the Debian package that brings it
NEEDED=(mosquitto:mosquitto redis-server:redis-server mariadbd:mariadb-server nginx:nginx curl:curl
    soffice:libreoffice-calc-nogui pdftotext:poppler-utils ip:iproute2 chromium:chromium "$@")

missing=()
for pair in "${NEEDED[@]}"; do
    command -v "${pair%%:*}" >/dev/null || missing+=("${pair##*:}")
done
# Debian's own Python comes without what makes a virtual environment.
if [ "$(command -v python3)" = /usr/bin/python3 ] && ! python3 -c 'import ensurepip' 2>/dev/null; then
    missing+=(python3-venv)
fi
if [ ${#missing[@]} -eq 0 ]; then
    echo "Test servers: all installed."
    exit 0
fi

if ! command -v apt-get >/dev/null; then
    {
        echo "Test servers missing: ${missing[*]} (these are Debian's package names)."
        echo "This machine has no apt, so please install them with its own package manager; the programs needed are:"
        echo "  ${NEEDED[*]%%:*}"
    } >&2
    exit 1
fi

if [ "$(id -u)" -ne 0 ]; then
    echo "Test servers missing: ${missing[*]}; installing them with sudo apt-get."
    if ! command -v sudo >/dev/null; then
        echo "There is no sudo. As root, run: apt-get install ${missing[*]}" >&2
        exit 1
    fi
    # Only at a terminal may sudo ask for a password; elsewhere it fails at once instead of waiting for ever.
    if [ -t 0 ]; then exec sudo "$0" "$@"; else exec sudo -n "$0" "$@"; fi
fi

# Debian starts what it installs unless this file says no (policy-rc.d, exit code 101). One that exists stays as it is.
policy=/usr/sbin/policy-rc.d
if [ ! -e "$policy" ]; then
    trap 'rm -f "$policy"' EXIT
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

echo "Installing ${missing[*]} …"
export DEBIAN_FRONTEND=noninteractive NEEDRESTART_SUSPEND=1
apt-get update -qq
apt-get install -y -qq --no-install-recommends -o DPkg::Lock::Timeout=120 "${missing[@]}" </dev/null

# policy-rc.d holds for now; this is for the next boot. Only for what was installed here, never for an owner's own broker.
for package in "${missing[@]}"; do
    case "$package" in
        chromium | curl | python3-venv | libreoffice-calc-nogui | poppler-utils | iproute2) continue ;;
        debootstrap | systemd-container) continue ;;
        mariadb-server) unit=mariadb ;;
        openssh-server) unit=ssh ;;
        *) unit=$package ;;
    esac
    if [ -d /run/systemd/system ]; then
        systemctl disable --now --quiet "$unit.service"
    else
        update-rc.d "$unit" disable
    fi || echo "Please disable the service $unit yourself: it may start at the next boot." >&2
done
echo "Test servers: installed, and not started as services."
