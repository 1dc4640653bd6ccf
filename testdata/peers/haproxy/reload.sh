#!/bin/sh
# betonica agent runs this after each change. HAProxy takes both at run time, by
# its admin socket, and goes on serving.
set -eu
dir=/etc/betonica/web run=/run/web

# load KIND NAME: replace what HAProxy has under a file's name by the file.
load() {
	printf 'set ssl %s %s <<\n%s\n\n' "$1" "$2" "$(cat "$2")" | socat -t 10 - "UNIX-CONNECT:$run/admin.sock"
	printf 'commit ssl %s %s\n' "$1" "$2" | socat -t 10 - "UNIX-CONNECT:$run/admin.sock" | grep -q Success
}

if [ "$BETONICA_CHANGED" = certificate ]; then
	umask 077 # HAProxy wants certificate and key in one file
	cat "$dir/current/cert.pem" "$dir/current/key.pem" >"$run/haproxy.pem.new"
	mv "$run/haproxy.pem.new" "$run/haproxy.pem"
fi
[ -S "$run/admin.sock" ] || exit 0 # it will read the files when it starts
case $BETONICA_CHANGED in
certificate) load cert "$run/haproxy.pem" ;;
revocations) load crl-file "$dir/chain.crl.pem" ;;
esac
