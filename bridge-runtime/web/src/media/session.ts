/**
 * One stay in one room: connects, joins, turns what the library reports into events of the model,
 * and comes back by itself after a loss. Local devices outlive connections.
 */

import { delayBefore } from "../model/backoff";
import type { ReceiverConstraints } from "../model/layout";
import { percentOf } from "../model/quality";
import type { Event, Kind, Source } from "../model/state";
import { conferenceTrouble, connectionTrouble, type Device, deviceTrouble } from "../model/words";
import type { Settings } from "../settings";
import type { Devices } from "./devices";
import {
  type Credentials,
  type Library,
  type LibraryConference,
  type LibraryConnection,
  type LibraryParticipant,
  type LibraryTrack,
  makeConference,
  makeConnection,
} from "./library";

/** How long a guest waits before asking again whether the host has come. */
const ASK_AGAIN_MS = 4000;

export interface SessionOptions {
  library: Library;
  settings: Settings;
  devices: Devices;
  room: string;
  name: () => string;
  send: (event: Event) => void;
  notice: (words: string) => void;
  measured: (stats: LocalStats) => void;
}

export interface LocalStats {
  connectionQuality?: number;
  jvbRTT?: number;
  packetLoss?: { total?: number };
  bitrate?: { download?: number; upload?: number };
}

export class Session {
  private connection: LibraryConnection | undefined;
  private conference: LibraryConference | undefined;
  private credentials: Credentials | undefined;
  private password: string | undefined;
  private attempt = 0;
  private timer: number | undefined;
  /** Grows with every new connection, so that late events of an old one count for nothing. */
  private generation = 0;
  private wanted: ReceiverConstraints | undefined;
  /** Videos of others. */
  private readonly videos = new Set<LibraryTrack>();
  private hand = 0;

  constructor(private readonly with_: SessionOptions) {}

  /** Joins, or joins again; `password` is the room's. */
  join(credentials?: Credentials, password?: string): void {
    this.credentials = credentials ?? this.credentials;
    this.password = password ?? this.password;
    this.attempt = 0;
    this.with_.send({ is: "phase", phase: "joining" });
    void this.open();
  }

  async leave(): Promise<void> {
    await this.close();
    await this.with_.devices.releaseAll();
    this.with_.send({ is: "phase", phase: "left" });
  }

  /** Tries at once instead of waiting for the next attempt. */
  tryNow(): void {
    this.attempt = 0;
    void this.open();
  }

  private async open(): Promise<void> {
    await this.close();
    const { library, settings, room } = this.with_;
    const generation = this.generation;
    const current = () => generation === this.generation;
    // Where WebSockets do not get through, every third attempt goes by long polling.
    const way = this.attempt % 3 === 2 ? "bosh" : "websocket";
    const connection = makeConnection(library, settings, room, way);
    this.connection = connection;
    const names = library.events.connection;
    const on = (name: string, listener: (...values: never[]) => void) => {
      connection.addEventListener(names[name] ?? name, (...values: never[]) => {
        if (current()) listener(...values);
      });
    };
    on("CONNECTION_ESTABLISHED", () => this.enter(connection, current));
    on("CONNECTION_FAILED", (code: string) => this.lost(connectionTrouble(code)));
    on("CONNECTION_DISCONNECTED", () => this.lost(connectionTrouble("connection.droppedError")));
    const credentials = this.credentials;
    connection.connect(
      credentials === undefined
        ? {}
        : {
            id: `${credentials.user}@${settings.hosts.authdomain ?? settings.hosts.domain}`,
            password: credentials.password,
          },
    );
  }

  private async close(): Promise<void> {
    this.generation += 1;
    window.clearTimeout(this.timer);
    const { conference, connection } = this;
    this.conference = undefined;
    this.connection = undefined;
    const limit = new Promise<void>((done) => window.setTimeout(done, 1500));
    if (conference !== undefined) {
      await Promise.race([conference.leave().catch(() => undefined), limit]);
    }
    if (connection !== undefined) {
      await Promise.race([Promise.resolve(connection.disconnect()).catch(() => undefined), limit]);
    }
    this.with_.send({ is: "emptied" });
  }

