/**
 * The row of buttons under a meeting. Each says in words what it does now, and each has a key.
 */

import type { Action } from "../model/shortcuts";
import { SHORTCUTS } from "../model/shortcuts";
import type { State } from "../model/state";
import { attribute, type IconName, make, setIcon } from "./dom";

export type Command = Action | "settings" | "leave";

export class ToolbarView {
  readonly element: HTMLElement;
  private readonly buttons = new Map<Command, HTMLButtonElement>();

  constructor(private readonly run: (command: Command) => void) {
    const button = (command: Command, kind = "") => this.button(command, kind);
    this.element = make(
      "div",
      { class: "toolbar", role: "toolbar", "aria-label": "Meeting" },
      button("microphone"),
      button("camera"),
      button("screen", "wide"),
      button("hand"),
      button("chat"),
      button("people"),
      button("layout", "wide"),
      button("settings"),
      button("leave", "leave"),
    );
    this.element.addEventListener("keydown", (event) => this.walk(event));
  }

  update(state: State): void {
    const { me } = state;
    const on = (source: { muted: boolean } | undefined) => source !== undefined && !source.muted;
    const hearing = on(me.sources.audio);
    const seeing = on(me.sources.camera);
    const sharing = on(me.sources.screen);
    const hand = me.handSince !== undefined;
    this.show(
      "microphone",
      hearing ? "microphone" : "microphone-off",
      hearing ? "Mute" : "Unmute",
      !hearing,
    );
    this.show(
      "camera",
      seeing ? "camera" : "camera-off",
      seeing ? "Stop camera" : "Start camera",
      !seeing,
    );
    this.show("screen", "screen", sharing ? "Stop sharing" : "Share screen", sharing);
    this.show("hand", "hand", hand ? "Lower hand" : "Raise hand", hand);
    this.show(
      "chat",
      "chat",
      state.panel === "chat" ? "Close chat" : "Chat",
      state.panel === "chat",
    );
    this.show(
      "people",
      "people",
      state.panel === "people" ? "Close list" : "People",
      state.panel === "people",
    );
    const alike = state.layout === "grid";
    this.show("layout", alike ? "speaker" : "grid", alike ? "Speaker large" : "All alike", false);
    this.show("settings", "settings", "Settings", false);
    this.show("leave", "leave", "Leave", false);
    const chat = this.buttons.get("chat");
    if (chat !== undefined) {
      attribute(chat, "data-unread", state.unread > 0 ? Math.min(state.unread, 99) : undefined);
      if (state.unread > 0) attribute(chat, "aria-label", `Chat, ${state.unread} unread`);
    }
  }

  /** Where the keyboard lands when a meeting begins. */
  focus(): void {
    this.buttons.get("microphone")?.focus({ preventScroll: true });
  }

  private button(command: Command, kind: string): HTMLButtonElement {
    const button = make(
      "button",
      {
        type: "button",
        class: `tool ${kind}`.trim(),
        "data-command": command,
        onclick: () => this.run(command),
      },
      make("span", { class: "words" }),
    );
    this.buttons.set(command, button);
    return button;
  }

  private show(command: Command, icon: IconName, words: string, marked: boolean): void {
    const button = this.buttons.get(command);
    if (button === undefined) return;
    setIcon(button, icon);
    const label = button.querySelector(".words");
    if (label !== null && label.textContent !== words) label.textContent = words;
    const key = SHORTCUTS.find((shortcut) => shortcut.action === command);
    attribute(button, "aria-label", words);
    attribute(button, "title", key === undefined ? words : `${words} (${key.shown})`);
    attribute(button, "aria-keyshortcuts", key?.shown);
    attribute(button, "data-marked", marked);
    if (command === "chat" || command === "people")
      attribute(button, "aria-expanded", String(marked));
  }

  /** Arrow keys walk along the row (WAI-ARIA, pattern "toolbar"). */
  private walk(event: KeyboardEvent): void {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (step === undefined) return;
    const row = [...this.buttons.values()].filter((button) => button.offsetParent !== null);
    const at = row.indexOf(document.activeElement as HTMLButtonElement);
    if (at < 0) return;
    row[(at + step + row.length) % row.length]?.focus();
    event.preventDefault();
  }
}
