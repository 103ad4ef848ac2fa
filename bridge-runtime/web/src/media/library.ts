/**
 * The part of lib-jitsi-meet that this page uses, typed, and how to make it talk to this site.
 *
 * The bundle is a published build whose connection class carries hosts of its own and takes the
 * place of the endpoint's name from the login. `connect` builds the connection's inner XMPP object
 * again, from the bundle's own constructor, with the site's settings; nothing of the built-in ones
 * is left. What the bundle would send to others is taken out when the page is built.
 *
 * A lib-jitsi-meet as upstream builds it, in place of the bundle's file, is used as it is.
 */

import type { ReceiverConstraints } from "../model/layout";
import type { Settings } from "../settings";

type Listener = (...values: never[]) => void;

export interface LibraryTrack {
  getType(): "audio" | "video";
  getVideoType(): "camera" | "desktop" | undefined;
  getParticipantId(): string;
  /** Older builds have no names. */
  getSourceName?(): string | undefined;
  setSourceName?(name: string | undefined): void;
  getTrack(): MediaStreamTrack;
  getDeviceId(): string;
  isLocal(): boolean;
  isMuted(): boolean;
  mute(): Promise<void>;
  unmute(): Promise<void>;
  attach(element: HTMLMediaElement): unknown;
  detach(element: HTMLMediaElement): unknown;
  dispose(): Promise<void>;
  on(event: string, listener: Listener): void;
  off(event: string, listener: Listener): void;
}

export interface LibraryParticipant {
  getId(): string;
  getDisplayName(): string | undefined;
  isModerator(): boolean;
  getProperty(name: string): string | undefined;
}

export interface LibraryConference {
  on(event: string, listener: Listener): void;
  join(password?: string): void;
  leave(): Promise<void>;
  myUserId(): string;
  isModerator(): boolean;
  setDisplayName(name: string): void;
  addTrack(track: LibraryTrack): Promise<unknown>;
  replaceTrack(old: LibraryTrack | null, fresh: LibraryTrack | null): Promise<unknown>;
  sendMessage(text: string): void;
  setLocalParticipantProperty(name: string, value: string): void;
  muteParticipant(id: string, type: "audio" | "video"): void;
  kickParticipant(id: string, reason?: string): void;
  setReceiverConstraints(constraints: ReceiverConstraints): void;
  getParticipantById(id: string): LibraryParticipant | undefined;
  isLobbySupported(): boolean;
  isMembersOnly(): boolean;
  joinLobby(name: string): Promise<void>;
  enableLobby(): Promise<void>;
  disableLobby(): void;
  lobbyApproveAccess(id: string): void;
  lobbyDenyAccess(id: string): void;
}

export interface LibraryConnection {
  addEventListener(event: string, listener: Listener): void;
  connect(options: { id?: string; password?: string }): void;
  disconnect(): Promise<void>;
  initJitsiConference(options: object): LibraryConference;
  initJitsiConference(room: string, options: object): LibraryConference;
}

interface InnerXmpp {
  constructor: new (options: object, token: undefined) => InnerXmpp;
  createRoom(name: string, options: object, nickname: () => string): unknown;
}

interface InnerConnection {
  options: object;
  token: undefined;
  name: string;
  xmpp: InnerXmpp;
}

type Names = Record<string, string>;

export interface Library {
  init(options: object): unknown;
  setLogLevel(level: string): void;
  logLevels: Names;
  createLocalTracks(options: object): Promise<LibraryTrack[]>;
  JitsiConnection: {
    new (token: string, room: string, development: boolean): LibraryConnection;
    new (application: null, token: null, options: object): LibraryConnection;
  };
  events: { conference: Names; connection: Names; track: Names; connectionQuality: Names };
}

declare global {
  interface Window {
    /** As upstream builds it. */
    JitsiMeetJS?: Library;
    /** As the published bundle calls it. */
    SariskaMediaTransport?: Library;
    config?: unknown;
  }
}

