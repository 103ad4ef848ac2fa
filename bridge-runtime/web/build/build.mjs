/**
 * Builds the page into a folder: `node build/build.mjs OUT CACHE`. Without arguments: `out` and
 * `cache` beside this folder.
 *
 * File names carry the hash of what is in them, so that browsers may keep them for good; only
 * `index.html` is asked for anew. The same sources give the same bytes.
 */

import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";
import { library } from "./library.mjs";

const TARGETS = ["chrome123", "edge123", "firefox120", "safari17.5"];
const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));

async function bundle(entry) {
  const result = await esbuild.build({
    absWorkingDir: here,
    entryPoints: [entry],
    bundle: true,
    minify: true,
    write: false,
    format: "iife",
    target: TARGETS,
    charset: "utf8",
    legalComments: "none",
    logLevel: "warning",
  });
  return Buffer.from(result.outputFiles[0].contents);
}

export async function build(out, cache) {
  const files = new Map();
  const put = (folder, stem, extension, content) => {
    const bytes = Buffer.from(content);
    const hash = createHash("sha256").update(bytes).digest("hex").slice(0, 12);
    const name = `${stem}-${hash}.${extension}`;
    files.set(`${folder}/${name}`, bytes);
    return name;
  };
  const meet = library(cache);
  const names = {
    program: put("assets", "page", "js", await bundle("src/main.ts")),
    style: put("assets", "page", "css", await bundle("src/style.css")),
    icon: put("assets", "icon", "svg", readFileSync(path.join(here, "static/icon.svg"))),
    library: put("libs", "lib-jitsi-meet", "js", meet.program),
  };
  files.set("libs/LICENSE.txt", Buffer.from(`${meet.licence}\n${meet.notices}`));
  const index = readFileSync(path.join(here, "static/index.html"), "utf8").replace(
    /\{\{(\w+)\}\}/g,
    (_, name) => names[name],
  );
  files.set("index.html", Buffer.from(index));

  rmSync(out, { recursive: true, force: true });
  for (const [name, bytes] of files) {
    const file = path.join(out, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  }
  return [...files].map(([name, bytes]) => ({ name, size: bytes.length }));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const [out = path.join(here, "out"), cache = path.join(here, "cache")] = process.argv.slice(2);
  for (const { name, size } of await build(path.resolve(out), path.resolve(cache))) {
    console.log(`${String(size).padStart(9)}  ${name}`);
  }
}
