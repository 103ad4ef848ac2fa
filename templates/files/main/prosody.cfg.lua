-- Managed by jitctl; local changes are replaced by the next apply.
-- For Prosody 0.12. The package's prosody.cfg.lua includes this file; what stands in its global
-- section here replaces what is set there. Secrets are in jitctl-secrets.cfg.lua.

---------- The whole server ----------

-- Only what meetings use. "posix", "c2s" and "http" come by themselves.
modules_enabled = {
	"admin_shell"; -- prosodyctl shell, on a socket for root and prosody
	"bosh"; -- XMPP over HTTP, for browsers behind proxies that break WebSockets
	"disco";
	"limits";
	"ping"; -- clients send one every ten seconds
	"posix";
	"roster"; -- presence between accounts needs it
	"saslauth";
	"smacks"; -- a connection lost for seconds is resumed
	"tls";
	"websocket";
}
-- No federation: nobody outside has business here.
modules_disabled = { "s2s" }
s2s_ports = {}

-- Bridges on other hosts come through this port; the packet filter lets in nobody else.
c2s_ports = { {{ ports.xmpp }} }
c2s_interfaces = { "*", "::" }
c2s_direct_tls_ports = {}
-- Browsers come through nginx, the focus from this host.
http_ports = { {{ ports.http }} }
http_interfaces = { "127.0.0.1", "::1" }
https_ports = {}
component_ports = { {{ ports.component }} }
component_interfaces = { "127.0.0.1", "::1" }
http_default_host = {{ domain | lua }}
trusted_proxies = { "127.0.0.1", "::1" }

-- TLS ends at nginx for browsers; without these no login is offered to them.
consider_websocket_secure = true
consider_bosh_secure = true
c2s_require_encryption = true
allow_registration = false

-- Our own modules: what clients find beyond plain rooms.
plugin_paths = { "/usr/lib/jitctl/prosody" }
jitctl_components = {
	speakerstats = {{ ("speakerstats." ~ domain) | lua }};
	av_moderation = {{ ("avmoderation." ~ domain) | lua }};
	lobbyrooms = {{ ("lobby." ~ domain) | lua }};
}

-- Focus and bridges own every room and may send as fast as they can: a conference of hundreds is
-- megabytes of signalling. People are held to a rate that a browser does not reach.
admins = {
{%- for account in service_accounts %}
	{{ account | lua }};
{%- endfor %}
}
unlimited_jids = admins
limits = {
	c2s = {
		rate = "512kb/s";
		burst = "2s";
	};
}
-- Prosody has one limit for all clients; browsers meet smaller ones, here and in nginx.
c2s_stanza_size_limit = 10 * 1024 * 1024
websocket_frame_buffer_limit = 1024 * 1024
component_stanza_size_limit = 10 * 1024 * 1024

smacks_max_old_sessions = 1
smacks_max_unacked_stanzas = 5
-- Longer than any long poll of a browser.
bosh_max_inactivity = 60

network_backend = "epoll"
network_settings = {
	tcp_backlog = 511;
}
gc = {
	mode = "incremental";
	threshold = 400;
	speed = 250;
	step_size = 13;
}

-- The journal adds the time; read it with "journalctl -u prosody".
log = {
	{ levels = { min = "info" }; to = "console"; timestamps = false };
}

---------- People ----------
{%- if secure_domain %}

-- Accounts made with "jitctl user add" open rooms.
VirtualHost {{ domain | lua }}
	authentication = "internal_hashed"
	smacks_hibernation_time = 60
	modules_enabled = { "jitctl_identities"{% if turn %}; "external_services"{% endif %} }
{%- if turn %}
	external_services = {
		{ type = "stun"; host = {{ domain | lua }}; port = {{ turn.port }}; transport = "udp" };
		{ type = "turn"; host = {{ domain | lua }}; port = {{ turn.port }}; transport = "udp"; secret = true; ttl = 86400; algorithm = "turn" };
		{ type = "turns"; host = {{ domain | lua }}; port = {{ turn.tls_port }}; transport = "tcp"; secret = true; ttl = 86400; algorithm = "turn" };
	}
{%- endif %}

