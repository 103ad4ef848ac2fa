/**
 * The matrix: who meets how, and what has to be seen. Each scenario returns claims (`what`, `holds`,
 * `timed` when only a machine that keeps up can tell) and figures for the table.
 */

import { Meeting, sleep } from "./meeting.mjs";

const SMALL = { width: 320, height: 180, rate: 10 };
const MEDIUM = { width: 640, height: 360, rate: 15 };
const LARGE = { width: 1280, height: 720, rate: 15 };
/** The longest time without a new picture that passes for none. */
const FREEZE_MS = 1000;
const FIRST_PICTURE_MS = 1000;
/** A changed link is followed within this time: hardly anything finds its queue full any more. */
const FOLLOW_MS = 5000;
/** The share of packets that passes for hardly anything. */
const MOST_DROPPED = 0.05;
/** A camera's encoder takes a while to its full rate, and pauses. */
const FULL_RATE_MS = 15_000;

const person = (more) => ({
  codec: "VP8",
  channel: "sctp",
  camera: SMALL,
  simulcast: true,
  ...more,
});

const claim = (what, holds) => ({ what, holds: Boolean(holds) });
const timed = (what, holds) => ({ ...claim(what, holds), timed: true });
const codecs = (look) => [...new Set(look.pairs.map((pair) => pair.picture?.codec))].join("+");

/** When the newest saw each of the others first, from the moment on at which it began to join. */
async function firstPictures(meeting, newcomer, began) {
  const times = [];
  for (const other of meeting.people) {
    if (other !== newcomer) times.push((await meeting.times(newcomer, other))[0] - began);
  }
  return Math.round(Math.max(...times));
}

/** People join one after the other; all see and hear all. */
function gathering(people, more = () => ({})) {
  return async (bridge, page) => {
    const meeting = new Meeting(bridge, page);
    let first = 0;
    let look;
    for (let at = 0; at < people; at += 1) {
      const began = await meeting.begin();
      const newcomer = await meeting.join(person(more(at)));
      look = await meeting.until((one) => one.met);
      if (at > 0 && look) first = Math.max(first, await firstPictures(meeting, newcomer, began));
    }
    const claims = [
      claim("right picture and sound for every pair", look),
      timed("first picture within a second of joining", first > 0 && first <= FIRST_PICTURE_MS),
    ];
    return { meeting, claims, figures: { people, codec: look && codecs(look), first } };
  };
}

/**
 * One watches another's large picture in the heights that it asks for. A third one gets all of it
 * throughout, so the sender has no reason to begin anew when the first one asks for less.
 */
function heights(sender, receiver = {}) {
  return async (bridge, page) => {
    const meeting = new Meeting(bridge, page);
    const of = await meeting.join(person({ camera: LARGE, ...sender }));
    const watcher = person({ ...receiver, codec: sender.codec ?? "VP8" });
    const by = await meeting.join(watcher);
    const seen = [];
    const claims = [];
    let look;
    const third = await meeting.join(watcher);
    const isWhole = (pair) => pair.by === third && pair.of === of && pair.picture?.height === 720;
    const whole = await meeting.until(({ pairs }) => pairs.some(isWhole), 20_000);
    claims.push(claim("who stands beside gets 720 lines", whole));
    const since = await meeting.begin();
    for (const height of [360, 180, 720]) {
      await meeting.constrain(by, { defaultConstraints: { maxHeight: height } });
      look = await meeting.until(
        ({ pairs }) =>
          pairs.some(
            (pair) => pair.by === by && pair.of === of && pair.sees && pair.picture.height === height,
          ),
        20_000,
      );
      claims.push(claim(`maxHeight ${height} gives ${height} lines`, look));
      seen.push(look ? height : "-");
    }
    const gap = await meeting.longestGap(by, of, since, await meeting.now());
    claims.push(timed("no freeze over a second", gap <= FREEZE_MS));
    look = await meeting.look();
    const { mode } = look.seen[0].sent.find((one) => one.active) ?? {};
    claims.push(claim("the right picture from the right sender", look.met));
    const codec = `${look.pairs.find((pair) => pair.by === by).picture?.codec} ${mode ?? ""}`;
    const people = meeting.people.length;
    return { meeting, claims, figures: { people, codec, heights: seen.join(" "), gap } };
  };
}

