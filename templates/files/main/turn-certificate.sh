#!/bin/sh
# Managed by jitctl; local changes are replaced by the next apply.
# Copies the certificate in use to where turnserver may read it; run as root by coturn.service.
set -eu
install -o turnserver -g turnserver -m 0400 {{ tls_folder }}/fullchain.pem /run/jitctl-turn/fullchain.pem
install -o turnserver -g turnserver -m 0400 {{ tls_folder }}/privkey.pem /run/jitctl-turn/privkey.pem
