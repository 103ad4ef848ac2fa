/**
 * Camera, microphone and screen of this machine: opened one by one, so that a missing camera does
 * not cost the microphone, and kept over reconnects.
 */

import type { Device } from "../model/words";
import type { Library, LibraryTrack } from "./library";

export interface Choice {
  id: string;
  label: string;
}

export interface Choices {
  cameras: Choice[];
  microphones: Choice[];
  speakers: Choice[];
}

export type Opened = { track: LibraryTrack } | { code: string };

const codeOf = (error: unknown): string => {
  const name = (error as { name?: unknown } | undefined)?.name;
  return typeof name === "string" ? name : String(error);
};

export class Devices {
  microphone: LibraryTrack | undefined;
  camera: LibraryTrack | undefined;
  screen: LibraryTrack | undefined;

  constructor(private readonly library: Library) {}

  /** Opens a device; what was open before stays open until the caller lets it go. */
  async open(device: Device, id?: string): Promise<Opened> {
    const options: Record<string, unknown> = {
      devices: [{ camera: "video", microphone: "audio", screen: "desktop" }[device]],
    };
    if (device === "camera") {
      options["resolution"] = 720;
      options["constraints"] = {
        video: {
          height: { ideal: 720, max: 720, min: 180 },
          width: { ideal: 1280, max: 1280, min: 320 },
          frameRate: { ideal: 30, max: 30 },
        },
      };
      if (id !== undefined) options["cameraDeviceId"] = id;
    }
    if (device === "microphone" && id !== undefined) options["micDeviceId"] = id;
    try {
      const tracks = await this.library.createLocalTracks(options);
      const wanted = device === "microphone" ? "audio" : "video";
      const track = tracks.find((one) => one.getType() === wanted);
      // Sound of a shared tab comes as a second track; the meeting has one for the microphone.
      for (const other of tracks) if (other !== track) void other.dispose();
      return track === undefined ? { code: "gum.not_found" } : { track };
    } catch (error) {
      return { code: codeOf(error) };
    }
  }

  async release(device: Device): Promise<void> {
    const track = this[device];
    this[device] = undefined;
    await track?.dispose().catch(() => undefined);
  }

  async releaseAll(): Promise<void> {
    await Promise.all([this.release("microphone"), this.release("camera"), this.release("screen")]);
  }

  /** What can be chosen; names come only after the browser was allowed to use one of them. */
  async choices(): Promise<Choices> {
    const found: Choices = { cameras: [], microphones: [], speakers: [] };
    const list = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? [];
    for (const device of list) {
      const into = {
        videoinput: found.cameras,
        audioinput: found.microphones,
        audiooutput: found.speakers,
      }[device.kind];
      if (device.deviceId === "" || into === undefined) continue;
      into.push({ id: device.deviceId, label: device.label || `Device ${into.length + 1}` });
    }
    return found;
  }
}
