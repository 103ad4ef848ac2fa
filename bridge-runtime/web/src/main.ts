/**
 * Ties the page together: one state, one session, and views that show the state.
 */

import { Devices } from "./media/devices";
import { type Library, openLibrary } from "./media/library";
import { Session } from "./media/session";
import { measuredWords } from "./model/quality";
import { type Room, roomFromPath } from "./model/room";
import { type Event, initialState, reduce, type State, shownName } from "./model/state";
import { readSettings, type Settings } from "./settings";
import { ask, keysDialog, settingsDialog } from "./view/dialogs";
import { make } from "./view/dom";
import { GateView } from "./view/gate";
import { MeetingView } from "./view/meeting";
import { NoticesView } from "./view/notices";
import { PreviewView } from "./view/preview";
import type { Command } from "./view/toolbar";
import { welcome } from "./view/welcome";

const STORED_NAME = "jitctl.name";
const STORED_THEME = "jitctl.theme";

/** Storage may be switched off; then nothing is remembered. */
const stored = {
  get: (key: string): string => {
    try {
      return localStorage.getItem(key) ?? "";
    } catch {
      return "";
    }
  },
  set: (key: string, value: string): void => {
    try {
      localStorage.setItem(key, value);
    } catch {
      // Nothing to be done, and nothing lost but a convenience.
    }
  },
};

function dress(theme: string): void {
  if (theme === "") delete document.documentElement.dataset["theme"];
  else document.documentElement.dataset["theme"] = theme;
}

class Page {
  private state: State = initialState(stored.get(STORED_NAME));
  private readonly notices = new NoticesView();
  private readonly devices: Devices;
  private readonly session: Session;
  private readonly meeting: MeetingView;
  private readonly gate: GateView;
  private preview: PreviewView | undefined;
  private speaker: string | undefined;
  private drawing = false;

  constructor(
    private readonly library: Library,
    settings: Settings,
    private readonly room: Room,
  ) {
    this.devices = new Devices(library);
    this.session = new Session({
      library,
      settings,
      devices: this.devices,
      room: room.name,
      name: () => this.state.me.name,
      send: (event) => this.send(event),
      notice: (words) => this.notices.say(words),
      measured: (stats) => {
        document.documentElement.dataset["measured"] = measuredWords({
          roundTripMs: stats.jvbRTT,
          lossPercent: stats.packetLoss?.total,
          downKbit: stats.bitrate?.download,
          upKbit: stats.bitrate?.upload,
        });
      },
    });
    this.gate = new GateView({
      again: () => this.enter(),
      home: () => void this.session.leave().then(() => window.location.assign("/")),
      login: (credentials) => this.session.join(credentials),
      password: (password) => this.session.join(undefined, password),
    });
    this.meeting = new MeetingView({
      run: (command) => this.run(command),
      talk: (on) => void this.session.set("microphone", on, this.state.me.id),
      pin: (tile) => this.send({ is: "pin", tile: this.state.pinned === tile ? undefined : tile }),
      receive: (constraints) => this.session.receive(constraints),
      soundBlocked: () =>
        this.notices.hold(
          "Your browser waits for a click before it plays sound.",
          "Hear the others",
          () => {
            this.meeting.sound.play();
            this.notices.hold(undefined);
          },
        ),
      close: () => this.send({ is: "panel", panel: "none" }),
      say: (words) => this.session.say(words),
      holdAtDoor: (on) => void this.session.holdAtDoor(on),
      answer: (id, letIn) => this.session.answer(id, letIn),
      mute: (id, type) => this.session.mute(id, type),
      remove: (one) =>
        ask(`Remove ${shownName(one)} from the meeting?`, "Remove", () =>
          this.session.remove(one.id),
        ),
    });
    document.body.append(this.meeting.element, this.gate.element, this.notices.element);
    window.addEventListener("offline", () => this.notices.say("This machine is offline."));
    window.addEventListener("online", () => {
      if (this.state.phase === "reconnecting") this.session.tryNow();
    });
    window.addEventListener("pagehide", () => void this.session.leave());
  }

  async start(): Promise<void> {
    this.preview = new PreviewView({
      room: this.room.title,
      name: this.state.me.name,
      devices: this.devices,
      levels: this.library.events.track["TRACK_AUDIO_LEVEL_CHANGED"] ?? "track.audioLevelsChanged",
      join: (name) => {
        stored.set(STORED_NAME, name);
        this.send({ is: "my-name", name });
        this.enter();
      },
    });
    document.body.prepend(this.preview.element);
    await this.preview.start();
  }

  private enter(): void {
    this.preview?.stop();
    this.preview = undefined;
    this.session.join();
    this.session.showMine(this.state.me.id);
  }