/** Two meet over a link that is bad from the beginning. */
function badLink(state) {
  return async (bridge, page) => {
    const meeting = new Meeting(bridge, page);
    const of = await meeting.join(person({ camera: MEDIUM, busy: true }));
    const by = await meeting.join(person({ link: state }));
    const met = await meeting.until((one) => one.met);
    await sleep(2000);
    const since = await meeting.begin();
    await sleep(8000);
    const end = await meeting.now();
    const gap = await meeting.longestGap(by, of, since, end);
    const shown = (await meeting.times(by, of, since)).length;
    const look = await meeting.look();
    const { picture } = look.pairs.find((pair) => pair.by === by);
    const claims = [
      claim("right picture and sound for every pair", met && look.met),
      timed("no freeze over a second", gap <= FREEZE_MS),
    ];
    const figures = {
      people: 2,
      codec: picture?.codec,
      rate: shown / ((end - since) / 1000),
      gap,
      lost: picture?.lost,
      repaired: picture?.repaired,
    };
    return { meeting, claims, figures };
  };
}

/** The way down narrows in the middle: what comes fits within five seconds. */
function narrowed(capacity, camera, more = {}) {
  const { height } = camera;
  return async (bridge, page) => {
    const meeting = new Meeting(bridge, page);
    const of = await meeting.join(person({ camera, busy: true }));
    const by = await meeting.join(person({ link: {}, ...more }));
    const wide = await meeting.until(
      ({ pairs }) =>
        pairs.some((pair) => pair.by === by && pair.sees && pair.picture.height >= height),
      20_000,
    );
    const { down } = by.link;
    const over = async (milliseconds) => {
      const [bytes, packets, dropped] = [down.bytes, down.packets, down.dropped];
      await sleep(milliseconds);
      return {
        rate: ((down.bytes - bytes) * 8) / milliseconds,
        packets: down.packets - packets,
        dropped: down.dropped - dropped,
      };
    };
    const latest = performance.now() + FULL_RATE_MS;
    let before;
    do before = await over(1000);
    while (before.rate <= capacity && performance.now() < latest);
    const since = await meeting.begin();
    by.link.shape({ down: { rate: capacity * 1000 } });
    await sleep(FOLLOW_MS);
    const after = await over(5000);
    const end = await meeting.now();
    const gap = await meeting.longestGap(by, of, since, end);
    const look = await meeting.look();
    const { picture } = look.pairs.find((pair) => pair.by === by);
    const shown = (await meeting.times(by, of, end - 5000)).length / 5;
    const fits = after.rate <= capacity && after.dropped <= MOST_DROPPED * after.packets;
    const claims = [
      timed(`${height} lines on the wide link, at more than the cap`, wide && before.rate > capacity),
      timed(`${capacity} kbit/s are followed within 5 s`, fits),
      timed("no freeze over a second", gap <= FREEZE_MS),
      claim("right picture and sound for every pair", look.met),
    ];
    const figures = {
      people: 2,
      codec: picture?.codec,
      rate: shown,
      heights: `${height} ${picture?.height}`,
      kilobits: `${Math.round(before.rate)} ${Math.round(after.rate)}`,
      gap,
      lost: after.dropped,
    };
    return { meeting, claims, figures };
  };
}

/** A new way to the bridge, taken in place: same session, same keys. */
async function restarted(bridge, page) {
  const meeting = new Meeting(bridge, page);
  const of = await meeting.join(person());
  const by = await meeting.join(person({ link: {} }));
  const met = await meeting.until((one) => one.met);
  const before = met?.seen[1];
  const old = by.link;
  // The old path is gone for good; ICE has not noticed yet.
  old.shape({ loss: 100 });
  await sleep(500);
  const since = await meeting.begin();
  await meeting.restart(by);
  const again = await meeting.until(
    (look) => look.met && look.pairs[1].picture.frames > met.pairs[1].picture.frames + 20,
  );
  const times = await meeting.times(by, of, since);
  const after = again?.seen[1];
  const claims = [
    claim("right picture and sound for every pair, before and after", met && again),
    claim("the browser took new credentials", after && after.fragment !== before.fragment),
    claim("DTLS stayed", after?.dtls === "connected"),
  ];
  return { meeting, claims, figures: { people: 2, first: Math.round(times[0] - since) } };
}

