/**
 * What stands in the way of a meeting, or comes after it: joining, waiting for the host, a
 * password, a failure, the goodbye.
 */

import type { Credentials } from "../media/library";
import type { State } from "../model/state";
import { make } from "./dom";

export interface GateActions {
  again(): void;
  home(): void;
  login(credentials: Credentials): void;
  password(password: string): void;
}

const field = (label: string, type: string, name: string, complete: string) =>
  make(
    "label",
    { class: "field" },
    make("span", {}, label),
    make("input", { type, name, autocomplete: complete, required: true }),
  );

export class GateView {
  readonly element = make("main", { class: "card gate", hidden: true });
  private shown = "";

  constructor(private readonly actions: GateActions) {}

  update(state: State): void {
    const { phase, trouble } = state;
    const open = ["joining", "waiting", "failed", "left"].includes(phase);
    this.element.hidden = !open;
    if (!open) {
      this.shown = "";
      return;
    }
    const key = `${phase} ${trouble?.title ?? ""}`;
    if (key === this.shown) return;
    this.shown = key;
    this.element.replaceChildren(...this.content(state));
    this.element.querySelector<HTMLElement>("input, button.primary")?.focus();
  }

  private content(state: State): Node[] {
    const { phase, trouble } = state;
    const button = (words: string, act: () => void, kind = "") =>
      make("button", { type: "button", class: kind, onclick: act }, words);
    if (phase === "joining") {
      return [
        make("p", { class: "busy", role: "status" }, "Joining…"),
        button("Cancel", () => this.actions.home()),
      ];
    }
    if (phase === "left") {
      return [
        make("h1", {}, "You left the meeting"),
        button("Join again", () => this.actions.again(), "primary"),
        button("To the first page", () => this.actions.home()),
      ];
    }
    const content: Node[] = [
      make("h1", {}, trouble?.title ?? "The meeting failed"),
      make("p", { role: "status" }, trouble?.advice ?? ""),
    ];
    if (trouble?.remedy === "login") content.push(this.login());
    else if (trouble?.remedy === "password") content.push(this.password());
    else if (trouble?.remedy === "again") {
      content.push(button("Try again", () => this.actions.again(), "primary"));
    }
    content.push(button("To the first page", () => this.actions.home()));
    return content;
  }

  private login(): HTMLElement {
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      const data = new FormData(event.target as HTMLFormElement);
      this.actions.login({
        user: String(data.get("user") ?? "").trim(),
        password: String(data.get("password") ?? ""),
      });
    };
    return make(
      "details",
      {},
      make("summary", {}, "I am the host"),
      make(
        "form",
        { onsubmit: submit },
        field("Account", "text", "user", "username"),
        field("Password", "password", "password", "current-password"),
        make("button", { type: "submit", class: "primary" }, "Open the meeting"),
      ),
    );
  }

  private password(): HTMLElement {
    const submit = (event: SubmitEvent) => {
      event.preventDefault();
      const data = new FormData(event.target as HTMLFormElement);
      this.actions.password(String(data.get("password") ?? ""));
    };
    return make(
      "form",
      { onsubmit: submit },
      field("Password of the meeting", "password", "password", "off"),
      make("button", { type: "submit", class: "primary" }, "Enter"),
    );
  }
}