  private send(event: Event): void {
    const before = this.state;
    this.state = reduce(before, event);
    if (event.is === "message" && !event.message.mine && this.state.panel !== "chat") {
      this.notices.say(`${event.message.name || "Guest"}: ${event.message.text}`);
    }
    if (event.is === "hand" && event.since !== undefined && event.id !== this.state.me.id) {
      const one = this.state.people.find((other) => other.id === event.id);
      if (one !== undefined) this.notices.say(`${shownName(one)} raised a hand.`);
    }
    if (event.is === "joined") this.session.showMine(event.id);
    // Events come in bursts; one drawing for all of them.
    if (this.drawing) return;
    this.drawing = true;
    queueMicrotask(() => {
      this.drawing = false;
      this.draw();
    });
  }

  private draw(): void {
    const { state } = this;
    document.title = `${this.room.title} · ${window.location.hostname}`;
    document.documentElement.dataset["phase"] = state.phase;
    this.meeting.update(state);
    this.gate.update(state);
    if (state.phase === "reconnecting") {
      const trouble = state.trouble;
      this.notices.hold(
        `${trouble?.title ?? "Reconnecting"}. ${trouble?.advice ?? ""}`,
        "Try now",
        () => this.session.tryNow(),
      );
    } else if (state.phase === "meeting") this.holdMeeting();
    else this.notices.hold(undefined);
  }

  /** The banner of a running meeting: trouble first, then whoever waits at the door. */
  private holdMeeting(): void {
    const { mediaTrouble, waiting, panel, me } = this.state;
    const [first] = waiting;
    if (mediaTrouble !== undefined || first === undefined || panel === "people" || !me.moderator) {
      this.notices.hold(mediaTrouble);
      return;
    }
    const words =
      waiting.length === 1
        ? `${first.name || "Guest"} waits to be let in.`
        : `${waiting.length} people wait to be let in.`;
    this.notices.hold(words, "Show", () => this.send({ is: "panel", panel: "people" }));
  }

  private run(command: Command): void {
    const { me, panel, layout } = this.state;
    const on = (source: { muted: boolean } | undefined) => source !== undefined && !source.muted;
    switch (command) {
      case "microphone":
        void this.session.set("microphone", !on(me.sources.audio), me.id);
        break;
      case "camera":
        void this.session.set("camera", !on(me.sources.camera), me.id);
        break;
      case "screen":
        void this.session.share(!on(me.sources.screen), me.id);
        break;
      case "hand":
        this.session.raiseHand(me.handSince === undefined, me.id);
        break;
      case "chat":
      case "people":
        this.send({ is: "panel", panel: panel === command ? "none" : command });
        break;
      case "layout":
        this.send({ is: "layout", layout: layout === "grid" ? "speaker" : "grid" });
        break;
      case "fullscreen":
        fullscreen();
        break;
      case "help":
        keysDialog();
        break;
      case "settings":
        void this.settings();
        break;
      case "leave":
        void this.session.leave();
        break;
      case "talk":
        break;
    }
  }

  private async settings(): Promise<void> {
    settingsDialog({
      name: this.state.me.name,
      choices: await this.devices.choices(),
      chosen: {
        camera: this.devices.camera?.getDeviceId(),
        microphone: this.devices.microphone?.getDeviceId(),
        speaker: this.speaker,
      },
      theme: stored.get(STORED_THEME),
      rename: (name) => {
        stored.set(STORED_NAME, name);
        this.send({ is: "my-name", name });
        this.session.rename(name);
      },
      take: (kind, id) => {
        if (kind === "speaker") {
          this.speaker = id;
          this.meeting.sound.choose(id);
        } else void this.session.choose(kind, id, this.state.me.id);
      },
      dress: (theme) => {
        stored.set(STORED_THEME, theme);
        dress(theme);
      },
    });
  }
}

function fullscreen(): void {
  const done =
    document.fullscreenElement === null
      ? document.documentElement.requestFullscreen?.()
      : document.exitFullscreen();
  done?.catch(() => undefined);
}

function unusable(title: string, advice: string): HTMLElement {
  return make(
    "main",
    { class: "card" },
    make("h1", {}, title),
    make("p", { role: "alert" }, advice),
  );
}

function start(): void {
  dress(stored.get(STORED_THEME));
  // The library takes settings from the address; only the site's own file may set them.
  if (window.location.search !== "" || window.location.hash !== "") {
    window.history.replaceState(null, "", window.location.pathname);
  }
  const settings = readSettings(window.config, window.location.hostname);
  const room = roomFromPath(window.location.pathname);
  document.title = settings.hosts.domain;
  if (room === undefined) {
    document.body.append(welcome(settings.hosts.domain));
    return;
  }
  if (typeof RTCPeerConnection === "undefined" || navigator.mediaDevices === undefined) {
    document.body.append(
      unusable(
        "This browser cannot hold meetings",
        window.isSecureContext
          ? "It has no WebRTC. Use a current Firefox, Chrome, Edge or Safari."
          : "Camera and microphone work only on pages with HTTPS.",
      ),
    );
    return;
  }
  const library = openLibrary();
  if (library === undefined) {
    document.body.append(
      unusable("The page did not load completely", "Check your network and reload."),
    );
    return;
  }
  void new Page(library, settings, room).start();
}

start();
