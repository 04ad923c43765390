#!/usr/bin/env bash
# Makes a certificate for the api on the LAN, and the authority that signs it, in deploy/secrets:
#   deploy/make-lan-certificate.sh wallport.lan 192.168.1.20
# Install deploy/secrets/lan_ca.pem on the phones. Run it again to renew: the authority is kept.
set -euo pipefail
if [ $# -eq 0 ]; then
    echo "usage: $0 NAME_OR_ADDRESS..." >&2
    exit 2
fi
folder="$(cd "$(dirname "$0")" && pwd)/secrets"
mkdir -p "$folder"
chmod 700 "$folder"
cd "$folder"
umask 077

names=""
for name in "$@"; do
    if [[ "$name" =~ ^[0-9.]+$ || "$name" == *:* ]]; then names+=",IP:$name"; else names+=",DNS:$name"; fi
done

if [ ! -e lan_ca.key ]; then
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 -subj "/CN=Wallport at home" \
        -addext "keyUsage=critical,keyCertSign,cRLSign" -keyout lan_ca.key -out lan_ca.pem
fi
# Phones refuse a server's certificate that is valid for more than 825 days.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=$1" -keyout new.key -out new.csr
openssl x509 -req -in new.csr -CA lan_ca.pem -CAkey lan_ca.key -CAcreateserial -days 820 -out new.pem -extfile <(
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "${names#,}"
    printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
)
# Written in place: a running container sees the file that it was started with, not a new one of the same name.
touch lan_tls_key lan_tls_certificate
chmod 644 lan_tls_key lan_tls_certificate
cat new.key >lan_tls_key
cat new.pem lan_ca.pem >lan_tls_certificate
rm -f new.key new.csr new.pem
echo "Made $folder/lan_tls_certificate for $*; phones need $folder/lan_ca.pem."