  private lost(trouble: ReturnType<typeof connectionTrouble>): void {
    if (!trouble.automatic) {
      void this.close();
      this.with_.send({ is: "phase", phase: "failed", trouble });
      return;
    }
    this.with_.send({ is: "phase", phase: "reconnecting", trouble });
    const wait = delayBefore(this.attempt, Math.random);
    this.attempt += 1;
    this.with_.send({ is: "attempt", attempt: this.attempt });
    // The old connection is closed when the next one opens; its events count no more.
    this.generation += 1;
    window.clearTimeout(this.timer);
    this.timer = window.setTimeout(() => void this.open(), wait);
  }

  private enter(connection: LibraryConnection, current: () => boolean): void {
    const { library, settings, devices, room, send } = this.with_;
    const conference = makeConference(library, connection, settings, room);
    this.conference = conference;
    this.videos.clear();
    const names = { ...library.events.conference, ...library.events.connectionQuality };
    const on = (name: string, listener: (...values: never[]) => void) => {
      conference.on(names[name] ?? name, (...values: never[]) => {
        if (current()) listener(...values);
      });
    };
    on("CONFERENCE_JOINED", () => {
      this.attempt = 0;
      send({ is: "joined", id: conference.myUserId() });
      send({ is: "role", id: conference.myUserId(), moderator: conference.isModerator() });
      if (this.wanted !== undefined) conference.setReceiverConstraints(this.wanted);
      this.showWaitingRoom(conference);
    });
    on("CONFERENCE_FAILED", (code: string) => this.failed(code, conference));
    on("KICKED", (by: LibraryParticipant | undefined) => {
      const who = by?.getDisplayName() || "A moderator";
      void this.leave().then(() =>
        send({
          is: "phase",
          phase: "failed",
          trouble: {
            title: "You were removed from the meeting",
            advice: `${who} removed you.`,
            remedy: "none",
            automatic: false,
          },
        }),
      );
    });
    on("USER_JOINED", (id: string, one: LibraryParticipant) => {
      const name = one.getDisplayName() ?? "";
      send({ is: "came", id, name, moderator: one.isModerator() });
      this.property(id, "raisedHand", one.getProperty("raisedHand"));
    });
    on("USER_LEFT", (id: string) => send({ is: "went", id }));
    on("DISPLAY_NAME_CHANGED", (id: string, name: string) => send({ is: "named", id, name }));
    on("USER_ROLE_CHANGED", (id: string, role: string) =>
      send({ is: "role", id, moderator: role === "moderator" }),
    );
    on(
      "PARTICIPANT_PROPERTY_CHANGED",
      (one: LibraryParticipant, name: string, _: never, value: string) =>
        this.property(one.getId(), name, value),
    );
    on("TRACK_ADDED", (track: LibraryTrack) => this.appeared(track));
    on("TRACK_REMOVED", (track: LibraryTrack) => {
      const id = track.isLocal() ? conference.myUserId() : track.getParticipantId();
      if (!track.isLocal()) {
        this.videos.delete(track);
        send({ is: "source-gone", id, kind: kindOf(track), media: mediaOf(track) });
      }
    });
    on("TRACK_MUTE_CHANGED", (track: LibraryTrack, by: LibraryParticipant | undefined) => {
      const id = track.isLocal() ? conference.myUserId() : track.getParticipantId();
      send({ is: "source-muted", id, kind: kindOf(track), muted: track.isMuted() });
      if (track.isLocal() && track.isMuted() && by !== undefined) {
        const what = { audio: "microphone", camera: "camera", screen: "screen" }[kindOf(track)];
        this.with_.notice(`${by.getDisplayName() || "A moderator"} switched off your ${what}.`);
      }
    });
    on("MEMBERS_ONLY_CHANGED", () => this.showWaitingRoom(conference));
    on("LOBBY_USER_JOINED", (id: string, name: string | undefined) =>
      send({ is: "knocked", one: { id, name: name ?? "" } }),
    );
    on("LOBBY_USER_LEFT", (id: string) => send({ is: "knock-over", id }));
    on("DOMINANT_SPEAKER_CHANGED", (id: string) => send({ is: "dominant", id }));
    on("MESSAGE_RECEIVED", (id: string, text: string, stamp: string | undefined) => {
      const mine = id === conference.myUserId();
      const name = mine
        ? this.with_.name()
        : (conference.getParticipantById(id)?.getDisplayName() ?? "");
      const at = stamp === undefined ? Date.now() : Date.parse(stamp) || Date.now();
      send({ is: "message", message: { from: id, name, mine, text, at } });
    });
    on("LOCAL_STATS_UPDATED", (stats: LocalStats) => {
      send({ is: "quality", id: conference.myUserId(), percent: percentOf(told(stats)) });
      this.with_.measured(stats);
    });
    on("REMOTE_STATS_UPDATED", (id: string, stats: LocalStats) =>
      send({ is: "quality", id, percent: percentOf(told(stats)) }),
    );
    on("CONNECTION_INTERRUPTED", () =>
      send({ is: "media-trouble", words: "Sound and picture are interrupted. Reconnecting." }),
    );
    on("CONNECTION_RESTORED", () => send({ is: "media-trouble", words: undefined }));
    on("CONNECTION_ESTABLISHED", () => send({ is: "media-trouble", words: undefined }));

    conference.setDisplayName(this.with_.name());
    if (this.hand > 0) conference.setLocalParticipantProperty("raisedHand", String(this.hand));
    for (const track of [devices.microphone, devices.camera, devices.screen]) {
      if (track === undefined) continue;
      // Who comes anew has another identifier: a name with the old one would count as muted.
      track.setSourceName?.(undefined);
      void conference.addTrack(track);
    }
    conference.join(this.password);
  }

