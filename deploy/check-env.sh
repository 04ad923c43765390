#!/usr/bin/env bash
# Names the entries of .env that docker-compose.yml hands to no container, and says why; exit code 1 if there are any.
# Compose itself reads .env, uses what it knows, and passes over the rest without a word.
set -euo pipefail
cd "$(dirname "$0")/.."
[ -e .env ] || exit 0

used() { grep -qE "\\\$\{$1[:}-]|^ +$1:\$" docker-compose.yml; }
fixed() { grep -qE "^ +$1(_FILE)?: ?[^ ]" docker-compose.yml; }

idle=0
while read -r name; do
    case "$name" in COMPOSE_* | DOCKER_*) continue ;; esac
    used "$name" && continue
    idle=1
    if fixed "$name"; then
        echo "$name in .env has no effect: docker-compose.yml sets it itself, or reads it from deploy/secrets" >&2
    else
        echo "$name in .env has no effect: docker-compose.yml does not know it; docs/settings.md lists what there is" >&2
    fi
done < <(sed -nE 's/^[[:space:]]*(export[[:space:]]+)?([A-Za-z_][A-Za-z0-9_]*)[[:space:]]*=.*/\2/p' .env)
exit "$idle"
