-- Managed by jitctl; local changes are replaced by the next apply.
-- A waiting room. It is on while the meeting's room is for members only, which moderators switch
-- with the room's own form. Who comes then is told of the lobby, a room of the same name on the
-- lobby's component; moderators see there who waits, invite them into the meeting, which makes
-- them members, or kick them. Who waits sees moderators only. The focus is never held up.

local jid = require "util.jid";
local st = require "util.stanza";
local lib = module:require "jitctl";

local lobby_host = module:get_option_string("lobby_component");
local MUC_USER = "http://jabber.org/protocol/muc#user";
local LOBBY_ROOMS = "http://jitsi.org/protocol/lobbyrooms";

local function lobby_address(room)
	return jid.join(jid.node(room.jid), lobby_host);
end

--- The meeting that a lobby belongs to.
local function meeting_of(lobby)
	return lib.room(jid.join(jid.node(lobby.jid), module.host));
end

local function lobby_of(room)
	return lib.room(lobby_address(room));
end

--- Whether somebody moderates the meeting.
local function moderates(room, real_jid)
	local occupant = room:get_occupant_by_real_jid(real_jid);
	return occupant ~= nil and occupant.role == "moderator";
end

--- People who wait neither see nor hear each other.
local function separate(lobby)
	local deliver, list = lobby.route_to_occupant, lobby.send_occupant_list;
	local function is_moderator(nick)
		local occupant = lobby:get_occupant_by_nick(nick);
		return occupant ~= nil and occupant.role == "moderator";
	end
	function lobby:route_to_occupant(to, stanza)
		local from = stanza.attr.from;
		if to.role == "moderator" or from == to.nick or not jid.resource(from) or is_moderator(from) then
			return deliver(self, to, stanza);
		end
	end
	function lobby:send_occupant_list(to, filter)
		local receiver = self:get_occupant_by_real_jid(to);
		local sees_all = receiver ~= nil and receiver.role == "moderator";
		return list(self, to, function (nick, occupant)
			local seen = sees_all or occupant.role == "moderator" or occupant == receiver;
			return seen and (filter == nil or filter(nick, occupant));
		end);
	end
end

local function open_lobby(room)
	if lobby_of(room) then return; end
	local lobbies = lib.rooms_of(lobby_host);
	local lobby = lobbies and lobbies.create_room(lobby_address(room));
	if not lobby then
		return module:log("error", "cannot open the lobby of %s", room.jid);
	end
	lobby:set_hidden(true);
	lobby:set_whois("anyone");
	separate(lobby);
end

--- Closes the lobby; with an address those who wait go there.
local function close_lobby(room, go_to, reason)
	local lobby = lobby_of(room);
	if lobby then
		lobby:destroy(go_to, reason);
	end
end

-- Before the room puts out everybody who is no member.
module:hook("muc-config-submitted/muc#roomconfig_membersonly", function (event)
	local room = event.room;
	local on = event.value and true or false;
	if on == (room:get_members_only() and true or false) then return; end
	local actor = room:get_occupant_by_real_jid(event.stanza.attr.from);
	if on then
		for _, occupant in room:each_occupant() do
			if not room:get_affiliation(occupant.bare_jid) then
				room:set_affiliation(true, occupant.bare_jid, "member");
			end
		end
		open_lobby(room);
	else
		close_lobby(room, room.jid, "Lobby room closed.");
	end
	if actor then
		lib.say(room, actor.nick, { type = "lobby-notify", event = "LOBBY-ENABLED", value = on });
	end
end, 10);

module:hook("muc-room-destroyed", function (event)
	close_lobby(event.room, nil, event.reason);
end);

module:hook("muc-disco#info", function (event)
	local room = event.room;
	if not (room:get_members_only() and lobby_of(room)) then return; end
	table.insert(event.form, {
		name = "muc#roominfo_lobbyroom"; label = "Lobby room"; type = "text-single"; value = "";
	});
	event.formdata["muc#roominfo_lobbyroom"] = lobby_address(room);
end);

