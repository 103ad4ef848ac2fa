/**
 * What the page says by itself: short notices that go away, and a banner that stays while
 * something is wrong. Both are read out by screen readers.
 */

import { attribute, make, text } from "./dom";

const SHOWN_MS = 7000;
const AT_ONCE = 3;

export class NoticesView {
  readonly element: HTMLElement;
  private readonly list = make("div", { class: "notices", role: "status", "aria-live": "polite" });
  private readonly words = make("span");
  private readonly button = make("button", { type: "button" });
  private readonly banner = make(
    "div",
    { class: "banner", role: "alert", hidden: true },
    this.words,
    this.button,
  );
  private act: (() => void) | undefined;

  constructor() {
    this.button.addEventListener("click", () => this.act?.());
    this.element = make("div", { class: "says" }, this.banner, this.list);
  }

  /** Says something once. */
  say(words: string): void {
    if (words === "") return;
    const notice = make("p", {}, words);
    this.list.append(notice);
    while (this.list.children.length > AT_ONCE) this.list.firstElementChild?.remove();
    window.setTimeout(() => notice.remove(), SHOWN_MS);
  }

  /** Shows the banner, or takes it away. */
  hold(words: string | undefined, label?: string, act?: () => void): void {
    text(this.words, words ?? "");
    text(this.button, label ?? "");
    this.button.hidden = label === undefined;
    this.act = act;
    attribute(this.banner, "hidden", words === undefined);
  }
}
