/**
 * The meeting itself: tiles, panel and buttons, and the keys that work in it.
 */

import type { ReceiverConstraints } from "../model/layout";
import { actionOf } from "../model/shortcuts";
import type { State } from "../model/state";
import { make } from "./dom";
import { type PanelActions, PanelView } from "./panel";
import { SoundView } from "./sound";
import { StageView } from "./stage";
import { type Command, ToolbarView } from "./toolbar";

export interface MeetingActions extends PanelActions {
  run(command: Command): void;
  /** Sound while a key is held. */
  talk(on: boolean): void;
  pin(tile: string): void;
  receive(constraints: ReceiverConstraints): void;
  soundBlocked(): void;
}

export class MeetingView {
  readonly element: HTMLElement;
  readonly sound: SoundView;
  private readonly stage: StageView;
  private readonly panel: PanelView;
  private readonly toolbar: ToolbarView;
  private talking = false;

  constructor(private readonly actions: MeetingActions) {
    this.sound = new SoundView(() => actions.soundBlocked());
    this.stage = new StageView(
      (tile) => actions.pin(tile),
      (constraints) => actions.receive(constraints),
    );
    this.panel = new PanelView(actions);
    this.toolbar = new ToolbarView((command) => actions.run(command));
    this.element = make(
      "main",
      { class: "meeting", hidden: true },
      this.stage.element,
      this.panel.element,
      this.toolbar.element,
      this.sound.element,
    );
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("keyup", (event) => this.released(event));
    window.addEventListener("blur", () => this.hush());
  }

  update(state: State): void {
    const here = state.phase === "meeting" || state.phase === "reconnecting";
    const came = here && this.element.hidden;
    this.element.hidden = !here;
    this.sound.update(state);
    if (!here) return;
    this.stage.update(state);
    this.panel.update(state);
    this.toolbar.update(state);
    if (came) this.toolbar.focus();
  }

  private key(event: KeyboardEvent): void {
    if (this.element.hidden || document.querySelector("dialog[open]") !== null) return;
    const on = document.activeElement;
    const action = actionOf({
      key: event.key,
      ctrlKey: event.ctrlKey,
      altKey: event.altKey,
      metaKey: event.metaKey,
      typing: on?.matches("input, textarea, select, [contenteditable]") ?? false,
      onControl: on?.matches("button, a, summary") ?? false,
    });
    if (action === undefined || event.repeat) return;
    event.preventDefault();
    if (action === "talk") {
      this.talking = true;
      this.actions.talk(true);
    } else this.actions.run(action);
  }

  private released(event: KeyboardEvent): void {
    if (event.key === " ") this.hush();
  }

  private hush(): void {
    if (!this.talking) return;
    this.talking = false;
    this.actions.talk(false);
  }
}
