#!/usr/bin/env bash
# Writes one of nginx's configurations to standard output, as nginx on this machine takes it:
#   deploy/render-nginx.sh lan NAME CERTIFICATE KEY
#   deploy/render-nginx.sh relay NAME CERTIFICATE KEY ACME_FOLDER
# NAME is the host's, _ for any. docs/settings.md describes the templates.
set -euo pipefail
case "${1:-}:$#" in
    lan:4) upstream=127.0.0.1:8080 ;;
    relay:5) upstream=127.0.0.1:8090 ;;
    *) sed -n '3,4s/^# *//p' "$0" >&2 && exit 2 ;;
esac
export WALLPORT_NGINX_HTTPS=443 WALLPORT_NGINX_HTTP=80 WALLPORT_NGINX_UPSTREAM=$upstream
export WALLPORT_NGINX_NAME=$2 WALLPORT_NGINX_CERTIFICATE=$3 WALLPORT_NGINX_KEY=$4 WALLPORT_NGINX_ACME_ROOT=${5:-}
export WALLPORT_NGINX_ACCESS_LOG=/var/log/nginx/wallport.log
# Only these names: nginx's own variables look the same to envsubst.
envsubst "$(printf '${%s} ' "${!WALLPORT_NGINX_@}")" <"$(dirname "$0")/../nginx/$1.conf"
