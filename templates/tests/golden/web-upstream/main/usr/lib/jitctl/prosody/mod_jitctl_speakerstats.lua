-- Managed by jitctl; local changes are replaced by the next apply.
-- Who spoke how long. Whoever becomes the dominant speaker says so; who joins is told the times of
-- all, also of those who left.

local jid = require "util.jid";
local now = require "util.time".now;
local lib = module:require "jitctl";

local service = module:get_option_string("muc_component");

--- Times by nickname in one room.
local function book_of(room)
	local book = room.jitctl_speakers or { people = {}, dominant = nil };
	room.jitctl_speakers = book;
	return book;
end

local function person_in(book, occupant)
	local id = jid.resource(occupant.nick);
	local person = book.people[id];
	if not person then
		person = { total = 0 };
		book.people[id] = person;
	end
	return person, id;
end

--- Ends the running time of whoever speaks.
local function close(book)
	local person = book.dominant and book.people[book.dominant];
	if person and person.since then
		person.total = person.total + (now() - person.since);
		person.since = nil;
	end
	book.dominant = nil;
end

local function note_name(person, occupant)
	local presence = occupant:get_presence();
	person.name = presence and presence:get_child_text("nick", "http://jabber.org/protocol/nick")
		or person.name;
end

module:hook("message/host", function (event)
	local message = event.stanza:get_child("speakerstats", lib.xmlns);
	if not message then return; end
	local room = lib.room(message.attr.room or "");
	local occupant = room and room:get_occupant_by_real_jid(event.stanza.attr.from);
	if not occupant then
		module:log("info", "%s is not in %s", event.stanza.attr.from, message.attr.room);
		return true;
	end
	local book = book_of(room);
	local person, id = person_in(book, occupant);
	close(book);
	if message.attr.silence ~= "true" then
		book.dominant = id;
		person.since = now();
	end
	return true;
end);

local function joined(event)
	local room, occupant = event.room, event.occupant;
	if lib.is_focus(occupant) then return; end
	local book = book_of(room);
	local users, any = {}, false;
	for id, person in pairs(book.people) do
		local running = person.since and (now() - person.since) or 0;
		users[id] = {
			displayName = person.name or "";
			totalDominantSpeakerTime = math.floor((person.total + running) * 1000);
			isDominantSpeaker = book.dominant == id;
			faceLandmarks = {};
		};
		any = true;
	end
	note_name(person_in(book, occupant), occupant);
	if any then
		lib.tell(module, occupant, { type = "speakerstats", users = users });
	end
end

local function left(event)
	local room, occupant = event.room, event.occupant;
	if lib.is_focus(occupant) then return; end
	local book = book_of(room);
	local person, id = person_in(book, occupant);
	if book.dominant == id then
		close(book);
	end
	note_name(person, occupant);
end

lib.with_host(module, service, function (rooms)
	rooms:hook("muc-occupant-joined", joined, -10);
	rooms:hook("muc-occupant-left", left, -10);
end);
