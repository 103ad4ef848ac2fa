-- Managed by jitctl; local changes are replaced by the next apply.
-- The secrets of jitctl.cfg.lua, apart from it so that it can be shown. Readable by Prosody only.

-- The focus answers conference requests as this component (XEP-0114).
Component {{ ("focus." ~ domain) | lua }}
	component_secret = {{ component_secret | lua }}
{%- if turn_secret %}

VirtualHost {{ domain | lua }}
	external_service_secret = {{ turn_secret | lua }}
{%- if secure_domain %}

VirtualHost {{ ("guest." ~ domain) | lua }}
	external_service_secret = {{ turn_secret | lua }}
{%- endif %}
{%- endif %}
