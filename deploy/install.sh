#!/usr/bin/env bash
# Installs this checkout for systemd, or goes to another version of it; docs/deploy.md says what comes before and after.
#   deploy/install.sh home      edge, api and their Redis
#   deploy/install.sh relay     relay and its Redis
# Each version gets a virtual environment of its own below venvs, and .venv leads to the one in use: what still runs
# keeps its files, and going back to a version that was here once takes no download. Settings in /etc/wallport are kept.
set -euo pipefail
umask 022
cd "$(dirname "$0")/.."
folder=$PWD
case "${1:-}" in
    home) products=(edge api) owner=wallport ;;
    relay) products=(relay) owner=wallport-relay ;;
    *) sed -n '2,4s/^# //p' "$0" >&2 && exit 2 ;;
esac
if [ "$(id -u)" -ne 0 ] || [ ! -d /run/systemd/system ]; then
    echo "This needs root, on a machine that runs systemd." >&2
    exit 1
fi
if [ "$folder" != /opt/wallport ]; then
    echo "The units run Wallport from /opt/wallport, and this is $folder." >&2
    exit 1
fi
if [ -e .venv ] && [ ! -L .venv ]; then
    echo "$folder/.venv is no link: an earlier way of installing made it. Stop the units, remove it, and run this again." >&2
    exit 1
fi

version=$(git rev-parse HEAD)
venv=venvs/$version
if [ ! -e "$venv/complete" ]; then
    # From the commit and not from this folder, in which setuptools would find what it built of other versions.
    source=$(mktemp -d)
    trap 'rm -rf "$source"' EXIT
    git archive "$version" | tar -x -C "$source"
    rm -rf "$venv"
    mkdir -p venvs
    python3 -m venv "$venv"
    "$source/deploy/build-web.sh" "$source"
    "$venv/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir -c "$source/constraints.txt" "$source"
    touch "$venv/complete"
fi
ln -sfn "$venv" .venv.new
mv -T .venv.new .venv

install -m 644 deploy/systemd/wallport.sysusers.conf /usr/lib/sysusers.d/wallport.conf
systemd-sysusers
install -d -m 755 /etc/wallport
install -d -m 750 -g "$owner" /etc/wallport/secrets
for product in "${products[@]}"; do
    [ -e "/etc/wallport/$product.env" ] || install -m 644 "deploy/systemd/$product.env" /etc/wallport/
    install -m 644 "deploy/systemd/wallport-$product.service" /etc/systemd/system/
    install -m 755 deploy/systemd/wallport-command "/usr/local/bin/wallport-$product"
done
install -m 644 deploy/systemd/wallport-redis@.service /etc/systemd/system/
systemctl daemon-reload
echo "Installed ${products[*]} of $(git log -1 --format='%h, %cs'). Other versions that are still here: $(($(ls venvs | wc -l) - 1))."