/** The library, set up; `undefined` when its file did not load. */
export function openLibrary(): Library | undefined {
  const library = window.JitsiMeetJS ?? window.SariskaMediaTransport;
  if (library === undefined) return undefined;
  library.setLogLevel(library.logLevels["WARN"] ?? "warn");
  library.init({
    disableAudioLevels: false,
    disableThirdPartyRequests: true,
    enableAnalyticsLogging: false,
    enableWindowOnErrorHandler: false,
    flags: {
      sourceNameSignaling: true,
      sendMultipleVideoStreams: true,
      receiveMultipleVideoStreams: true,
    },
  });
  return library;
}

export interface Credentials {
  user: string;
  password: string;
}

/** A connection to this site, not yet connected. */
export function makeConnection(
  library: Library,
  settings: Settings,
  room: string,
  way: "websocket" | "bosh",
): LibraryConnection {
  const options = {
    hosts: settings.hosts,
    serviceUrl: `${way === "websocket" ? settings.websocket : settings.bosh}?room=${room}`,
    websocketKeepAliveUrl: settings.keepAlive,
    enableWebsocketResume: true,
    conferenceRequestUrl: settings.conferenceRequest,
    bridgeChannel: { preferSctp: settings.preferSctp },
    p2pStunServers: settings.direct.stunServers,
    // Keys of its own for the bundle's bookkeeping; they stay in this page.
    deploymentInfo: {},
  };
  if (library === window.JitsiMeetJS) return new library.JitsiConnection(null, null, options);
  // The constructor wants a token and reads nothing from it that is used afterwards.
  const token = `.${btoa(JSON.stringify({ context: { user: { id: "", name: "" }, group: "" } }))}.`;
  const connection = new library.JitsiConnection(token, room, false);
  const inner = connection as unknown as InnerConnection;
  const Xmpp = inner.xmpp.constructor;
  inner.options = options;
  inner.token = undefined;
  inner.name = room;
  inner.xmpp = new Xmpp(options, undefined);
  // Bridges know endpoints by eight hexadecimal digits, whatever the login is called.
  const createRoom = inner.xmpp.createRoom.bind(inner.xmpp);
  inner.xmpp.createRoom = (name, roomOptions) => createRoom(name, roomOptions, endpointName);
  return connection;
}

function endpointName(): string {
  const bytes = crypto.getRandomValues(new Uint8Array(4));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** A conference of this site, not yet joined. */
export function makeConference(
  library: Library,
  connection: LibraryConnection,
  settings: Settings,
  room: string,
): LibraryConference {
  const options = conferenceOptions(settings);
  return library === window.JitsiMeetJS
    ? connection.initJitsiConference(room, options)
    : connection.initJitsiConference(options);
}

/** What is sent first, and all that is understood. VP8 comes in layers from every browser. */
const CODECS = ["VP8", "VP9", "H264", "AV1"];

function conferenceOptions(settings: Settings): object {
  return {
    openBridgeChannel: settings.preferSctp ? "datachannel" : "websocket",
    focusUserJid: settings.focusJid,
    channelLastN: -1,
    enableLayerSuspension: true,
    // Without a list the bundle answers with its favourite alone: it would neither understand
    // people who send another codec, nor ask again for what was lost.
    videoQuality: { codecPreferenceOrder: CODECS },
    p2p: {
      enabled: settings.direct.enabled,
      codecPreferenceOrder: CODECS,
      stunServers: settings.direct.stunServers,
      useStunTurn: settings.direct.useTurn,
    },
    useStunTurn: settings.direct.useTurn,
    // What the bundle switches on by itself and this page does not want.
    analytics: { disabled: true },
    hiddenDomain: undefined,
    enableLocalRecording: false,
    enableTalkWhileMuted: false,
    enableNoisyMicDetection: false,
    enableNoAudioDetection: false,
    createVADProcessor: false,
  };
}
