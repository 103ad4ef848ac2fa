-- Managed by jitctl; local changes are replaced by the next apply.
-- Limits the people in a room. Clients show "too many people" on this refusal. The focus and other
-- service accounts are let in, and not counted.

local jid = require "util.jid";
local st = require "util.stanza";

local limit = module:get_option_number("jitctl_max_occupants");
local service_domain = module:get_option_string("jitctl_service_domain", "");

local function is_counted(real_jid)
	return jid.host(real_jid) ~= service_domain;
end

module:hook("muc-occupant-pre-join", function (event)
	local stanza = event.stanza;
	if not limit or not is_counted(stanza.attr.from) then return; end
	local people = 0;
	for _, occupant in event.room:each_occupant() do
		people = people + (is_counted(occupant.bare_jid) and 1 or 0);
	end
	if people >= limit then
		module:log("info", "%s is full: %d people", event.room.jid, people);
		event.origin.send(st.error_reply(stanza, "cancel", "service-unavailable"));
		return true;
	end
end, 5);