/** One gets redundant audio as it was sent, another has it stripped. */
async function redundant(bridge, page) {
  const meeting = new Meeting(bridge, page);
  for (let at = 0; at < 3; at += 1) await meeting.join(person({ red: at < 2 }));
  // The browser's statistics call redundant audio by its primary codec: lengths tell it.
  const heard = ({ pairs }) => pairs.every(({ sound }) => sound?.packets >= 50);
  const look = await meeting.until((one) => one.met && heard(one));
  const length = (by, of) => {
    const { sound } = look.pairs.find(
      (pair) => pair.by === meeting.people[by] && pair.of === meeting.people[of],
    );
    return sound.bytes / sound.packets;
  };
  const claims = [
    claim("right picture and sound for every pair", look),
    claim("redundancy reaches who knows it", look && length(0, 1) > 1.5 * length(2, 1)),
    claim("redundancy is stripped for who does not", look && length(2, 0) < 1.2 * length(0, 2)),
  ];
  return { meeting, claims, figures: { people: 3, codec: "VP8 red" } };
}

/** Streams of the bridge's own beside streams that are passed on as they are. */
async function rewritten(bridge, page) {
  const result = await gathering(3, (at) => ({ rewriting: at !== 1 }))(bridge, page);
  const { meeting, claims } = result;
  const sent = new Set(meeting.people.flatMap((one) => one.sources.map(({ ssrc }) => ssrc)));
  for (const { setup, remote } of meeting.people) {
    const own = remote.length === 4 && remote.every(({ ssrc }) => sent.has(ssrc) !== setup.rewriting);
    claims.push(claim(setup.rewriting ? "streams are the bridge's own" : "streams are the senders'", own));
  }
  return result;
}

/** Messages of one reach the other, over both kinds of channels. */
async function channels(bridge, page) {
  const result = await gathering(2, (at) => ({ channel: at === 0 ? "sctp" : "websocket" }))(
    bridge,
    page,
  );
  const { meeting, claims } = result;
  const message = { colibriClass: "EndpointMessage", to: "", msgPayload: { said: "hello" } };
  for (const one of meeting.people) await one.do("say", message);
  await sleep(500);
  const heard = await Promise.all(
    meeting.people.map((one) => page.evaluate((id) => window.people.get(id).heard, one.id)),
  );
  const delivered = heard.every((list) => list.some((one) => one.msgPayload?.said === "hello"));
  claims.push(claim("messages arrive both ways", delivered));
  return result;
}

/** Name → how it is played. */
export const SCENARIOS = {
  "2 people, SCTP": gathering(2),
  "2 people, WebSocket": gathering(2, () => ({ channel: "websocket" })),
  "SCTP beside WebSocket": channels,
  "3 people": gathering(3),
  "5 people": gathering(5),
  "SSRC rewriting": rewritten,
  "VP8 simulcast": heights({ busy: true, scalability: "L1T3" }),
  "VP9 SVC": heights({ codec: "VP9", simulcast: false, scalability: "L3T3_KEY" }, { simulcast: false }),
  "AV1 SVC": heights({ codec: "AV1", simulcast: false, scalability: "L3T3_KEY" }, { simulcast: false }),
  "H264 simulcast": heights({ codec: "H264" }),
  "redundant audio": redundant,
  "loss 5 %": badLink({ loss: 5 }),
  "loss 10 %": badLink({ loss: 10 }),
  "delay 150 ms": badLink({ delay: 75 }),
  "cap 1 Mbit/s": narrowed(1000, LARGE),
  "cap 300 kbit/s": narrowed(300, MEDIUM),
  "cap 300 kbit/s, REMB": narrowed(300, MEDIUM, { estimate: "remb" }),
  "ICE restart": restarted,
};
