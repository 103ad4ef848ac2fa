-- Managed by jitctl; local changes are replaced by the next apply.
-- Answers conference requests while the focus is away, as in the second of a restart: "not ready",
-- upon which clients ask again. The error that Prosody gives for a component that is not connected
-- would end their attempt. Requests that a focus took with it when it went are answered so, too.

local st = require "util.stanza";

local XMLNS = "http://jitsi.org/protocol/focus";

--- What to answer to requests that the focus has and has not answered, by who asked.
local unanswered = {};

local function key(person, id)
	return person .. " " .. id;
end

local function is_connected()
	return prosody.hosts[module.host].modules.component.connected;
end

module:hook("iq/host", function (event)
	local stanza = event.stanza;
	local request = stanza:get_child("conference", XMLNS);
	if stanza.attr.type ~= "set" or not request then return; end
	local not_ready = st.reply(stanza):tag("conference", {
		xmlns = XMLNS;
		room = request.attr.room;
		ready = "false";
	}):up();
	if is_connected() then
		unanswered[key(stanza.attr.from, stanza.attr.id)] = not_ready;
		return;
	end
	event.origin.send(not_ready);
	return true;
end);

module:hook("component-disconnected", function ()
	local answers = unanswered;
	unanswered = {};
	for _, not_ready in pairs(answers) do
		module:send(not_ready);
	end
end);

--- Notes what the focus answers to the people of a host.
local function watch(host)
	if prosody.hosts[host].type ~= "local" then return; end
	module:context(host):hook("iq/full", function (event)
		local attr = event.stanza.attr;
		if attr.from == module.host then
			unanswered[key(attr.to, attr.id)] = nil;
		end
	end, 10);
end

for host in pairs(prosody.hosts) do
	watch(host);
end
module:hook_global("host-activated", watch);
