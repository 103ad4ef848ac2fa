/**
 * What a meeting looks like at one moment, and how each event changes it. Values are never changed
 * in place; nothing here touches the network or the document.
 */

import type { Trouble } from "./words";

export type Phase =
  | "preview"
  | "joining"
  | "waiting"
  | "meeting"
  | "reconnecting"
  | "failed"
  | "left";
export type Panel = "none" | "chat" | "people";
export type Layout = "grid" | "speaker";
export type Kind = "audio" | "camera" | "screen";

/** A sound or picture that can be shown; the document's side of it is the library's business. */
export interface Media {
  attach(element: HTMLMediaElement): void;
  detach(element: HTMLMediaElement): void;
}

export interface Source {
  /** The name under which the bridge knows it, such as `1a2b3c4d-v0`. */
  name: string;
  muted: boolean;
  media: Media;
}

export interface Person {
  id: string;
  name: string;
  moderator: boolean;
  /** When the hand went up, milliseconds since 1970. */
  handSince: number | undefined;
  /** 0 to 100, from the person's own page. */
  percent: number | undefined;
  interrupted: boolean;
  sources: Partial<Record<Kind, Source>>;
}

export interface Message {
  from: string;
  name: string;
  mine: boolean;
  text: string;
  at: number;
}

/** Somebody who waits to be let in. */
export interface Waiting {
  id: string;
  name: string;
}

export interface State {
  phase: Phase;
  trouble: Trouble | undefined;
  /** Trouble with media only; the room itself is fine. */
  mediaTrouble: string | undefined;
  attempt: number;
  me: Person;
  /** In the order in which they came. */
  people: readonly Person[];
  dominant: string | undefined;
  pinned: string | undefined;
  layout: Layout;
  panel: Panel;
  messages: readonly Message[];
  unread: number;
  /** Whether people wait until somebody lets them in; `undefined` where the server has no such. */
  waitingRoom: boolean | undefined;
  waiting: readonly Waiting[];
}

export type Event =
  | { is: "phase"; phase: Phase; trouble?: Trouble }
  | { is: "attempt"; attempt: number }
  | { is: "media-trouble"; words: string | undefined }
  | { is: "joined"; id: string }
  | { is: "emptied" }
  | { is: "my-name"; name: string }
  | { is: "came"; id: string; name: string; moderator: boolean }
  | { is: "went"; id: string }
  | { is: "named"; id: string; name: string }
  | { is: "role"; id: string; moderator: boolean }
  | { is: "hand"; id: string; since: number | undefined }
  | { is: "quality"; id: string; percent: number | undefined }
  | { is: "interrupted"; id: string; interrupted: boolean }
  | { is: "source"; id: string; kind: Kind; source: Source }
  | { is: "source-gone"; id: string; kind: Kind; media: Media | undefined }
  | { is: "source-muted"; id: string; kind: Kind; muted: boolean }
  | { is: "dominant"; id: string | undefined }
  | { is: "waiting-room"; on: boolean | undefined }
  | { is: "knocked"; one: Waiting }
  | { is: "knock-over"; id: string }
  | { is: "message"; message: Message }
  | { is: "panel"; panel: Panel }
  | { is: "layout"; layout: Layout }
  | { is: "pin"; tile: string | undefined };

export const NOBODY = "";

export function person(id: string, name: string, moderator = false): Person {
  return {
    id,
    name,
    moderator,
    handSince: undefined,
    percent: undefined,
    interrupted: false,
    sources: {},
  };
}

export function initialState(name: string): State {
  return {
    phase: "preview",
    trouble: undefined,
    mediaTrouble: undefined,
    attempt: 0,
    me: person(NOBODY, name),
    people: [],
    dominant: undefined,
    pinned: undefined,
    layout: "grid",
    panel: "none",
    messages: [],
    unread: 0,
    waitingRoom: undefined,
    waiting: [],
  };
}

