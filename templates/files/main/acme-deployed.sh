#!/bin/sh
# Managed by jitctl; local changes are replaced by the next apply.
# Run by certbot after each issue: points nginx at the new certificate, without a broken moment.
set -eu
case "${RENEWED_LINEAGE:-}" in
*/{{ domain }}) ;;
*) exit 0 ;; # another certificate of this host
esac
ln -sfn "$RENEWED_LINEAGE" {{ link }}.new
mv -T {{ link }}.new {{ link }}
nginx -t -q
systemctl reload nginx.service
{%- if turn %}
systemctl reload coturn.service
{%- endif %}
