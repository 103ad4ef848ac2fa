/**
 * The page without a room: name one, or take a fresh name.
 */

import { pathOfTyped, suggestedName } from "../model/room";
import { make } from "./dom";

export function welcome(site: string): HTMLElement {
  const input = make("input", {
    type: "text",
    id: "room",
    maxlength: 120,
    autocomplete: "off",
    autocapitalize: "off",
    spellcheck: "false",
    placeholder: suggestedName(Math.random),
  });
  const open = (event: SubmitEvent) => {
    event.preventDefault();
    const path = pathOfTyped(input.value === "" ? input.placeholder : input.value);
    if (path !== undefined) window.location.assign(path);
  };
  return make(
    "main",
    { class: "card welcome" },
    make("h1", {}, site),
    make("p", {}, "Meetings in your browser. Name a room, share its address, talk."),
    make(
      "form",
      { onsubmit: open },
      make("label", { class: "field", for: "room" }, make("span", {}, "Room"), input),
      make("button", { type: "submit", class: "primary" }, "Go to the room"),
    ),
  );
}
