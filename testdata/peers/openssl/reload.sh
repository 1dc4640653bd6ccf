#!/bin/sh
# betonica agent runs this after each change.
exec kill "$(cat /run/web/openssl.pid)"
