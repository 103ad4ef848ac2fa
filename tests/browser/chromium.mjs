/** Headless Chromium for meetings: no questions, no throttling, no network of its own. */

import fs from "node:fs";
import os from "node:os";
import path from "node:path";
import puppeteer from "puppeteer-core";

/** A folder for a browser's home and profile. */
export const newHome = () => fs.mkdtempSync(path.join(os.tmpdir(), "jitctl-browser-"));

export function launch({ executable, home, more = [] }) {
  return puppeteer.launch({
    executablePath: executable,
    headless: true,
    pipe: true,
    env: { ...process.env, HOME: home },
    userDataDir: path.join(home, "profile"),
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--mute-audio",
      // The list of devices, and no questions; pictures and sound come from `devices.mjs`.
      "--use-fake-device-for-media-stream",
      "--use-fake-ui-for-media-stream",
      "--autoplay-policy=no-user-gesture-required",
      "--disable-features=WebRtcHideLocalIpsWithMdns",
      "--disable-background-timer-throttling",
      "--disable-renderer-backgrounding",
      "--disable-backgrounding-occluded-windows",
      "--disable-background-networking",
      "--disable-component-update",
      "--no-first-run",
      "--disable-sync",
      // libwebrtc sends fewer layers of small pictures by itself.
      "--force-fieldtrials=WebRTC-LegacySimulcastLayerLimit/Disabled/",
      ...more,
    ],
  });
}
