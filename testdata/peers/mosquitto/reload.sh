#!/bin/sh
# betonica agent runs this after each change. The broker reads a list again on SIGHUP,
# but leaves the session of a revoked client alone. So it is started anew: systemctl
# restart mosquitto. The others connect again at once.
set -eu
dir=/etc/betonica/web tls=/run/web/tls
put() { # mode, from, to: whole, or not at all
	install -m "$1" -o mosquitto -g mosquitto "$2" "$tls/$3.new"
	mv "$tls/$3.new" "$tls/$3"
}
put 0644 "$dir/current/cert.pem" cert.pem
put 0600 "$dir/current/key.pem" key.pem
put 0644 "$dir/current/roots.pem" roots.pem
[ ! -e "$dir/chain.crl.pem" ] || put 0644 "$dir/chain.crl.pem" chain.crl.pem
[ ! -e /run/web/mosquitto.pid ] || kill "$(cat /run/web/mosquitto.pid)"