  private failed(code: string, conference: LibraryConference): void {
    const trouble = conferenceTrouble(code);
    if (code === "conference.videobridgeNotAvailable") {
      // The room is fine, and the focus invites everyone when a bridge is back.
      this.with_.send({ is: "media-trouble", words: `${trouble.title}. ${trouble.advice}` });
      return;
    }
    if (code === "conference.authenticationRequired") {
      this.with_.send({ is: "phase", phase: "waiting", trouble });
      const generation = this.generation;
      this.timer = window.setTimeout(() => {
        if (generation === this.generation) conference.join(this.password);
      }, ASK_AGAIN_MS);
      return;
    }
    if (code === "conference.connectionError.membersOnly") {
      this.with_.send({ is: "phase", phase: "waiting", trouble });
      // Without a name nobody inside knows whom they let in.
      conference.joinLobby(this.with_.name() || "Guest").catch(() => this.lost(trouble));
      return;
    }
    this.lost(trouble);
  }

  private showWaitingRoom(conference: LibraryConference): void {
    const on = conference.isLobbySupported() ? conference.isMembersOnly() : undefined;
    this.with_.send({ is: "waiting-room", on });
  }

  /** Has people wait until somebody lets them in, or lets everyone in again. */
  async holdAtDoor(on: boolean): Promise<void> {
    try {
      if (on) await this.conference?.enableLobby();
      else this.conference?.disableLobby();
    } catch {
      this.with_.notice("The waiting room could not be changed.");
    }
  }

  /** Answers somebody who waits. */
  answer(id: string, letIn: boolean): void {
    if (letIn) this.conference?.lobbyApproveAccess(id);
    else this.conference?.lobbyDenyAccess(id);
    this.with_.send({ is: "knock-over", id });
  }

  private property(id: string, name: string, value: string | undefined): void {
    if (name !== "raisedHand") return;
    const since = Number(value ?? 0);
    this.with_.send({ is: "hand", id, since: since > 0 ? since : undefined });
  }

  private appeared(track: LibraryTrack): void {
    if (track.isLocal()) return;
    this.show(track);
    if (track.getType() === "audio") return;
    this.videos.add(track);
    let kind = kindOf(track);
    // A screen may come before the word that it is one.
    const { track: names } = this.with_.library.events;
    track.on(names["TRACK_VIDEOTYPE_CHANGED"] ?? "track.videoTypeChanged", () => {
      const id = track.getParticipantId();
      this.with_.send({ is: "source-gone", id, kind, media: mediaOf(track) });
      kind = kindOf(track);
      for (const video of this.videos) if (video.getParticipantId() === id) this.show(video);
    });
  }

