/**
 * What runs inside each page before its own scripts: a camera, a microphone and a screen that are
 * drawn and played here, and a record of what arrives from the others.
 *
 * Nothing of the page is replaced but the devices. What arrives is read from the browser's own
 * statistics and from the pixels of the page's own video elements.
 */

/* global window, document, navigator, performance, setInterval, MediaStream */

/** One colour a person: far apart from each other, also after video coding. */
export const COLOURS = [
  [208, 16, 16],
  [16, 150, 16],
  [16, 48, 208],
  [208, 192, 16],
  [192, 16, 192],
  [16, 176, 176],
  [224, 112, 16],
  [128, 128, 128],
];

/** Evaluated in the page, so it uses nothing from outside itself. */
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
  const picture = ({ width, height, rate }, ground, share) => {
    const canvas = document.createElement("canvas");
    canvas.width = width;
    canvas.height = height;
    const pen = canvas.getContext("2d", { alpha: false });
    let step = 0;
    const draw = () => {
      pen.fillStyle = `rgb(${ground.join(",")})`;
      pen.fillRect(0, 0, width, height);
      // Something that moves along the lower edge, so that every frame differs.
      pen.fillStyle = share ? "#ffffff" : "#202020";
      pen.fillRect((step * 11) % width, height * 0.85, width / 12, height * 0.1);
      step += 1;
    };
    draw();
    setInterval(draw, 1000 / rate);
    return canvas.captureStream(rate).getVideoTracks()[0];
  };
  let voice;
  const sound = () => {
    const context = new AudioContext();
    const out = context.createMediaStreamDestination();
    const tone = context.createOscillator();
    tone.type = "sawtooth";
    tone.frequency.value = pitch;
    // Speech comes in syllables; a tone without them counts as noise.
    const syllables = context.createGain();
    syllables.gain.value = 0.5;
    const swing = context.createOscillator();
    swing.frequency.value = 4;
    const depth = context.createGain();
    depth.gain.value = 0.5;
    swing.connect(depth).connect(syllables.gain);
    voice = context.createGain();
    voice.gain.value = setup.loud;
    tone.connect(syllables).connect(voice).connect(out);
    tone.start();
    swing.start();
    return out.stream.getAudioTracks()[0];
  };
  window.speak = (loud) => {
    setup.loud = loud;
    if (voice !== undefined) voice.gain.value = loud;
  };
  const devices = navigator.mediaDevices;
  devices.getUserMedia = async (wanted) => {
    const tracks = [];
    if (wanted.audio) tracks.push(sound());
    if (wanted.video) tracks.push(picture(camera, colour, false));
    return new MediaStream(tracks);
  };
  devices.getDisplayMedia = async () => new MediaStream([picture(screen, colour, true)]);

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

  const canvas = document.createElement("canvas");
  canvas.width = 8;
  canvas.height = 8;
  const eye = canvas.getContext("2d", { willReadFrequently: true });
  const seenColour = (video) => {
    // The upper half, away from what moves.
    eye.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 2, 0, 0, 8, 8);
    const data = eye.getImageData(0, 0, 8, 8).data;
    return [0, 1, 2].map((channel) => {
      let sum = 0;
      for (let at = channel; at < data.length; at += 4) sum += data[at];
      return Math.round(sum / 64);
    });
  };
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
