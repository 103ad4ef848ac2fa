/**
 * The panel beside the tiles: the chat, or the list of people with what a moderator may do.
 */

import { QUALITY_WORDS, qualityOf } from "../model/quality";
import { type Message, type Person, raisedHands, type State, shownName } from "../model/state";
import { arrange, attribute, icon, make, setIcon, text } from "./dom";

export interface PanelActions {
  close(): void;
  say(text: string): void;
  mute(id: string, type: "audio" | "video"): void;
  remove(one: Person): void;
  holdAtDoor(on: boolean): void;
  answer(id: string, letIn: boolean): void;
}

const clock = new Intl.DateTimeFormat(undefined, { hour: "2-digit", minute: "2-digit" });

export class PanelView {
  readonly element: HTMLElement;
  private readonly heading = make("h2", { id: "panel-heading" });
  private readonly log = make("ol", {
    class: "log",
    role: "log",
    "aria-label": "Messages",
    tabindex: 0,
  });
  private readonly input = make("textarea", {
    rows: 1,
    maxlength: 4000,
    placeholder: "Message to everyone",
    "aria-label": "Message to everyone",
  });
  private readonly chat: HTMLElement;
  private readonly list = make("ul", { class: "people" });
  private readonly door = make("input", { type: "checkbox", role: "switch" });
  private readonly waiting = make("ul", { class: "waiting", "aria-label": "Waiting to be let in" });
  private readonly doorway = make(
    "div",
    { class: "doorway" },
    make("label", {}, this.door, make("span", {}, "New people wait until let in")),
    this.waiting,
  );
  private asking = "";
  private readonly rows = new Map<string, PersonRow>();
  private shown = 0;
  private open = "none";

  constructor(private readonly actions: PanelActions) {
    const form = make(
      "form",
      { class: "say", onsubmit: (event: SubmitEvent) => this.submit(event) },
      this.input,
      make(
        "button",
        { type: "submit", class: "send", "aria-label": "Send", title: "Send" },
        icon("send"),
      ),
    );
    this.input.addEventListener("keydown", (event) => {
      if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
        event.preventDefault();
        form.requestSubmit();
      }
    });
    this.chat = make("div", { class: "chat" }, this.log, form);
    this.element = make(
      "aside",
      { class: "panel", "aria-labelledby": "panel-heading", hidden: true },
      make(
        "header",
        {},
        this.heading,
        make(
          "button",
          {
            type: "button",
            class: "plain",
            "aria-label": "Close",
            title: "Close (Esc)",
            onclick: () => actions.close(),
          },
          icon("close"),
        ),
      ),
      this.chat,
      this.doorway,
      this.list,
    );
    this.door.addEventListener("change", () => actions.holdAtDoor(this.door.checked));
    this.element.addEventListener("keydown", (event) => {
      if (event.key === "Escape") actions.close();
    });
  }

  update(state: State): void {
    const { panel } = state;
    this.element.hidden = panel === "none";
    this.chat.hidden = panel !== "chat";
    this.list.hidden = panel !== "people";
    text(this.heading, panel === "people" ? `People (${state.people.length + 1})` : "Chat");
    this.messages(state.messages);
    this.people(state);
    this.knocks(state);
    if (panel !== this.open) {
      this.open = panel;
      if (panel === "chat") this.input.focus();
      if (panel === "people") this.element.querySelector<HTMLElement>("header button")?.focus();
      this.log.scrollTop = this.log.scrollHeight;
    }
  }

  private messages(messages: readonly Message[]): void {
    if (messages.length === this.shown) return;
    const atEnd = this.log.scrollHeight - this.log.scrollTop - this.log.clientHeight < 40;
    for (const message of messages.slice(this.shown)) {
      this.log.append(
        make(
          "li",
          { "data-mine": message.mine, "data-from": message.from },
          make(
            "span",
            { class: "who" },
            `${message.mine ? "You" : message.name || "Guest"} `,
            make(
              "time",
              { datetime: new Date(message.at).toISOString() },
              clock.format(message.at),
            ),
          ),
          make("p", {}, ...linked(message.text)),
        ),
      );
    }
    this.shown = messages.length;
    if (atEnd) this.log.scrollTop = this.log.scrollHeight;
  }

  private people(state: State): void {
    const raised = raisedHands(state);
    const quiet = [state.me, ...state.people].filter((one) => !raised.includes(one));
    const everyone = [...raised, ...quiet];
    for (const [id, row] of this.rows) {
      if (!everyone.some((one) => one.id === id)) {
        row.element.remove();
        this.rows.delete(id);
      }
    }
    const rows = everyone.map((one) => {
      let row = this.rows.get(one.id);
      if (row === undefined) {
        row = new PersonRow(this.actions);
        this.rows.set(one.id, row);
      }
      row.update(one, one === state.me, state.me.moderator);
      return row.element;
    });
    arrange(this.list, rows);
  }

  /** Who waits to be let in; moderators only. */
  private knocks(state: State): void {
    const { waitingRoom, waiting, me, panel } = state;
    this.doorway.hidden = panel !== "people" || !me.moderator || waitingRoom === undefined;
    this.door.checked = waitingRoom === true;
    attribute(this.doorway, "data-closed", waitingRoom === true);
    const asking = JSON.stringify(waiting);
    if (asking === this.asking) return;
    this.asking = asking;
    this.waiting.replaceChildren(
      ...waiting.map((one) => {
        const name = one.name || "Guest";
        const button = (words: string, kind: string, letIn: boolean) =>
          make(
            "button",
            {
              type: "button",
              class: kind,
              "aria-label": `${words} ${name}`,
              onclick: () => this.actions.answer(one.id, letIn),
            },
            words,
          );
        return make(
          "li",
          {},
          make("span", { class: "name" }, name),
          button("Let in", "primary", true),
          button("Refuse", "", false),
        );
      }),
    );
  }

  private submit(event: SubmitEvent): void {
    event.preventDefault();
    const words = this.input.value.trim();
    if (words !== "") this.actions.say(words);
    this.input.value = "";
  }
}

