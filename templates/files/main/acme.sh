#!/bin/sh
# Managed by jitctl; local changes are replaced by the next apply.
# Asks for the first certificate; does nothing once it is there, certbot.timer renews it.
set -eu
if [ -e /etc/letsencrypt/live/{{ domain }}/fullchain.pem ]; then
	# Heals a link that was lost after the certificate was issued.
	[ "$(readlink {{ link }})" = /etc/letsencrypt/live/{{ domain }} ] ||
		RENEWED_LINEAGE=/etc/letsencrypt/live/{{ domain }} /etc/letsencrypt/renewal-hooks/deploy/jitctl
	exit 0
fi
exec certbot certonly --non-interactive --agree-tos \
	--email '{{ email }}' \
{%- if directory %}
	--server '{{ directory }}' \
{%- endif %}
	--webroot --webroot-path {{ acme_root }} \
	--cert-name {{ domain }} --domain {{ domain }} \
	--deploy-hook /etc/letsencrypt/renewal-hooks/deploy/jitctl
