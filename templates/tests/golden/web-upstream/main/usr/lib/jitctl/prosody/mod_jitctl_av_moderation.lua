-- Managed by jitctl; local changes are replaced by the next apply.
-- Moderators hold microphones, cameras and screens: while a kind is moderated, people unmute it
-- only with a moderator's leave. The focus, moderator of every room, hears everything said here
-- and has bridges drop what is not allowed.

local jid = require "util.jid";
local lib = module:require "jitctl";

local service = module:get_option_string("muc_component");
local kinds = { audio = true, video = true, desktop = true };

--- What is moderated in a room: by kind, who switched it on and who has leave.
local function state_of(room)
	room.jitctl_av_moderation = room.jitctl_av_moderation or {};
	return room.jitctl_av_moderation;
end

local function message(room, kind, fields)
	fields.type = "av_moderation";
	fields.room = room.jid;
	fields.mediaType = kind;
	return fields;
end

local function is_moderator(occupant)
	return occupant.role == "moderator";
end

--- Tells everybody, or those that fit.
local function tell_all(room, content, fits)
	for _, occupant in room:each_occupant() do
		if not fits or fits(occupant) then
			lib.tell(module, occupant, content);
		end
	end
end

local function leave_message(room, kind, removed)
	local lists = {};
	for each, moderated in pairs(state_of(room)) do
		local list = {};
		for nick in pairs(moderated.leave) do
			list[#list + 1] = nick;
		end
		table.sort(list);
		-- An empty table would be written as an object, which clients do not read as a list.
		lists[each] = #list > 0 and list or nil;
	end
	return message(room, kind, { whitelists = lists, removed = removed });
end

local function switch(room, actor, kind, on)
	local state = state_of(room);
	if on == (state[kind] ~= nil) then return; end
	state[kind] = on and { actor = actor.nick, leave = {} } or nil;
	tell_all(room, message(room, kind, { enabled = on, actor = actor.nick }));
	if on then
		tell_all(room, leave_message(room, kind), is_moderator);
	end
end

local function give_leave(room, actor, kind, nick, given)
	local moderated = state_of(room)[kind];
	local occupant = jid.bare(nick) == room.jid and room:get_occupant_by_nick(nick);
	if not moderated or not occupant then return; end
	moderated.leave[nick] = given or nil;
	tell_all(room, leave_message(room, kind, not given or nil), is_moderator);
	lib.tell(module, occupant, message(room, kind, {
		approved = given or nil, removed = not given or nil, from = actor.nick,
	}));
end

module:hook("message/host", function (event)
	local request = event.stanza:get_child("av_moderation");
	if not request then return; end
	local from = event.stanza.attr.from;
	local room, actor = lib.room_of(service, from);
	if not room or not is_moderator(actor) then
		module:log("warn", "%s moderates no room", from);
		return true;
	end
	local kind = request.attr.mediaType;
	if not kinds[kind] then
		module:log("warn", "%s moderates an unknown kind of media", from);
	elseif request.attr.enable ~= nil then
		switch(room, actor, kind, request.attr.enable == "true");
	elseif request.attr.jidToWhitelist then
		give_leave(room, actor, kind, request.attr.jidToWhitelist, true);
	elseif request.attr.jidToBlacklist then
		give_leave(room, actor, kind, request.attr.jidToBlacklist, false);
	end
	return true;
end);

--- A newcomer hears what is moderated; a moderator also who has leave.
local function inform(room, occupant)
	for kind, moderated in pairs(state_of(room)) do
		lib.tell(module, occupant, message(room, kind, { enabled = true, actor = moderated.actor }));
		if is_moderator(occupant) then
			lib.tell(module, occupant, leave_message(room, kind));
		end
	end
end

lib.with_host(module, service, function (rooms)
	rooms:hook("muc-occupant-joined", function (event)
		if next(state_of(event.room)) then
			inform(event.room, event.occupant);
		end
	end, -10);
	rooms:hook("muc-occupant-left", function (event)
		for _, moderated in pairs(state_of(event.room)) do
			moderated.leave[event.occupant.nick] = nil;
		end
	end, -10);
	-- Whoever becomes moderator in the middle hears who has leave.
	rooms:hook("muc-set-affiliation", function (event)
		local room = event.room;
		if not event.in_room or event.affiliation ~= "owner" then return; end
		for _, occupant in room:each_occupant() do
			if occupant.bare_jid == event.jid then
				for kind in pairs(state_of(room)) do
					lib.tell(module, occupant, leave_message(room, kind));
				end
			end
		end
	end, -10);
end);