-- Guests join rooms that are open.
VirtualHost {{ ("guest." ~ domain) | lua }}
{%- else %}

VirtualHost {{ domain | lua }}
{%- endif %}
	authentication = "anonymous"
	storage = "memory"
	smacks_hibernation_time = 60
	modules_enabled = { "jitctl_identities"{% if turn %}; "external_services"{% endif %} }
{%- if turn %}
	external_services = {
		{ type = "stun"; host = {{ domain | lua }}; port = {{ turn.port }}; transport = "udp" };
		{ type = "turn"; host = {{ domain | lua }}; port = {{ turn.port }}; transport = "udp"; secret = true; ttl = 86400; algorithm = "turn" };
		{ type = "turns"; host = {{ domain | lua }}; port = {{ turn.tls_port }}; transport = "tcp"; secret = true; ttl = 86400; algorithm = "turn" };
	}
{%- endif %}

---------- Focus and bridges ----------

VirtualHost {{ ("auth." ~ domain) | lua }}
	authentication = "internal_hashed"
	-- A bridge or focus that is restarted or loses its connection comes back to its rooms within
	-- this time; what is said meanwhile waits for it.
	smacks_hibernation_time = 15
	smacks_max_queue_size = 10000
	-- Issued by the site's own authority, which focus and bridges verify against.
	ssl = {
		certificate = {{ ("/etc/prosody/certs/auth." ~ domain ~ ".crt") | lua }};
		key = {{ ("/etc/prosody/certs/auth." ~ domain ~ ".key") | lua }};
	}

---------- Rooms ----------

-- Meetings. Only the focus opens rooms; it is owner of each through "admins".
Component {{ ("conference." ~ domain) | lua }} "muc"
	name = "Meetings"
	storage = "memory"
	modules_enabled = { "jitctl_lobby"{% if max_occupants %}; "jitctl_max_occupants"{% endif %} }
{%- if max_occupants %}
	jitctl_max_occupants = {{ max_occupants }}
	jitctl_service_domain = {{ ("auth." ~ domain) | lua }}
{%- endif %}
	lobby_component = {{ ("lobby." ~ domain) | lua }}
	restrict_room_creation = true
	-- A new room is usable at once: the focus does not submit the owner form first.
	muc_room_locking = false
	-- Clients tell focus and people apart by their real addresses.
	muc_room_default_public_jids = true
	-- A destroyed room can be opened again.
	muc_tombstones = false
	-- Above the number of rooms at a time; beyond it live rooms go through storage.
	muc_room_cache_size = 10000
	max_history_messages = 0
	muc_room_default_history_length = 0

-- Where people wait while a moderator has the lobby on: one room for each meeting, made and ended
-- by its meeting.
Component {{ ("lobby." ~ domain) | lua }} "muc"
	name = "Lobbies"
	storage = "memory"
	muc_room_locking = false
	muc_room_default_public_jids = true
	muc_tombstones = false
	muc_room_cache_size = 10000
	max_history_messages = 0
	muc_room_default_history_length = 0

-- Moderators hold microphones, cameras and screens.
Component {{ ("avmoderation." ~ domain) | lua }} "jitctl_av_moderation"
	muc_component = {{ ("conference." ~ domain) | lua }}

-- Who spoke how long.
Component {{ ("speakerstats." ~ domain) | lua }} "jitctl_speakerstats"
	muc_component = {{ ("conference." ~ domain) | lua }}

-- The brewery, where bridges announce themselves.
Component {{ ("internal.auth." ~ domain) | lua }} "muc"
	name = "Services"
	storage = "memory"
	restrict_room_creation = true
	muc_room_locking = false
	muc_room_default_public_jids = true
	muc_tombstones = false
	muc_room_cache_size = 1000
	max_history_messages = 0
	muc_room_default_history_length = 0

-- The focus as XEP-0114 component; its secret is in jitctl-secrets.cfg.lua. While it is away, people
-- are told to ask again.
Component {{ ("focus." ~ domain) | lua }}
	name = "Focus"
	modules_enabled = { "jitctl_focus_away" }
