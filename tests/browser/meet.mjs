#!/usr/bin/env node
/**
 * Drives people in headless Chromiums through a meeting: one browser, one context a person.
 *
 * `node meet.mjs --url https://meet.test/room --authority ca.crt` reads commands from standard
 * input, one JSON object a line (`{"do": "join", "people": 3}`), and answers each with one line.
 * With `--people N` it joins, looks for `--seconds` and prints one report instead. The site's
 * authority is trusted as a person would do it: in the browser's certificate store.
 */

import { execFileSync } from "node:child_process";
import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { olderLibrary } from "../../bridge-runtime/web/build/library.mjs";
import { launch, newHome } from "./chromium.mjs";
import { COLOURS, IN_PAGE, nearest } from "./devices.mjs";
import { inside } from "./inside.mjs";

const { values: options } = parseArgs({
  options: {
    url: { type: "string" },
    authority: { type: "string" },
    people: { type: "string" },
    seconds: { type: "string", default: "5" },
    pictures: { type: "string", default: "." },
    cache: { type: "string", default: os.tmpdir() },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    verbose: { type: "boolean", default: false },
  },
});
if (options.url === undefined) throw new Error("--url says which room");

const JOIN_LIMIT_MS = 60_000;
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const home = newHome();

function trust(authority) {
  const store = path.join(home, ".pki/nssdb");
  fs.mkdirSync(store, { recursive: true });
  const certutil = (...values) => execFileSync("certutil", ["-d", `sql:${store}`, ...values]);
  certutil("-N", "--empty-password");
  certutil("-A", "-n", "site", "-t", "C,,", "-i", authority);
}

class Meeting {
  people = [];

  async open() {
    if (options.authority !== undefined) trust(options.authority);
    this.browser = await launch({ executable: options.chromium, home });
  }

  async join({ people, camera, screen, loud = [] }) {
    for (let index = 0; index < people; index += 1) {
      await this.enter({ camera, screen, loud: loud[index] ?? 0.5 });
      // In this order, also on a slow machine.
      await this.people[index].page.waitForSelector("[data-phase=meeting]");
    }
    await this.meet();
    // The record of first frames is a tenth of a second behind.
    await sleep(300);
    return this.meet();
  }

  /** One more person opens the room's address and presses "Join". */
  async enter({ camera, screen, loud, older }) {
    const index = this.people.length;
    const context = await this.browser.createBrowserContext();
    const page = await context.newPage();
    await page.setViewport({ width: 1280, height: 720 });
    const said = [];
    page.on("console", (message) => said.push(`${message.type()} ${message.text()}`));
    page.on("pageerror", (error) => said.push(`pageerror ${error.stack ?? error}`));
    page.on("requestfailed", (request) =>
      said.push(`failed ${request.url()} ${request.failure()?.errorText}`),
    );
    await page.evaluateOnNewDocument(`(() => { ${IN_PAGE}; (${inside})(${JSON.stringify({
      colour: COLOURS[index % COLOURS.length],
      pitch: 220 + 70 * index,
      loud,
      camera: camera ?? { width: 640, height: 360, rate: 15 },
      screen: screen ?? { width: 1280, height: 720, rate: 5 },
    })}); })()`);
    if (older) await replaceLibrary(page, olderLibrary(options.cache));
    await page.goto(options.url, { waitUntil: "load" });
    await page.waitForSelector("[data-command=join]");
    await page.type("form input[autocomplete=name]", `Person ${index}`);
    await page.waitForSelector(".preview[data-picture]");
    await page.evaluate(() => {
      window.meeting.joined = performance.timeOrigin + performance.now();
      document.querySelector("[data-command=join]").click();
    });
    this.people.push({ index, page, context, said, id: "" });
    return {};
  }

  /** Waits until everyone sees and hears everyone. */
  async meet() {
    const end = Date.now() + JOIN_LIMIT_MS;
    for (;;) {
      const report = await this.look();
      if (report.met || Date.now() > end) return report;
      await sleep(200);
    }
  }

  /** Each pair: what the one sees and hears of the other. */
  async look() {
    const seen = await Promise.all(this.people.map((person) => person.page.evaluate("look()")));
    seen.forEach((one, index) => {
      this.people[index].id = one.id;
    });
    const pairs = [];
    for (const by of this.people) {
      for (const of of this.people) {
        if (by === of) continue;
        pairs.push(this.pair(seen[by.index], by, of));
      }
    }
    return {
      people: seen.map((one, index) => ({
        id: one.id,
        phase: one.phase,
        speaking: one.speaking.map((id) => this.named(id === "me" ? one.id : id)),
        peers: one.peers,
        sent: one.sent,
        banner: one.banner,
        errors: one.errors,
        said: options.verbose ? this.people[index].said : this.complaints(index),
      })),
      pairs,
      met: pairs.length > 0 && pairs.every((pair) => pair.sees && pair.hears),
    };
  }

  pair(seen, by, of) {
    const picture = (kind) => {
      const one = seen.shown[`${of.id}/${kind}`];
      if (one === undefined) return undefined;
      const right =
        one.frames > 0 &&
        one.colour !== undefined &&
        nearest(one.colour) === of.index % COLOURS.length;
      return { ...one, right };
    };
    const camera = picture("camera");
    const sound = seen.shown[`${of.id}/audio`];
    const first = (kind) => {
      const time = seen.first[`${of.id}/${kind}`];
      return time === undefined ? undefined : Math.round(time - seen.joined);
    };
    return {
      by: by.index,
      of: of.index,
      sees: camera?.right ?? false,
      hears: (sound?.energy ?? 0) > 0,
      first_frame_ms: first("camera"),
      first_sound_ms: first("audio"),
      camera,
      screen: picture("screen"),
      sound,
    };
  }

