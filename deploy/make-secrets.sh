#!/usr/bin/env bash
# Makes the passwords that docker-compose.yml hands to its services as files, in deploy/secrets.
# What exists is kept, so it may be run again. The folder is closed to everybody else on this machine; the files in it
# are readable, since each container reads its own as an unprivileged user.
set -euo pipefail
folder="$(cd "$(dirname "$0")" && pwd)/secrets"
mkdir -p "$folder"
chmod 700 "$folder"

keep() { # keep NAME VALUE: write the secret unless it exists
    [ -e "$folder/$1" ] && return
    printf '%s\n' "$2" >"$folder/$1"
    chmod 444 "$folder/$1"
    echo "made $1"
}
password() { head -c 24 /dev/urandom | od -An -tx1 | tr -d ' \n'; }

for name in redis_password mariadb_password relay_redis_password; do
    keep "$name" "$(password)"
done
keep redis_url "redis://:$(<"$folder/redis_password")@redis:6379/0"
keep relay_redis_url "redis://:$(<"$folder/relay_redis_password")@relay-redis:6379/0"
keep database_url "mysql://wallport:$(<"$folder/mariadb_password")@mariadb:3306/wallport"
keep mqtt_password "" # empty: openWB's broker lets its own network in without one

# nginx in front of the relay starts with it, so that it can answer what a certificate authority asks (docs/deploy.md).
if [ ! -e "$folder/relay_tls_key" ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 90 -subj "/CN=not yet certified" \
        -keyout "$folder/relay_tls_key" -out "$folder/relay_tls_certificate" 2>/dev/null
    chmod 644 "$folder/relay_tls_key" "$folder/relay_tls_certificate" # as the others; written again by each renewal
    echo "made relay_tls_certificate, which nobody trusts yet"
fi
