/**
 * Which tiles a meeting has, in order, and which of them stands on the stage.
 */

import { type Person, type Source, type State, shownName } from "./state";

export interface Tile {
  /** `PERSON/camera` or `PERSON/screen`. */
  key: string;
  person: Person;
  screen: boolean;
  mine: boolean;
  /** The picture; none while the camera is off. */
  picture: Source | undefined;
}

export interface Scene {
  stage: Tile | undefined;
  others: Tile[];
}

const shown = (source: Source | undefined): Source | undefined =>
  source === undefined || source.muted ? undefined : source;

/** All tiles: screens first, then people in the order in which they came, then oneself. */
export function tilesOf(state: State): Tile[] {
  const everyone = [...state.people, state.me];
  const screens = everyone.flatMap((one): Tile[] => {
    const picture = shown(one.sources.screen);
    if (picture === undefined) return [];
    return [
      { key: `${one.id}/screen`, person: one, screen: true, mine: one === state.me, picture },
    ];
  });
  const cameras = everyone.map(
    (one): Tile => ({
      key: `${one.id}/camera`,
      person: one,
      screen: false,
      mine: one === state.me,
      picture: shown(one.sources.camera),
    }),
  );
  return [...screens, ...cameras];
}

/**
 * Who stands large: what is pinned, else a screen of somebody else, else in the speaker layout
 * whoever speaks or spoke last. Alone or alike, nobody does.
 */
export function sceneOf(state: State): Scene {
  const tiles = tilesOf(state);
  const stage =
    tiles.find((tile) => tile.key === state.pinned) ??
    tiles.find((tile) => tile.screen && !tile.mine) ??
    (state.layout === "speaker" ? speakerOf(state, tiles) : undefined);
  return { stage, others: tiles.filter((tile) => tile !== stage) };
}

function speakerOf(state: State, tiles: Tile[]): Tile | undefined {
  if (state.people.length === 0) return undefined;
  return (
    tiles.find((tile) => !tile.mine && tile.person.id === state.dominant) ??
    tiles.find((tile) => !tile.mine)
  );
}

/** What a screen reader says for a tile. */
export function tileWords(tile: Tile): string {
  const name = tile.mine ? `${shownName(tile.person)}, you` : shownName(tile.person);
  if (tile.screen) return `Screen of ${name}`;
  const parts = [name];
  const sound = tile.person.sources.audio;
  if (sound === undefined || sound.muted) parts.push("muted");
  if (tile.picture === undefined) parts.push("camera off");
  if (tile.person.handSince !== undefined) parts.push("hand raised");
  if (tile.person.interrupted) parts.push("connection interrupted");
  return parts.join(", ");
}

/** One or two letters that stand for somebody without a picture. */
export function initials(name: string): string {
  const words = name
    .trim()
    .split(/\s+/)
    .filter((word) => word !== "");
  const first = words[0]?.match(/\p{L}|\p{N}/u)?.[0] ?? "?";
  const last = words.length > 1 ? (words.at(-1)?.match(/\p{L}|\p{N}/u)?.[0] ?? "") : "";
  return (first + last).toUpperCase();
}

/** One of `count` colours, always the same for the same person. */
export function colourOf(id: string, count: number): number {
  let sum = 7;
  for (const letter of id) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 65521;
  return sum % count;
}