  /** What a page said that somebody should read. */
  complaints(index) {
    return this.people[index].said.filter((line) => /^(pageerror|failed)|Content Security/.test(line));
  }

  named(id) {
    return this.people.findIndex((person) => person.id === id);
  }

  /** Presses a button of the toolbar. */
  async press({ who, command }) {
    return this.tap({ who, selector: `.toolbar [data-command=${command}]` });
  }

  /** Presses a key, as somebody without a mouse does. */
  async key({ who, key }) {
    const { page } = this.people[who];
    await page.evaluate(() => document.activeElement?.blur());
    await page.keyboard.press(key);
    return {};
  }

  async say({ who, text }) {
    const { page } = this.people[who];
    if ((await page.$(".panel:not([hidden]) .say textarea")) === null) {
      await page.click(".toolbar [data-command=chat]");
    }
    await page.waitForSelector(".say textarea", { visible: true });
    await page.type(".say textarea", text);
    await page.keyboard.press("Enter");
    return {};
  }

  /** Clicks in the list of people: `aria-label` of the button. */
  async moderate({ who, label }) {
    const { page } = this.people[who];
    if ((await page.$(".panel:not([hidden]) ul.people:not([hidden])")) === null) {
      await page.click(".toolbar [data-command=people]");
    }
    return this.tap({ who, selector: `ul.people button[aria-label="${label}"]` });
  }

  /** Clicks on something of the page, once it is there. */
  async tap({ who, selector }) {
    const { page } = this.people[who];
    await page.waitForSelector(selector, { visible: true });
    await page.click(selector);
    return {};
  }

  async type({ who, selector, text }) {
    await this.people[who].page.type(selector, text);
    return {};
  }

  async loud({ who, loud }) {
    await this.people[who].page.evaluate((value) => window.speak(value), loud);
    return {};
  }

  /** The text that somebody finds at a selector, or nothing. */
  async read({ who, selector }) {
    const texts = await this.people[who].page.$$eval(selector, (all) =>
      all.map((one) => one.textContent),
    );
    return { texts };
  }

  async attributes({ who, selector, name }) {
    const values = await this.people[who].page.$$eval(
      selector,
      (all, attribute) => all.map((one) => one.getAttribute(attribute)),
      name,
    );
    return { values };
  }

  now() {
    return { now: Date.now() };
  }

  /** The longest silence of each pair since a moment. */
  async gaps({ since }) {
    const all = await Promise.all(
      this.people.map((person) => person.page.evaluate((value) => window.gaps(value), since)),
    );
    const pairs = [];
    for (const by of this.people) {
      for (const of of this.people) {
        if (by === of) continue;
        const found = all[by.index];
        pairs.push({
          by: by.index,
          of: of.index,
          picture_ms: found.frames[`${of.id}/camera`] ?? null,
          sound_ms: found.sound[`${of.id}/audio`] ?? null,
        });
      }
    }
    return { pairs };
  }

  async picture({ who, name, width = 1280, height = 720, dark = false }) {
    const { page } = this.people[who];
    await page.setViewport({ width, height });
    await page.emulateMediaFeatures([
      { name: "prefers-color-scheme", value: dark ? "dark" : "light" },
    ]);
    await sleep(600);
    fs.mkdirSync(options.pictures, { recursive: true });
    const file = path.join(options.pictures, `${name}.png`);
    await page.screenshot({ path: file });
    return { file };
  }

  async leave({ who }) {
    await this.people[who].page.click(".toolbar [data-command=leave]");
    return {};
  }

  /** Whoever came last closes the page and counts no more. */
  async forget() {
    await this.people.pop()?.context.close();
    return {};
  }

  async close() {
    await this.browser?.close();
    fs.rmSync(home, { recursive: true, force: true });
  }
}

/** Gives the page another build of its library: people of a meeting rarely have all the same. */
async function replaceLibrary(page, body) {
  await page.setRequestInterception(true);
  page.on("request", (request) => {
    if (/\/libs\/lib-jitsi-meet-[0-9a-f]+\.js$/.test(request.url())) {
      request.respond({ contentType: "application/javascript", body });
    } else request.continue();
  });
}

const COMMANDS = [
  "join",
  "enter",
  "meet",
  "look",
  "press",
  "key",
  "say",
  "moderate",
  "tap",
  "type",
  "loud",
  "read",
  "attributes",
  "now",
  "gaps",
  "picture",
  "leave",
  "forget",
];

const meeting = new Meeting();
try {
  await meeting.open();
  if (options.people !== undefined) {
    const joined = await meeting.join({ people: Number(options.people) });
    if (joined.met) await sleep(1000 * Number(options.seconds));
    const report = await meeting.look();
    await meeting.picture({ who: 0, name: "meeting" });
    console.log(JSON.stringify(report, undefined, 1));
    process.exitCode = report.met ? 0 : 1;
  } else {
    for await (const line of createInterface({ input: process.stdin })) {
      const { do: command, ...values } = JSON.parse(line);
      let answer;
      try {
        if (!COMMANDS.includes(command)) throw new Error(`there is no command ${command}`);
        answer = await meeting[command](values);
      } catch (error) {
        answer = { error: String(error.stack ?? error) };
      }
      console.log(JSON.stringify(answer));
    }
  }
} finally {
  await meeting.close();
}
