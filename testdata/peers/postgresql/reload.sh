#!/bin/sh
# betonica agent runs this after each change. The server runs as postgres and takes a
# key of its own only: so it gets copies. Then: systemctl reload postgresql.
set -eu
dir=/etc/betonica/web tls=/run/web/tls
put() { # mode, from, to: whole, or not at all
	install -m "$1" -o postgres -g postgres "$2" "$tls/$3.new"
	mv "$tls/$3.new" "$tls/$3"
}
put 0644 "$dir/current/cert.pem" cert.pem
put 0600 "$dir/current/key.pem" key.pem
put 0644 "$dir/current/roots.pem" roots.pem
[ ! -e "$dir/chain.crl.pem" ] || put 0644 "$dir/chain.crl.pem" chain.crl.pem
[ ! -e /run/web/data/postmaster.pid ] || kill -HUP "$(head -n 1 /run/web/data/postmaster.pid)"
