/**
 * The dialogs: settings, the keys, and one question. All are the browser's own `<dialog>`, which
 * keeps the focus inside and closes with Escape.
 */

import type { Choice, Choices } from "../media/devices";
import { SHORTCUTS } from "../model/shortcuts";
import { icon, make } from "./dom";

function dialog(title: string, ...content: Node[]): HTMLDialogElement {
  const element: HTMLDialogElement = make(
    "dialog",
    { "aria-labelledby": "dialog-heading" },
    make(
      "header",
      {},
      make("h2", { id: "dialog-heading" }, title),
      make(
        "button",
        { type: "button", class: "plain", "aria-label": "Close", onclick: () => element.close() },
        icon("close"),
      ),
    ),
    ...content,
  );
  element.addEventListener("close", () => element.remove());
  // A click beside the dialog closes it.
  element.addEventListener("click", (event) => {
    if (event.target === element) element.close();
  });
  document.body.append(element);
  element.showModal();
  return element;
}

/** A labelled choice of a device. */
export function deviceField(
  label: string,
  choices: Choice[],
  chosen: string | undefined,
  take: (id: string) => void,
): HTMLElement {
  const select = make("select", { onchange: () => take(select.value) });
  if (choices.length === 0) {
    select.append(make("option", {}, "None found"));
    select.disabled = true;
  }
  for (const choice of choices) {
    select.append(
      make("option", { value: choice.id, selected: choice.id === chosen }, choice.label),
    );
  }
  return make("label", { class: "field" }, make("span", {}, label), select);
}

export interface SettingsActions {
  name: string;
  choices: Choices;
  chosen: {
    camera: string | undefined;
    microphone: string | undefined;
    speaker: string | undefined;
  };
  theme: string;
  rename(name: string): void;
  take(kind: "camera" | "microphone" | "speaker", id: string): void;
  dress(theme: string): void;
}

export function settingsDialog(actions: SettingsActions): void {
  const name = make("input", {
    type: "text",
    value: actions.name,
    maxlength: 80,
    autocomplete: "name",
    onchange: () => actions.rename(name.value.trim()),
  });
  const theme = make("select", { onchange: () => actions.dress(theme.value) });
  for (const [value, words] of [
    ["", "As the system has it"],
    ["light", "Light"],
    ["dark", "Dark"],
  ]) {
    theme.append(make("option", { value, selected: value === actions.theme }, words));
  }
  const { choices, chosen } = actions;
  dialog(
    "Settings",
    make("label", { class: "field" }, make("span", {}, "Your name"), name),
    deviceField("Camera", choices.cameras, chosen.camera, (id) => actions.take("camera", id)),
    deviceField("Microphone", choices.microphones, chosen.microphone, (id) =>
      actions.take("microphone", id),
    ),
    ...(choices.speakers.length > 0
      ? [
          deviceField("Loudspeaker", choices.speakers, chosen.speaker, (id) =>
            actions.take("speaker", id),
          ),
        ]
      : []),
    make("label", { class: "field" }, make("span", {}, "Look"), theme),
  );
}

export function keysDialog(): void {
  const rows = SHORTCUTS.flatMap((shortcut) => [
    make("dt", {}, make("kbd", {}, shortcut.shown)),
    make("dd", {}, shortcut.words),
  ]);
  dialog("Keys", make("dl", { class: "keys" }, ...rows));
}

/** Asks before something that cannot be taken back. */
export function ask(question: string, yes: string, act: () => void): void {
  const element = dialog(
    question,
    make(
      "div",
      { class: "choices" },
      make("button", { type: "button", onclick: () => element.close() }, "Cancel"),
      make(
        "button",
        {
          type: "button",
          class: "danger",
          onclick: () => {
            element.close();
            act();
          },
        },
        yes,
      ),
    ),
  );
}
