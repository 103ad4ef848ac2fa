#!/usr/bin/env node
/**
 * Proves the bridge on a real Chromium: `node prove.mjs --bridge PROGRAM --config bridge.toml`.
 *
 * Runs the matrix of `scenarios.mjs` one after the other, prints a table of what was measured, and
 * ends with 1 when a claim does not hold. Meant for a network namespace with nothing but loopback.
 * A busy machine can spoil a figure, never better it: a scenario that misses is played again, up to
 * `--tries`. What depends on time says nothing while the page's own timers are late: such a scenario
 * is shown as `busy`, and is no failure.
 */

import { spawn } from "node:child_process";
import fs from "node:fs";
import { parseArgs } from "node:util";
import { launch, newHome } from "../chromium.mjs";
import { IN_PAGE } from "../devices.mjs";
import { Bridge, sleep } from "./meeting.mjs";
import { inPage } from "./person.mjs";
import { SCENARIOS } from "./scenarios.mjs";

const { values: options } = parseArgs({
  options: {
    bridge: { type: "string" },
    config: { type: "string" },
    /** Only scenarios whose name has this in it. */
    only: { type: "string", default: "" },
    tries: { type: "string", default: "5" },
    chromium: { type: "string", default: "/usr/bin/chromium" },
    report: { type: "string" },
    verbose: { type: "boolean", default: false },
  },
});

const START_LIMIT_MS = 20_000;
/** Timers later than this are those of a machine that does not keep up. */
const LATE_MS = 50;

async function started() {
  const address = fs.readFileSync(options.config, "utf8").match(/^private = "(.+)"$/m)[1];
  const bridge = new Bridge(`http://${address}`);
  const program = spawn(options.bridge, ["--config", options.config], {
    stdio: ["ignore", "ignore", options.verbose ? "inherit" : "ignore"],
  });
  const end = Date.now() + START_LIMIT_MS;
  for (;;) {
    try {
      await bridge.ask("GET", "/colibri/stats");
      return { bridge, program };
    } catch (error) {
      if (Date.now() > end || program.exitCode !== null) throw error;
      await sleep(50);
    }
  }
}

async function played(play, bridge, browser) {
  const context = await browser.createBrowserContext();
  const page = await context.newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error.stack ?? error)));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(message.text());
  });
  await page.evaluate(`(() => { ${IN_PAGE}; (${inPage})(); })()`);
  let result;
  try {
    result = await play(bridge, page);
    if (options.verbose) console.error(JSON.stringify((await result.meeting.look()).seen));
    result.lag = await page.evaluate("window.lag");
    await result.meeting.end();
  } catch (error) {
    const claims = [{ what: String(error.stack ?? error), holds: false }];
    result = { claims, figures: {} };
  }
  await context.close();
  const { claims, figures } = result;
  for (const what of complaints) claims.push({ what, holds: false });
  const missed = claims.filter((one) => !one.holds);
  const isBusy = result.lag > LATE_MS && missed.every((one) => one.timed);
  const verdict = missed.length === 0 ? "holds" : isBusy ? "busy" : "MISSED";
  return { claims, figures: { ...figures, lag: Math.round(result.lag) }, verdict };
}

const COLUMNS = [
  ["people", "people", 6],
  ["codec", "codec", 13],
  ["heights", "lines", 12],
  ["first", "first ms", 8],
  ["rate", "fps", 5],
  ["gap", "gap ms", 6],
  ["kilobits", "kbit/s", 10],
  ["lost", "lost", 5],
  ["repaired", "repaired", 8],
  ["lag", "late ms", 7],
  ["tries", "tries", 5],
];

function row(name, cells, last) {
  const filled = COLUMNS.map(([key, , width]) => {
    const value = cells[key] ?? "";
    const text = typeof value === "number" && !Number.isInteger(value) ? value.toFixed(1) : value;
    return String(text).padStart(width);
  });
  return [name.padEnd(22), ...filled, ` ${last}`].join(" ").trimEnd();
}

const home = newHome();
const { bridge, program } = await started();
const browser = await launch({
  executable: options.chromium,
  home,
  more: ["--allow-loopback-in-peer-connection"],
});
const report = [];
try {
  console.log(row("scenario", Object.fromEntries(COLUMNS.map(([key, title]) => [key, title])), ""));
  for (const [name, play] of Object.entries(SCENARIOS)) {
    if (!name.includes(options.only)) continue;
    let result;
    let tries = 0;
    do {
      tries += 1;
      result = await played(play, bridge, browser);
    } while (result.verdict !== "holds" && tries < Number(options.tries));
    report.push({ name, tries, ...result });
    console.log(row(name, { ...result.figures, tries }, result.verdict));
    for (const { what } of result.claims.filter((one) => !one.holds)) console.log(`  not so: ${what}`);
  }
} finally {
  await browser.close();
  program.kill();
  fs.rmSync(home, { recursive: true, force: true });
}
if (options.report !== undefined) fs.writeFileSync(options.report, JSON.stringify(report, null, 1));
process.exitCode = report.length > 0 && report.every((one) => one.verdict !== "MISSED") ? 0 : 1;
