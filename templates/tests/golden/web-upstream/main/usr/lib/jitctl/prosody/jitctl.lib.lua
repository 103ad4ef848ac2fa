-- Managed by jitctl; local changes are replaced by the next apply.
-- What the modules share: the rooms of another component, and JSON messages to people.

local jid = require "util.jid";
local json = require "util.json";
local st = require "util.stanza";

local XMLNS = "http://jitsi.org/jitmeet";
local lib = { xmlns = XMLNS };

--- Calls back with the context of a host, now or as soon as it is there.
function lib.with_host(module, name, callback)
	if prosody.hosts[name] then
		return callback(module:context(name));
	end
	local done = false;
	module:hook_global("host-activated", function (host)
		if host == name and not done then
			done = true;
			callback(module:context(name));
		end
	end);
end

local function rooms_of(host)
	local known = prosody.hosts[host];
	return known and known.modules.muc;
end

--- The room of this address, on any component for rooms.
function lib.room(address)
	local muc = rooms_of(jid.host(address) or "");
	return muc and muc.get_room_from_jid(address);
end

--- The rooms component of a host.
lib.rooms_of = rooms_of;

--- The room of this service that a connection is in, with its place there.
function lib.room_of(service, real_jid)
	local muc = rooms_of(service);
	for room in (muc and muc.live_rooms or function () return function () end end)() do
		local occupant = room:get_occupant_by_real_jid(real_jid);
		if occupant then
			return room, occupant;
		end
	end
end

--- Whether a place in a room is the focus's.
function lib.is_focus(occupant)
	return jid.resource(occupant.nick) == "focus";
end

--- Sends JSON to every connection of somebody.
function lib.tell(module, occupant, content)
	for real_jid in occupant:each_session() do
		module:send(st.message({ from = module.host, to = real_jid })
			:tag("json-message", { xmlns = XMLNS }):text(json.encode(content)):up());
	end
end

--- Says something in a room, as somebody who is in it.
function lib.say(room, from, content)
	room:broadcast_message(st.message({ type = "groupchat", from = from })
		:tag("json-message", { xmlns = XMLNS }):text(json.encode(content)):up());
end

return lib;
