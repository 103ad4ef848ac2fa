import assert from "node:assert/strict";
import { test } from "node:test";
import { delayBefore } from "../src/model/backoff";
import { constraintsFor, gridFor, heightToAsk } from "../src/model/layout";
import { measuredWords, percentOf, qualityOf } from "../src/model/quality";
import { pathOfTyped, roomFromPath, suggestedName } from "../src/model/room";
import { actionOf, SHORTCUTS } from "../src/model/shortcuts";
import { conferenceTrouble, connectionTrouble, deviceTrouble } from "../src/model/words";
import { readSettings } from "../src/settings";

test("a room is named by the path, in lower case and encoded as Jitsi Meet does", () => {
  assert.deepEqual(roomFromPath("/Standup"), { title: "Standup", name: "standup" });
  assert.deepEqual(roomFromPath("/Caf%C3%89/"), { title: "CafÉ", name: "caf%c3%a9" });
  assert.deepEqual(roomFromPath("/Team%20A/Weekly"), { title: "Weekly", name: "[team%20a]weekly" });
  assert.equal(roomFromPath("/"), undefined);
  assert.equal(roomFromPath("//"), undefined);
});

test("a broken escape in the path is taken as it stands", () => {
  assert.deepEqual(roomFromPath("/100%"), { title: "100%", name: "100%25" });
});

test("a typed name becomes a path that leads back to it", () => {
  assert.equal(pathOfTyped("  my weekly  call "), "/my-weekly-call");
  assert.equal(pathOfTyped("a&b/c?d"), "/a%26b/c%3Fd");
  assert.equal(pathOfTyped("   "), undefined);
  assert.equal(roomFromPath(pathOfTyped("Größe") ?? "")?.title, "Größe");
});

test("suggested names hold only what needs no encoding", () => {
  for (const value of [0, 0.31, 0.77, 0.9999]) {
    const name = suggestedName(() => value);
    assert.match(name, /^[a-z]+-[a-z]+-[a-z]+-\d{3}$/);
    assert.equal(roomFromPath(`/${name}`)?.name, name);
  }
});

test("waits grow, never pass fifteen seconds, and differ between people", () => {
  const longest = Array.from({ length: 12 }, (_, attempt) => delayBefore(attempt, () => 1));
  assert.deepEqual(
    [...longest].sort((a, b) => a - b),
    longest,
  );
  assert.equal(Math.max(...longest), 15000);
  assert.ok((longest[0] ?? 0) < 500);
  assert.notEqual(
    delayBefore(4, () => 0),
    delayBefore(4, () => 1),
  );
});

test("the grid uses the shape of the window", () => {
  assert.equal(gridFor(1, 1600, 900, 8).columns, 1);
  assert.equal(gridFor(4, 1600, 900, 8).columns, 2);
  assert.equal(gridFor(3, 400, 900, 8).columns, 1);
  assert.equal(gridFor(3, 2000, 400, 8).columns, 3);
});

test("a grid never overflows its space", () => {
  for (let count = 1; count <= 60; count += 1) {
    for (const [width, height] of [
      [1920, 1080],
      [390, 700],
      [800, 300],
    ] as const) {
      const grid = gridFor(count, width, height, 8);
      assert.ok(grid.columns * grid.rows >= count);
      assert.ok(grid.columns * grid.width + (grid.columns - 1) * 8 <= width + 0.01);
      assert.ok(grid.rows * grid.height + (grid.rows - 1) * 8 <= height + 0.01);
    }
  }
});

test("video is asked for as large as it is shown, and no larger", () => {
  assert.equal(heightToAsk(170, 1), 180);
  assert.equal(heightToAsk(400, 1), 360);
  assert.equal(heightToAsk(400, 2), 720);
  assert.equal(heightToAsk(400, 5), 720);
  assert.equal(heightToAsk(5000, 2), 2160);
});

test("what stands on the stage is asked for as such", () => {
  const asked = constraintsFor({
    stage: "a-v1",
    stageHeight: 1080,
    others: ["b-v0"],
    otherHeight: 180,
  });
  assert.deepEqual(asked.onStageSources, ["a-v1"]);
  assert.deepEqual(asked.constraints, { "a-v1": { maxHeight: 1080 }, "b-v0": { maxHeight: 180 } });
  assert.deepEqual(
    constraintsFor({ stage: undefined, stageHeight: 0, others: [], otherHeight: 0 }).onStageSources,
    [],
  );
});

