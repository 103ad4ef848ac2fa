import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type Event,
  initialState,
  raisedHands,
  reduce,
  type Source,
  type State,
} from "../src/model/state";
import { colourOf, initials, sceneOf, tilesOf, tileWords } from "../src/model/tiles";

const media = () => ({ attach: () => undefined, detach: () => undefined });
const source = (name: string, muted = false): Source => ({ name, muted, media: media() });
const after = (...events: Event[]): State => events.reduce(reduce, initialState("Ada"));
const JOINED: Event = { is: "joined", id: "00000001" };
const came = (id: string, name = id): Event => ({ is: "came", id, name, moderator: false });

test("whoever comes is there once, and leaves nothing behind", () => {
  const state = after(JOINED, came("b"), came("b"), came("c"), { is: "dominant", id: "b" });
  assert.deepEqual(
    state.people.map((one) => one.id),
    ["b", "c"],
  );
  const pinned = reduce(state, { is: "pin", tile: "b/camera" });
  const left = reduce(pinned, { is: "went", id: "b" });
  assert.equal(left.dominant, undefined);
  assert.equal(left.pinned, undefined);
  assert.deepEqual(
    left.people.map((one) => one.id),
    ["c"],
  );
});

test("events about oneself change oneself", () => {
  const state = after(JOINED, came("b"), { is: "role", id: "00000001", moderator: true });
  assert.equal(state.me.moderator, true);
  assert.equal(state.people[0]?.moderator, false);
});

test("a source that was replaced is not taken away by the end of the old one", () => {
  const old = source("b-v0");
  const fresh = source("b-v0");
  const state = after(
    JOINED,
    came("b"),
    { is: "source", id: "b", kind: "camera", source: old },
    { is: "source", id: "b", kind: "camera", source: fresh },
    { is: "source-gone", id: "b", kind: "camera", media: old.media },
  );
  assert.equal(state.people[0]?.sources.camera?.media, fresh.media);
});

test("after a loss the room is empty until the server says otherwise; the chat stays", () => {
  const state = after(
    JOINED,
    came("b"),
    { is: "message", message: { from: "b", name: "b", mine: false, text: "hello", at: 1 } },
    { is: "phase", phase: "reconnecting" },
    { is: "emptied" },
  );
  assert.equal(state.people.length, 0);
  assert.equal(state.messages.length, 1);
  assert.equal(reduce(state, JOINED).phase, "meeting");
});

test("messages count as unread until the chat is open", () => {
  const message = (mine: boolean): Event => ({
    is: "message",
    message: { from: "b", name: "b", mine, text: "x", at: 1 },
  });
  const state = after(JOINED, message(false), message(true), message(false));
  assert.equal(state.unread, 2);
  const open = reduce(state, { is: "panel", panel: "chat" });
  assert.equal(open.unread, 0);
  assert.equal(reduce(open, message(false)).unread, 0);
});

test("whoever waits is listed once, until answered or until the door is open", () => {
  const knock = (id: string): Event => ({ is: "knocked", one: { id, name: id } });
  const state = after(JOINED, { is: "waiting-room", on: true }, knock("x"), knock("y"), knock("x"));
  assert.deepEqual(
    state.waiting.map((one) => one.id),
    ["y", "x"],
  );
  assert.equal(reduce(state, { is: "knock-over", id: "y" }).waiting.length, 1);
  assert.equal(reduce(state, { is: "waiting-room", on: false }).waiting.length, 0);
});

test("the longest raised hand is first", () => {
  const state = after(
    JOINED,
    came("b"),
    came("c"),
    { is: "hand", id: "c", since: 10 },
    { is: "hand", id: "00000001", since: 20 },
    { is: "hand", id: "b", since: 5 },
    { is: "hand", id: "b", since: undefined },
  );
  assert.deepEqual(
    raisedHands(state).map((one) => one.id),
    ["c", "00000001"],
  );
});

test("everybody has a tile, and a shared screen one more", () => {
  const state = after(JOINED, came("b"), {
    is: "source",
    id: "b",
    kind: "screen",
    source: source("b-v1"),
  });
  assert.deepEqual(
    tilesOf(state).map((tile) => tile.key),
    ["b/screen", "b/camera", "00000001/camera"],
  );
});

test("a shared screen takes the stage, one's own does not", () => {
  const shared = (id: string): Event => ({
    is: "source",
    id,
    kind: "screen",
    source: source("v1"),
  });
  assert.equal(sceneOf(after(JOINED, came("b"), shared("b"))).stage?.key, "b/screen");
  assert.equal(sceneOf(after(JOINED, came("b"), shared("00000001"))).stage, undefined);
});

test("a screen that is muted has no tile", () => {
  const state = after(
    JOINED,
    came("b"),
    { is: "source", id: "b", kind: "screen", source: source("b-v1") },
    { is: "source-muted", id: "b", kind: "screen", muted: true },
  );
  assert.equal(tilesOf(state).length, 2);
});

test("a pin wins over a screen, and the speaker over nobody", () => {
  const state = after(
    JOINED,
    came("b"),
    came("c"),
    { is: "source", id: "b", kind: "screen", source: source("b-v1") },
    { is: "pin", tile: "c/camera" },
  );
  assert.equal(sceneOf(state).stage?.key, "c/camera");
  const speaking = after(
    JOINED,
    came("b"),
    came("c"),
    { is: "layout", layout: "speaker" },
    { is: "dominant", id: "c" },
  );
  assert.equal(sceneOf(speaking).stage?.key, "c/camera");
  assert.equal(sceneOf(after(JOINED, { is: "layout", layout: "speaker" })).stage, undefined);
});

test("a camera that is off leaves the tile without a picture", () => {
  const state = after(JOINED, came("b"), {
    is: "source",
    id: "b",
    kind: "camera",
    source: source("b-v0", true),
  });
  assert.equal(sceneOf(state).others[0]?.picture, undefined);
});

test("a tile tells a screen reader what it shows", () => {
  const state = after(
    JOINED,
    came("b", "Bo"),
    { is: "hand", id: "b", since: 1 },
    { is: "source", id: "b", kind: "audio", source: source("b-a0") },
  );
  const tile = tilesOf(state)[0];
  assert.ok(tile);
  assert.equal(tileWords(tile), "Bo, camera off, hand raised");
});

test("initials come from any script, and nobody is without", () => {
  assert.equal(initials("Ada Lovelace"), "AL");
  assert.equal(initials("Жанна"), "Ж");
  assert.equal(initials("  "), "?");
  assert.equal(initials("👋 Kim"), "?K");
});

test("a person keeps a colour", () => {
  assert.equal(colourOf("1a2b3c4d", 8), colourOf("1a2b3c4d", 8));
  assert.ok(colourOf("1a2b3c4d", 8) < 8);
});
