#!/usr/bin/env bash
# Makes a certificate for the api on the LAN, and the authority that signs it, in deploy/secrets:
#   deploy/make-lan-certificate.sh wallport.lan 192.168.1.20
# Install deploy/secrets/lan_ca.pem on the phones. Run it again to renew: the authority is kept. It can vouch for the
# names and addresses of its first run and no others, so that a phone that trusts it trusts it for this machine alone.
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
trap 'rm -f new.key new.csr new.pem new.cnf new_ca.key new_ca.pem' EXIT

names=""
permitted=""
has_name=no has_address=no
for name in "$@"; do
    case "$name" in
        *:*) names+=",IP:$name" permitted+=",permitted;IP:$name/ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff" has_address=yes ;;
        *[!0-9.]*) names+=",DNS:$name" permitted+=",permitted;DNS:${name#\*.}" has_name=yes ;;
        *) names+=",IP:$name" permitted+=",permitted;IP:$name/255.255.255.255" has_address=yes ;;
    esac
done
# What has no permitted entry of its kind is free, so every kind gets one: of a domain that cannot exist, or none at all.
[ $has_name = yes ] || permitted+=",permitted;DNS:wallport.invalid"
[ $has_address = yes ] || permitted+=",excluded;IP:0.0.0.0/0.0.0.0,excluded;IP:::/::"
permitted+=",permitted;email:wallport.invalid"

if [ ! -e lan_ca.key ]; then
    cat >new.cnf <<END
[req]
distinguished_name = subject
x509_extensions = authority
[subject]
[authority]
basicConstraints = critical,CA:TRUE,pathlen:0
keyUsage = critical,keyCertSign,cRLSign
nameConstraints = critical$permitted
subjectKeyIdentifier = hash
END
    openssl req -x509 -config new.cnf -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -days 3650 \
        -subj "/CN=Wallport at home" -keyout new_ca.key -out new_ca.pem
    mv new_ca.pem lan_ca.pem
    mv new_ca.key lan_ca.key
fi
# Phones refuse a server's certificate that is valid for more than 825 days.
# The subject is no name: one that looks like a host's would have to be among the authority's, too.
openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj "/CN=Wallport server" -keyout new.key -out new.csr
openssl x509 -req -in new.csr -CA lan_ca.pem -CAkey lan_ca.key -CAcreateserial -days 820 -out new.pem -extfile <(
    printf 'basicConstraints=critical,CA:FALSE\nextendedKeyUsage=serverAuth\nsubjectAltName=%s\n' "${names#,}"
    printf 'subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n'
)
if ! openssl verify -CAfile lan_ca.pem new.pem >/dev/null; then
    cat >&2 <<END
Nothing was changed: the authority in $folder cannot vouch for all of: $*.
It is bound to the names and addresses of its first run. For others remove lan_ca.key and lan_ca.pem, run this again,
and install the new lan_ca.pem on the phones in place of the old one.
END
    exit 1
fi
# Written in place: a running container sees the file that it was started with, not a new one of the same name.
touch lan_tls_key lan_tls_certificate
chmod 644 lan_tls_key lan_tls_certificate
cat new.key >lan_tls_key
cat new.pem lan_ca.pem >lan_tls_certificate
echo "Made $folder/lan_tls_certificate for $*; phones need $folder/lan_ca.pem."
if ! openssl x509 -in lan_ca.pem -noout -ext nameConstraints 2>/dev/null | grep -q Permitted; then
    echo "This authority is of an earlier version and can vouch for any name on the internet. Better remove lan_ca.key and" >&2
    echo "lan_ca.pem, run this again, and install the new lan_ca.pem on the phones in place of the old one." >&2
fi