test("connections have four steps and an unknown one", () => {
  assert.deepEqual(
    [100, 60, 59, 30, 29, 0].map((percent) => qualityOf(percent, false)),
    ["good", "good", "fair", "fair", "poor", "poor"],
  );
  assert.equal(qualityOf(undefined, false), "unknown");
  assert.equal(qualityOf(100, true), "lost");
});

test("loss and delay decide, and without them the client's own verdict", () => {
  assert.equal(percentOf({ percent: 20 }), 20);
  assert.equal(percentOf({}), undefined);
  assert.equal(percentOf({ percent: 20, lossPercent: 0, roundTripMs: 30 }), 100);
  assert.equal(percentOf({ percent: 100, lossPercent: 12, roundTripMs: 150 }), 28);
  assert.equal(percentOf({ lossPercent: 0, roundTripMs: 5000 }), 50);
  assert.equal(percentOf({ lossPercent: 100 }), 0);
});

test("only what was measured is told", () => {
  assert.equal(measuredWords({}), "");
  assert.equal(
    measuredWords({ roundTripMs: 31.4, lossPercent: 0, downKbit: 1530, upKbit: 300 }),
    "31 ms round trip · 0 % lost · 1.5 Mbit/s in · 300 kbit/s out",
  );
});

const pressed = (key: string, more = {}) => ({
  key,
  ctrlKey: false,
  altKey: false,
  metaKey: false,
  typing: false,
  onControl: false,
  ...more,
});

test("keys act where nobody types and without modifiers", () => {
  assert.equal(actionOf(pressed("m")), "microphone");
  assert.equal(actionOf(pressed("M")), "microphone");
  assert.equal(actionOf(pressed("m", { typing: true })), undefined);
  assert.equal(actionOf(pressed("r", { ctrlKey: true })), undefined);
  assert.equal(actionOf(pressed("x")), undefined);
});

test("Space presses the button it is on, and elsewhere is the key to speak", () => {
  assert.equal(actionOf(pressed(" ")), "talk");
  assert.equal(actionOf(pressed(" ", { onControl: true })), undefined);
});

test("no key has two meanings", () => {
  assert.equal(new Set(SHORTCUTS.map((shortcut) => shortcut.key)).size, SHORTCUTS.length);
});

test("every failure has words, known or not", () => {
  assert.equal(conferenceTrouble("conference.passwordRequired").remedy, "password");
  assert.equal(conferenceTrouble("conference.authenticationRequired").remedy, "login");
  assert.equal(conferenceTrouble("conference.focusLeft").automatic, true);
  assert.match(conferenceTrouble("conference.brandNew").advice, /conference\.brandNew/);
  assert.equal(connectionTrouble("connection.passwordRequired").automatic, false);
  assert.equal(connectionTrouble("anything").automatic, true);
});

test("a device that fails is named with what to do; a choice is no failure", () => {
  assert.match(deviceTrouble("camera", "gum.permission_denied") ?? "", /camera/);
  assert.match(deviceTrouble("microphone", "NotFoundError") ?? "", /microphone/);
  assert.match(deviceTrouble("camera", "gum.odd") ?? "", /gum\.odd/);
  assert.equal(deviceTrouble("screen", "gum.screensharing_user_canceled"), undefined);
  assert.equal(deviceTrouble("screen", "NotAllowedError"), undefined);
});

test("settings follow from the domain when the file gives none", () => {
  const settings = readSettings(undefined, "meet.example.org");
  assert.deepEqual(settings.hosts, {
    domain: "meet.example.org",
    muc: "conference.meet.example.org",
    focus: "focus.meet.example.org",
  });
  assert.equal(settings.websocket, "wss://meet.example.org/xmpp-websocket");
  assert.equal(settings.preferSctp, true);
});

test("the site's file decides, and wrong types are left out", () => {
  const settings = readSettings(
    {
      hosts: { domain: "d", muc: "m.d", focus: 7, anonymousdomain: "guest.d", authdomain: "d" },
      bridgeChannel: { preferSctp: false },
      conferenceRequestUrl: "https://d/conference-request/v1",
      p2p: { enabled: false, useStunTurn: true, stunServers: [{ urls: "stun:d:3478" }, 5, {}] },
    },
    "host",
  );
  assert.equal(settings.hosts.muc, "m.d");
  assert.equal(settings.hosts.focus, "focus.d");
  assert.equal(settings.hosts.anonymousdomain, "guest.d");
  assert.equal(settings.preferSctp, false);
  assert.deepEqual(settings.direct, {
    enabled: false,
    useTurn: true,
    stunServers: [{ urls: "stun:d:3478" }],
  });
});
