/**
 * What runs inside each page before its own scripts: a camera, a microphone and a screen that are
 * drawn and played here, and a record of what arrives from the others.
 *
 * Nothing of the page is replaced but the devices. What arrives is read from the browser's own
 * statistics and from the pixels of the page's own video elements.
 */

/* global window, document, navigator, performance, setInterval, MediaStream */
/* global drawnCamera, playedVoice, seenColour */

/** Evaluated in the page after `IN_PAGE` of `devices.mjs`; uses nothing else from outside itself. */
export function inside(setup) {
  const { colour, pitch, camera, screen } = setup;
  const now = () => performance.timeOrigin + performance.now();
  const record = {
    peers: [],
    errors: [],
    joined: 0,
    /** Participant → times at which a picture was decoded, or sound came in. */
    frames: {},
    sound: {},
    first: {},
  };
  window.meeting = record;
  window.addEventListener("error", (event) => record.errors.push(String(event.message)));
  window.addEventListener("unhandledrejection", (event) =>
    record.errors.push(`unhandled: ${String(event.reason?.stack ?? event.reason)}`),
  );

  // --- devices
  let voice;
  window.speak = (loud) => {
    setup.loud = loud;
    voice?.speak(loud);
  };
  const devices = navigator.mediaDevices;
  devices.getUserMedia = async (wanted) => {
    const tracks = [];
    if (wanted.audio) {
      voice = playedVoice({ pitch, loud: setup.loud });
      tracks.push(voice.track);
    }
    if (wanted.video) tracks.push(drawnCamera(camera, colour));
    return new MediaStream(tracks);
  };
  devices.getDisplayMedia = async () =>
    new MediaStream([drawnCamera(screen, colour, { mark: "#ffffff" })]);

  // --- what arrives
  const Peer = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Peer {
    constructor(...values) {
      super(...values);
      record.peers.push(this);
    }
  };
  /** Track → whose tile or player it is in, as the page shows it. */
  const owners = () => {
    const found = new Map();
    for (const element of document.querySelectorAll("li.tile video, audio[data-participant]")) {
      const holder = element.closest("[data-participant]");
      const who = holder?.dataset.participant;
      if (who === undefined || who === "me") continue;
      for (const track of element.srcObject?.getTracks() ?? []) {
        found.set(track.id, { who, kind: holder.dataset.kind ?? "audio", element });
      }
    }
    return found;
  };
  const reports = async (type) => {
    const found = [];
    for (const peer of record.peers) {
      if (peer.connectionState === "closed") continue;
      const all = await peer.getStats();
      for (const report of all.values()) {
        if (report.type !== type) continue;
        found.push({ ...report, codec: all.get(report.codecId)?.mimeType });
      }
    }
    return found;
  };
  const seen = new Map();
  let busy = false;
  setInterval(async () => {
    if (busy) return;
    busy = true;
    try {
      const own = owners();
      for (const report of await reports("inbound-rtp")) {
        const owner = own.get(report.trackIdentifier);
        if (owner === undefined) continue;
        const count = report.kind === "video" ? report.framesDecoded : report.packetsReceived;
        if (count === undefined || count <= (seen.get(report.id) ?? 0)) continue;
        seen.set(report.id, count);
        const name = `${owner.who}/${owner.kind}`;
        const times = (report.kind === "video" ? record.frames : record.sound)[name] ?? [];
        times.push(now());
        if (times.length > 1200) times.splice(0, 200);
        (report.kind === "video" ? record.frames : record.sound)[name] = times;
        record.first[name] ??= now();
      }
    } finally {
      busy = false;
    }
  }, 100);

  /** Everything that is shown and heard now. */
  window.look = async () => {
    const own = owners();
    const shown = {};
    for (const report of await reports("inbound-rtp")) {
      const owner = own.get(report.trackIdentifier);
      if (owner === undefined) continue;
      const one = { codec: report.codec, ssrc: report.ssrc, packets: report.packetsReceived, lost: report.packetsLost };
      if (report.kind === "video") {
        const { element } = owner;
        Object.assign(one, {
          frames: report.framesDecoded,
          width: report.frameWidth,
          height: report.frameHeight,
          colour: element.videoWidth > 0 ? seenColour(element) : undefined,
          freezes: report.freezeCount,
        });
      } else Object.assign(one, { energy: report.totalAudioEnergy, level: report.audioLevel });
      shown[`${owner.who}/${owner.kind}`] = one;
    }
    const tile = document.querySelector("li.tile[data-participant=me]");
    return {
      id: tile?.dataset.tile?.split("/")[0] ?? "",
      phase: document.documentElement.dataset.phase ?? "preview",
      shown,
      sent: (await reports("outbound-rtp")).map(
        ({ kind, codec, frameHeight, packetsSent, active }) => ({
          kind,
          codec,
          height: frameHeight,
          packets: packetsSent,
          active,
        }),
      ),
      first: record.first,
      joined: record.joined,
      speaking: [...document.querySelectorAll("li.tile[data-speaking]")].map(
        (one) => one.dataset.participant,
      ),
      peers: record.peers.map((peer) => `${peer.connectionState}/${peer.iceConnectionState}`),
      banner: document.querySelector(".banner:not([hidden])")?.textContent ?? "",
      errors: record.errors,
    };
  };
  /** The longest silence since `since`, by participant, up to now. */
  window.gaps = (since) => {
    const longest = (times) => {
      let before = since;
      let gap = 0;
      for (const time of [...times.filter((one) => one > since), now()]) {
        gap = Math.max(gap, time - before);
        before = time;
      }
      return Math.round(gap);
    };
    const of = (times) =>
      Object.fromEntries(Object.entries(times).map(([name, list]) => [name, longest(list)]));
    return { frames: of(record.frames), sound: of(record.sound) };
  };
}
