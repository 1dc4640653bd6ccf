#!/bin/sh
# betonica agent runs this after each change: systemctl reload apache2.
exec kill -USR1 "$(cat /run/web/apache.pid)"
