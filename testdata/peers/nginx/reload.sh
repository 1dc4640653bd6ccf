#!/bin/sh
# betonica agent runs this after each change: systemctl reload nginx.
exec kill -HUP "$(cat /run/web/nginx.pid)"
