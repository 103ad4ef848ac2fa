/**
 * Before the meeting: see yourself, hear that the microphone works, choose devices, give a name.
 */

import type { Choices, Devices } from "../media/devices";
import type { LibraryTrack } from "../media/library";
import { initials } from "../model/tiles";
import { type Device, deviceTrouble } from "../model/words";
import { deviceField } from "./dialogs";
import { attribute, make, setIcon, text } from "./dom";

export interface PreviewActions {
  room: string;
  name: string;
  devices: Devices;
  levels: string;
  join(name: string): void;
}

export class PreviewView {
  readonly element: HTMLElement;
  private readonly video = make("video", { autoplay: true, playsinline: true, muted: true });
  private readonly letters = make("span", { class: "letters", "aria-hidden": "true" });
  private readonly meter = make("meter", { min: 0, max: 1, "aria-label": "Microphone level" });
  private readonly trouble = make("ul", { class: "trouble", role: "status" });
  private readonly fields = make("div", { class: "fields" });
  private readonly name: HTMLInputElement;
  private readonly buttons: Record<"camera" | "microphone", HTMLButtonElement>;
  private readonly said = new Map<Device, string>();
  private busy = false;

  constructor(private readonly actions: PreviewActions) {
    this.video.muted = true;
    this.name = make("input", {
      type: "text",
      value: actions.name,
      maxlength: 80,
      autocomplete: "name",
      placeholder: "How others see you",
      oninput: () => this.show(),
    });
    const toggle = (device: "camera" | "microphone") =>
      make("button", { type: "button", class: "tool", onclick: () => void this.toggle(device) });
    this.buttons = { microphone: toggle("microphone"), camera: toggle("camera") };
    this.element = make(
      "main",
      { class: "preview" },
      make(
        "div",
        { class: "picture" },
        this.video,
        make("span", { class: "avatar" }, this.letters),
        make("div", { class: "under" }, this.buttons.microphone, this.buttons.camera, this.meter),
      ),
      make(
        "form",
        {
          class: "card",
          onsubmit: (event: SubmitEvent) => {
            event.preventDefault();
            actions.join(this.name.value.trim());
          },
        },
        make("h1", {}, actions.room),
        make("label", { class: "field" }, make("span", {}, "Your name"), this.name),
        this.fields,
        this.trouble,
        make("button", { type: "submit", class: "primary", "data-command": "join" }, "Join"),
      ),
    );
  }

  /** Opens camera and microphone. */
  async start(): Promise<void> {
    this.show();
    await Promise.all([this.open("microphone"), this.open("camera")]);
    await this.list();
    navigator.mediaDevices?.addEventListener("devicechange", () => void this.list());
  }

  /** Leaves devices open for the meeting. */
  stop(): void {
    this.actions.devices.camera?.detach(this.video);
    this.element.remove();
  }

  private async open(device: "camera" | "microphone", id?: string): Promise<void> {
    const { devices } = this.actions;
    const opened = await devices.open(device, id);
    if ("code" in opened) {
      this.say(device, deviceTrouble(device, opened.code));
    } else {
      this.say(device, undefined);
      const old = devices[device];
      devices[device] = opened.track;
      this.attach(device, opened.track);
      if (old !== undefined) {
        if (device === "camera") old.detach(this.video);
        await old.dispose().catch(() => undefined);
      }
    }
    this.show();
  }

  private attach(device: "camera" | "microphone", track: LibraryTrack): void {
    if (device === "camera") track.attach(this.video);
    else {
      track.on(this.actions.levels, (level: number) => {
        this.meter.value = Math.min(1, level * 2);
      });
    }
  }

  private async toggle(device: "camera" | "microphone"): Promise<void> {
    if (this.busy) return;
    this.busy = true;
    const { devices } = this.actions;
    const track = devices[device];
    try {
      if (track === undefined) await this.open(device);
      else if (device === "camera") {
        // The light beside the lens goes out.
        track.detach(this.video);
        await devices.release("camera");
      } else await (track.isMuted() ? track.unmute() : track.mute());
    } catch (error) {
      this.say(device, deviceTrouble(device, (error as Error).name));
    }
    this.busy = false;
    this.show();
  }

  private async list(): Promise<void> {
    const { devices } = this.actions;
    const choices: Choices = await devices.choices();
    this.fields.replaceChildren(
      deviceField(
        "Camera",
        choices.cameras,
        devices.camera?.getDeviceId(),
        (id) => void this.open("camera", id),
      ),
      deviceField(
        "Microphone",
        choices.microphones,
        devices.microphone?.getDeviceId(),
        (id) => void this.open("microphone", id),
      ),
    );
  }

  private say(device: Device, words: string | undefined): void {
    if (words === undefined) this.said.delete(device);
    else this.said.set(device, words);
    this.trouble.replaceChildren(...[...this.said.values()].map((one) => make("li", {}, one)));
  }

  private show(): void {
    const { devices } = this.actions;
    const seeing = devices.camera !== undefined;
    const hearing = devices.microphone !== undefined && !devices.microphone.isMuted();
    attribute(this.element, "data-picture", seeing);
    text(this.letters, initials(this.name.value));
    setIcon(this.buttons.camera, seeing ? "camera" : "camera-off");
    setIcon(this.buttons.microphone, hearing ? "microphone" : "microphone-off");
    const words = (button: HTMLButtonElement, said: string, marked: boolean) => {
      attribute(button, "aria-label", said);
      attribute(button, "title", said);
      attribute(button, "data-marked", marked);
    };
    words(this.buttons.camera, seeing ? "Stop camera" : "Start camera", !seeing);
    words(this.buttons.microphone, hearing ? "Mute" : "Unmute", !hearing);
  }
}