class PersonRow {
  readonly element: HTMLLIElement;
  private readonly name = make("span", { class: "name" });
  private readonly note = make("span", { class: "note" });
  private readonly hand = make(
    "span",
    { class: "sign", role: "img", "aria-label": "hand raised" },
    icon("hand"),
  );
  private readonly sound = make("button", { type: "button", class: "plain" });
  private readonly camera = make("button", { type: "button", class: "plain" });
  private readonly away = make("button", { type: "button", class: "plain" }, icon("remove"));
  private one: Person | undefined;

  constructor(actions: PanelActions) {
    const act = (button: HTMLButtonElement, run: (one: Person) => void) =>
      button.addEventListener("click", () => {
        if (this.one !== undefined) run(this.one);
      });
    act(this.sound, (one) => actions.mute(one.id, "audio"));
    act(this.camera, (one) => actions.mute(one.id, "video"));
    act(this.away, (one) => actions.remove(one));
    this.element = make(
      "li",
      {},
      make("span", { class: "text" }, this.name, this.note),
      this.hand,
      this.sound,
      this.camera,
      this.away,
    );
  }

  update(one: Person, mine: boolean, moderator: boolean): void {
    this.one = one;
    const name = shownName(one);
    attribute(this.element, "data-participant", mine ? "me" : one.id);
    text(this.name, mine ? `${name} (you)` : name);
    const notes = [
      one.moderator ? "moderator" : "",
      QUALITY_WORDS[qualityOf(one.percent, one.interrupted)],
    ];
    text(
      this.note,
      notes.filter((note) => note !== "" && note !== QUALITY_WORDS.unknown).join(" · "),
    );
    this.hand.hidden = one.handSince === undefined;
    const may = moderator && !mine;
    this.show(this.sound, one.sources.audio, "microphone", "microphone-off", may, `Mute ${name}`);
    this.show(
      this.camera,
      one.sources.camera,
      "camera",
      "camera-off",
      may,
      `Stop the camera of ${name}`,
    );
    this.away.hidden = !may;
    attribute(this.away, "aria-label", `Remove ${name} from the meeting`);
    attribute(this.away, "title", `Remove ${name}`);
  }

  private show(
    button: HTMLButtonElement,
    source: { muted: boolean } | undefined,
    on: "microphone" | "camera",
    off: "microphone-off" | "camera-off",
    may: boolean,
    words: string,
  ): void {
    const live = source !== undefined && !source.muted;
    setIcon(button, live ? on : off);
    button.disabled = !(may && live);
    const said = live ? `${on} on` : `${on} off`;
    attribute(button, "aria-label", may && live ? words : said);
    attribute(button, "title", may && live ? words : said);
  }
}

/** Addresses in a message become links; everything else stays text. */
function linked(message: string): (string | HTMLElement)[] {
  return message.split(/(https?:\/\/[^\s<>"]+)/).map((part, index) => {
    if (index % 2 === 0) return part;
    return make("a", { href: part, target: "_blank", rel: "noopener noreferrer" }, part);
  });
}