function change(state: State, id: string, with_: (person: Person) => Person): State {
  if (id === state.me.id) return { ...state, me: with_(state.me) };
  return {
    ...state,
    people: state.people.map((one) => (one.id === id ? with_(one) : one)),
  };
}

/** The state after an event. */
export function reduce(state: State, event: Event): State {
  switch (event.is) {
    case "phase":
      return { ...state, phase: event.phase, trouble: event.trouble };
    case "attempt":
      return { ...state, attempt: event.attempt };
    case "media-trouble":
      return { ...state, mediaTrouble: event.words };
    case "joined":
      return {
        ...state,
        phase: "meeting",
        trouble: undefined,
        attempt: 0,
        me: { ...state.me, id: event.id },
      };
    case "emptied":
      return {
        ...state,
        people: [],
        waiting: [],
        dominant: undefined,
        mediaTrouble: undefined,
        me: { ...state.me, moderator: false, percent: undefined, interrupted: false },
      };
    case "my-name":
      return { ...state, me: { ...state.me, name: event.name } };
    case "came":
      if (state.people.some((one) => one.id === event.id)) return state;
      return { ...state, people: [...state.people, person(event.id, event.name, event.moderator)] };
    case "went":
      return {
        ...state,
        people: state.people.filter((one) => one.id !== event.id),
        dominant: state.dominant === event.id ? undefined : state.dominant,
        pinned: state.pinned?.startsWith(`${event.id}/`) ? undefined : state.pinned,
      };
    case "named":
      return change(state, event.id, (one) => ({ ...one, name: event.name }));
    case "role":
      return change(state, event.id, (one) => ({ ...one, moderator: event.moderator }));
    case "hand":
      return change(state, event.id, (one) => ({ ...one, handSince: event.since }));
    case "quality":
      return change(state, event.id, (one) => ({ ...one, percent: event.percent }));
    case "interrupted":
      return change(state, event.id, (one) => ({ ...one, interrupted: event.interrupted }));
    case "source":
      return change(state, event.id, (one) => ({
        ...one,
        sources: { ...one.sources, [event.kind]: event.source },
      }));
    case "source-gone":
      return change(state, event.id, (one) => {
        const { [event.kind]: gone, ...rest } = one.sources;
        // A source may be replaced before the old one is taken away.
        if (gone === undefined || (event.media !== undefined && gone.media !== event.media)) {
          return one;
        }
        return { ...one, sources: rest };
      });
    case "source-muted":
      return change(state, event.id, (one) => {
        const source = one.sources[event.kind];
        if (source === undefined) return one;
        return {
          ...one,
          sources: { ...one.sources, [event.kind]: { ...source, muted: event.muted } },
        };
      });
    case "dominant":
      return { ...state, dominant: event.id };
    case "waiting-room":
      return {
        ...state,
        waitingRoom: event.on,
        waiting: event.on === true ? state.waiting : [],
      };
    case "knocked":
      return {
        ...state,
        waiting: [...state.waiting.filter((one) => one.id !== event.one.id), event.one],
      };
    case "knock-over":
      return { ...state, waiting: state.waiting.filter((one) => one.id !== event.id) };
    case "message":
      return {
        ...state,
        messages: [...state.messages, event.message],
        unread: state.panel === "chat" || event.message.mine ? state.unread : state.unread + 1,
      };
    case "panel":
      return { ...state, panel: event.panel, unread: event.panel === "chat" ? 0 : state.unread };
    case "layout":
      return { ...state, layout: event.layout, pinned: undefined };
    case "pin":
      return { ...state, pinned: event.tile };
  }
}

/** What to call somebody who gave no name. */
export function shownName(one: Person): string {
  return one.name.trim() === "" ? "Guest" : one.name;
}

/** Hands that are up, the longest waiting first. */
export function raisedHands(state: State): Person[] {
  return [state.me, ...state.people]
    .filter((one) => one.handSince !== undefined)
    .sort((a, b) => (a.handSince ?? 0) - (b.handSince ?? 0));
}