  private show(track: LibraryTrack): void {
    const source: Source = {
      name: track.getSourceName?.() ?? "",
      muted: track.isMuted(),
      media: mediaOf(track),
    };
    this.with_.send({ is: "source", id: track.getParticipantId(), kind: kindOf(track), source });
  }

  /** Says anew which sources of this machine there are. */
  showMine(id: string): void {
    const { devices, send } = this.with_;
    const mine: [Kind, LibraryTrack | undefined][] = [
      ["audio", devices.microphone],
      ["camera", devices.camera],
      ["screen", devices.screen],
    ];
    for (const [kind, track] of mine) {
      if (track === undefined) send({ is: "source-gone", id, kind, media: undefined });
      else {
        const source = { name: `mine-${kind}`, muted: track.isMuted(), media: mediaOf(track) };
        send({ is: "source", id, kind, source });
      }
    }
  }

  /** Switches a device on or off; opens it when it is not open yet. */
  async set(device: "camera" | "microphone", on: boolean, id: string): Promise<void> {
    const { devices, notice } = this.with_;
    const track = devices[device];
    try {
      if (track !== undefined) await (on ? track.unmute() : track.mute());
      else if (on) {
        const opened = await devices.open(device);
        if ("code" in opened) {
          const words = deviceTrouble(device, opened.code);
          if (words !== undefined) notice(words);
        } else {
          devices[device] = opened.track;
          await this.conference?.addTrack(opened.track);
        }
      }
    } catch (error) {
      notice(deviceTrouble(device, (error as Error).name) ?? "");
    }
    this.showMine(id);
  }

  /** Takes another camera or microphone. */
  async choose(device: "camera" | "microphone", deviceId: string, id: string): Promise<void> {
    const { devices, notice } = this.with_;
    const opened = await devices.open(device, deviceId);
    if ("code" in opened) {
      notice(deviceTrouble(device, opened.code) ?? "");
      return;
    }
    const old = devices[device];
    if (old?.isMuted()) await opened.track.mute();
    await this.conference?.replaceTrack(old ?? null, opened.track);
    devices[device] = opened.track;
    await old?.dispose().catch(() => undefined);
    this.showMine(id);
  }

  async share(on: boolean, id: string): Promise<void> {
    const { devices, notice, library } = this.with_;
    const old = devices.screen;
    if (!on) {
      if (old !== undefined) {
        devices.screen = undefined;
        await this.conference?.replaceTrack(old, null).catch(() => undefined);
        await old.dispose().catch(() => undefined);
      }
      this.showMine(id);
      return;
    }
    const opened = await devices.open("screen");
    if ("code" in opened) {
      const words = deviceTrouble("screen" satisfies Device, opened.code);
      if (words !== undefined) notice(words);
      return;
    }
    devices.screen = opened.track;
    // The browser's own "stop sharing".
    opened.track.on(library.events.track["LOCAL_TRACK_STOPPED"] ?? "track.stopped", () => {
      if (devices.screen === opened.track) void this.share(false, id);
    });
    await this.conference?.addTrack(opened.track);
    this.showMine(id);
  }

  raiseHand(up: boolean, id: string): void {
    this.hand = up ? Date.now() : 0;
    this.conference?.setLocalParticipantProperty("raisedHand", String(this.hand));
    this.with_.send({ is: "hand", id, since: up ? this.hand : undefined });
  }

  rename(name: string): void {
    this.conference?.setDisplayName(name);
  }

  say(text: string): void {
    this.conference?.sendMessage(text);
  }

  mute(id: string, type: "audio" | "video"): void {
    this.conference?.muteParticipant(id, type);
  }

  remove(id: string): void {
    this.conference?.kickParticipant(id, "removed by a moderator");
  }

  receive(constraints: ReceiverConstraints): void {
    this.wanted = constraints;
    this.conference?.setReceiverConstraints(constraints);
  }
}

const told = (stats: LocalStats) => ({
  percent: stats.connectionQuality,
  lossPercent: stats.packetLoss?.total,
  roundTripMs: stats.jvbRTT,
});

function kindOf(track: LibraryTrack): Kind {
  if (track.getType() === "audio") return "audio";
  return track.getVideoType() === "desktop" ? "screen" : "camera";
}

/** The library's tracks are what the model shows, as they are. */
function mediaOf(track: LibraryTrack) {
  return track as unknown as Source["media"];
}
