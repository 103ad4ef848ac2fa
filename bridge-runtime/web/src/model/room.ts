/**
 * Rooms by the path of the page.
 *
 * A room's XMPP name is made as Jitsi Meet makes it, so that people of both pages meet: Unicode
 * NFKC, lower case, percent-encoded, and `[folder]room` for a room in a folder.
 */

export interface Room {
  /** What people read. */
  title: string;
  /** The local part of the room's address. */
  name: string;
}

function decoded(part: string): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

const safe = (part: string): string =>
  encodeURIComponent(part.normalize("NFKC").toLowerCase()).toLowerCase();

/** The room that a path such as `/standup` or `/team/standup` names. */
export function roomFromPath(path: string): Room | undefined {
  const parts = path
    .split("/")
    .filter((part) => part !== "")
    .map((part) => decoded(part).trim())
    .filter((part) => part !== "");
  const title = parts.pop();
  if (title === undefined) return undefined;
  const folder = parts.map(safe).join("/");
  return { title, name: folder === "" ? safe(title) : `[${folder}]${safe(title)}` };
}

/** The path of a room that somebody typed; spaces become dashes, as they survive in mail. */
export function pathOfTyped(typed: string): string | undefined {
  const name = typed.trim().replace(/\s+/g, "-").replace(/^\/+/, "");
  if (name === "") return undefined;
  return `/${name.split("/").map(encodeURIComponent).join("/")}`;
}

const FIRST =
  "amber brave calm clear coral early gentle golden green happy keen light quiet silver warm wide".split(
    " ",
  );
const SECOND =
  "birch brook cedar cloud field garden harbour heron island lake lantern meadow orchard river shore willow".split(
    " ",
  );
const THIRD =
  "arrives begins blooms drifts gathers glows greets hums listens rises sings smiles speaks turns wakes wanders".split(
    " ",
  );

/** A room name that nobody guesses by chance and everybody can say on the phone. */
export function suggestedName(random: () => number): string {
  const pick = (words: string[]) => words[Math.floor(random() * words.length)] ?? "room";
  const number = 100 + Math.floor(random() * 900);
  return [pick(FIRST), pick(SECOND), pick(THIRD), String(number)].join("-");
}
