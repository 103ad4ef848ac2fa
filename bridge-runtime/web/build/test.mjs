/**
 * Runs the tests in `tests/` with Node's own runner: each file is bundled first, as Node 18 reads
 * no TypeScript.
 */

import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import * as esbuild from "esbuild";

const here = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const out = mkdtempSync(path.join(tmpdir(), "jitctl-web-"));
try {
  const tests = readdirSync(path.join(here, "tests")).filter((name) => name.endsWith(".test.ts"));
  if (tests.length === 0) throw new Error("there are no tests");
  await esbuild.build({
    absWorkingDir: here,
    entryPoints: tests.map((name) => `tests/${name}`),
    bundle: true,
    platform: "node",
    format: "esm",
    outdir: out,
    outExtension: { ".js": ".mjs" },
    logLevel: "warning",
  });
  const files = tests.map((name) => path.join(out, name.replace(/\.ts$/, ".mjs")));
  process.exitCode = spawnSync(process.execPath, ["--test", ...files], { stdio: "inherit" }).status;
} finally {
  rmSync(out, { recursive: true, force: true });
}
