/**
 * lib-jitsi-meet as the page serves it: a published bundle, fetched once with `npm pack`, accepted
 * only with the hash below, and freed of what it would send to others.
 *
 * `npm install` is of no use for it: its dependencies live on GitHub, and the bundle holds them all.
 */

import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import path from "node:path";

const OURS = {
  name: "sariska-media-transport",
  version: "1.1.1",
  integrity:
    "sha512-j5+BwspDQ13uMYC1luMY8GRq3vhHtls26cneG1OAFfrfZ+692Mx5bqjGAsxnq1RJ+gwJjCEmZrWt4RLryxKhGA==",
};
/** A client of 2022, for tests: people of a meeting do not all have the same. */
const OLDER = {
  name: "@solyd/lib-jitsi-meet",
  version: "2.7001.1",
  integrity:
    "sha512-4fobgOgvRF+CxlWuatYewp2SxImAcKr0syzJIimnL39Thw/M1SAlmhyQk9xQf++SsXLGuwm03m2u4p+nlzfGVg==",
};

/** Each text stands in the bundle exactly so often; anything else ends the build. */
const CHANGES = [
  // It would report each meeting's name and traffic to its publisher's billing.
  ["{let o=Fi?`${t}@muc.dev.", "{return;let o=Fi?`${t}@muc.dev.", 1],
  // The measurements for that report; loading them alone runs strings as programs.
  [
    "var Pi=n(3211);const ki=new(n.n(Pi)()),",
    "const ki={createProbe:()=>({}),startAllProbes(){}},",
    1,
  ],
  // It would put the publisher's names for a person in place of the person's own.
  [
    "this.setDisplayName(`${this.getLocalUser()&&this.getLocalUser().name}(${this.options.connection.options.ownerId})`),",
    "",
    1,
  ],
  // It answers without retransmission streams (RFC 4588), and understands no AV1.
  [
    "i=i.filter((n=>e.find((e=>`${t}/${e}`===n.mimeType.toLowerCase()))));",
    "i=i.filter((n=>'video/rtx'===n.mimeType.toLowerCase()||e.find((e=>`${t}/${e}`===n.mimeType.toLowerCase()))));",
    1,
  ],
  ["Ta=[fs.VP9,fs.VP8,fs.H264]", "Ta=[fs.VP9,fs.VP8,fs.H264,fs.AV1]", 1],
  ["Ra=[fs.VP8,fs.VP9,fs.H264]", "Ra=[fs.VP8,fs.VP9,fs.H264,fs.AV1]", 1],
  // Hosts of its publisher and of a statistics service: no name leads anywhere (RFC 6761).
  ["sariska.io", "sariska.invalid", 20],
  ["api.callstats.io", "callstats.invalid", 1],
  ["https://unpkg.com/detect-gpu", "https://detect-gpu.invalid/", 1],
  // A string run as a program, which the page's content policy forbids.
  ['Function("r","regeneratorRuntime = r")(t)', "globalThis.regeneratorRuntime=t", 1],
  // The file it names is not served.
  ["//# sourceMappingURL=sariska-media-transport.min.map", "", 1],
];

/** The bundle's text and the licence it comes under. `cache` keeps the package between builds. */
export function library(cache) {
  const file = pinned(cache, OURS);
  return {
    program: freed(entry(file, "package/dist/umd/sariska-media-transport.min.js")),
    licence: entry(file, "package/LICENSE"),
    notices: entry(file, "package/dist/umd/sariska-media-transport.min.js.LICENSE.txt"),
  };
}

/** The text of an older lib-jitsi-meet, as upstream built it. */
export const olderLibrary = (cache) =>
  entry(pinned(cache, OLDER), "package/dist/umd/lib-jitsi-meet.min.js");

/** The file of a package, fetched unless it is there, and checked in any case. */
function pinned(cache, { name, version, integrity: expected }) {
  const file = path.join(cache, `${name.replace(/^@/, "").replace("/", "-")}-${version}.tgz`);
  if (!existsSync(file) || integrity(file) !== expected) fetchPackage(cache, name, version, file);
  const found = integrity(file);
  if (found !== expected) {
    rmSync(file);
    throw new Error(`${name}@${version} is not the package that was pinned: ${found}`);
  }
  return file;
}

function fetchPackage(cache, name, version, file) {
  mkdirSync(cache, { recursive: true });
  const packed = execFileSync(
    "npm",
    ["pack", `${name}@${version}`, "--silent", "--ignore-scripts", "--pack-destination", cache],
    { encoding: "utf8", timeout: 120_000, stdio: ["ignore", "pipe", "inherit"] },
  );
  const at = path.join(cache, packed.trim().split("\n").at(-1));
  if (at !== file) renameSync(at, file);
}

const integrity = (file) =>
  `sha512-${createHash("sha512").update(readFileSync(file)).digest("base64")}`;

const entry = (file, name) =>
  execFileSync("tar", ["-xzOf", file, name], { encoding: "utf8", maxBuffer: 64 << 20 });

/** The bundle with `CHANGES`. */
export function freed(bundle, changes = CHANGES) {
  let text = bundle;
  for (const [from, to, times] of changes) {
    const parts = text.split(from);
    if (parts.length - 1 !== times) {
      throw new Error(`the bundle has ${parts.length - 1} times, not ${times}: ${from}`);
    }
    text = parts.join(to);
  }
  return text;
}
