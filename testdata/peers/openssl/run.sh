#!/bin/sh
# s_server reads its files once: whoever runs it starts it again when it ends.
dir=/etc/betonica/web
while :; do
	openssl s_server -accept 0.0.0.0:8443 -www -no_ticket \
		-cert "$dir/current/cert.pem" -key "$dir/current/key.pem" -cert_chain "$dir/current/chain.pem" \
		-CAfile "$dir/current/roots.pem" -Verify 3 -verify_return_error \
		-crl_check -CRL "$dir/chain.crl.pem" &
	echo $! >/run/web/openssl.pid
	wait $!
done