-- Before the room itself refuses, which would not tell where the lobby is.
module:hook("muc-occupant-pre-join", function (event)
	local room, stanza = event.room, event.stanza;
	if not room:get_members_only() or not lobby_of(room) then return; end
	if room:get_affiliation(stanza.attr.from) then return; end
	local password = stanza:get_child("x", "http://jabber.org/protocol/muc");
	password = password and password:get_child_text("password", "http://jabber.org/protocol/muc");
	if password and password ~= "" and password == room:get_password() then
		room:set_affiliation(true, jid.bare(stanza.attr.from), "member");
		return;
	end
	local reply = st.error_reply(stanza, "auth", "registration-required");
	reply.tags[1].attr.code = "407";
	reply:tag("lobbyroom", { xmlns = lib.xmlns }):text(lobby_address(room)):up();
	event.origin.send(reply);
	return true;
end, -4);

-- One message may invite several people; the room reads one of them.
module:hook("message/bare", function (event)
	local stanza, origin = event.stanza, event.origin;
	local x = stanza:get_child("x", MUC_USER);
	local invites = {};
	for invite in (x or st.stanza("x")):childtags("invite") do
		invites[#invites + 1] = invite;
	end
	local room = #invites > 0 and lib.room(stanza.attr.to);
	if not room or not lobby_of(room) then return; end
	local actor = room:get_occupant_by_real_jid(stanza.attr.from);
	for _, invite in ipairs(invites) do
		local single = st.message({ from = stanza.attr.from, to = stanza.attr.to, id = stanza.attr.id })
			:tag("x", { xmlns = MUC_USER }):add_child(st.clone(invite)):up();
		local waiting = lobby_of(room):get_occupant_by_real_jid(invite.attr.to or "");
		room:handle_mediated_invite(origin, single);
		if waiting and actor and actor.role == "moderator" then
			local presence = waiting:get_presence();
			lib.say(room, actor.nick, {
				type = "lobby-notify", event = "LOBBY-ACCESS-GRANTED",
				value = jid.resource(waiting.nick),
				name = presence and presence:get_child_text("nick", "http://jabber.org/protocol/nick"),
			});
		end
	end
	return true;
end, 5);

lib.with_host(module, lobby_host, function (lobbies)
	-- Moderators of the meeting moderate its lobby; nobody opens a lobby by joining it.
	lobbies:hook("muc-room-pre-create", function (event)
		event.origin.send(st.error_reply(event.stanza, "cancel", "not-allowed"));
		return true;
	end, 10);
	lobbies:hook("muc-occupant-pre-join", function (event)
		local lobby, real_jid = event.room, event.stanza.attr.from;
		local meeting = meeting_of(lobby);
		if meeting and moderates(meeting, real_jid) then
			lobby:set_affiliation(true, jid.bare(real_jid), "owner");
			-- The role was given before this was known.
			event.occupant.role = "moderator";
		end
	end, 10);
	-- A kick is a refusal, which the meeting hears of.
	lobbies:hook("muc-broadcast-presence", function (event)
		local kicked = false;
		for status in event.x:childtags("status") do
			kicked = kicked or status.attr.code == "307";
		end
		local meeting = kicked and meeting_of(event.room);
		local actor = meeting and event.actor and meeting:get_occupant_by_real_jid(event.actor);
		if actor then
			local presence = event.occupant:get_presence();
			lib.say(meeting, actor.nick, {
				type = "lobby-notify", event = "LOBBY-ACCESS-DENIED",
				value = jid.resource(event.occupant.nick),
				name = presence and presence:get_child_text("nick", "http://jabber.org/protocol/nick"),
			});
		end
	end);
	-- Clients ask the lobby's host what it can do.
	lobbies:hook("host-disco-info-node", function (event)
		if event.node == "lobbyrooms" then
			event.reply:tag("feature", { var = LOBBY_ROOMS }):up();
			event.exists = true;
		end
	end);
end);
