/**
 * One tile: a picture or initials, the name, and signs for sound, hand and connection.
 *
 * `data-participant` and `data-kind` say whose it is, for tests and for people who write styles.
 */

import { QUALITY_WORDS, qualityOf } from "../model/quality";
import { type Media, shownName } from "../model/state";
import { colourOf, initials, type Tile, tileWords } from "../model/tiles";
import { attribute, icon, make, setIcon, text } from "./dom";

const COLOURS = 8;

export class TileView {
  readonly element: HTMLLIElement;
  private readonly video: HTMLVideoElement;
  private readonly letters = make("span", { class: "letters", "aria-hidden": "true" });
  private readonly name = make("span", { class: "name" });
  private readonly sound = make("span", { class: "sign sound" });
  private readonly hand = make("span", { class: "sign hand" }, icon("hand"));
  private readonly bars = make(
    "span",
    { class: "bars", role: "img" },
    make("i"),
    make("i"),
    make("i"),
  );
  private readonly pin: HTMLButtonElement;
  private media: Media | undefined;

  constructor(key: string, pin: (key: string) => void) {
    this.video = make("video", { autoplay: true, playsinline: true, muted: true });
    this.video.muted = true;
    this.pin = make(
      "button",
      { class: "pin", type: "button", onclick: () => pin(key) },
      icon("pin"),
    );
    this.element = make(
      "li",
      { class: "tile", "data-tile": key },
      this.video,
      make("span", { class: "avatar" }, this.letters),
      make("span", { class: "label" }, this.hand, this.sound, this.name, this.bars),
      this.pin,
    );
  }

  update(tile: Tile, speaking: boolean, pinned: boolean): void {
    const { person } = tile;
    const name = shownName(person);
    attribute(this.element, "data-participant", tile.mine ? "me" : person.id);
    attribute(this.element, "data-kind", tile.screen ? "screen" : "camera");
    attribute(this.element, "data-source", tile.picture?.name);
    attribute(this.element, "data-mine", tile.mine && !tile.screen);
    attribute(this.element, "data-speaking", speaking && !tile.screen);
    attribute(this.element, "data-picture", tile.picture !== undefined);
    attribute(this.element, "aria-label", tileWords(tile));
    this.show(tile.picture?.media);

    text(this.letters, initials(name));
    attribute(this.element, "data-colour", colourOf(person.id, COLOURS));
    const shown = tile.mine ? `${name} (you)` : name;
    text(this.name, tile.screen ? `${shown} · screen` : shown);
    const quiet = person.sources.audio === undefined || person.sources.audio.muted;
    setIcon(this.sound, quiet ? "microphone-off" : "microphone");
    this.sound.hidden = tile.screen || !quiet;
    this.hand.hidden = tile.screen || person.handSince === undefined;

    const quality = qualityOf(person.percent, person.interrupted);
    this.bars.hidden = tile.screen || quality === "unknown";
    attribute(this.bars, "data-quality", quality);
    attribute(this.bars, "aria-label", QUALITY_WORDS[quality]);
    attribute(this.bars, "title", QUALITY_WORDS[quality]);

    const what = tile.screen ? `the screen of ${name}` : name;
    attribute(this.pin, "aria-label", pinned ? `Unpin ${what}` : `Pin ${what} to the stage`);
    attribute(this.pin, "aria-pressed", String(pinned));
    attribute(this.pin, "title", pinned ? "Unpin" : "Pin to the stage");
  }

  /** Lets go of the picture. */
  close(): void {
    this.show(undefined);
    this.element.remove();
  }

  private show(media: Media | undefined): void {
    if (media === this.media) return;
    this.media?.detach(this.video);
    this.media = media;
    media?.attach(this.video);
    this.video.muted = true;
  }
}
