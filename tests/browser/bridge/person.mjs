/**
 * A participant inside a page: camera and voice, one connection to the bridge, its channel, and a
 * record of what came in.
 *
 * As lib-jitsi-meet does it, simulcast is made by naming three streams in the answer, and heights
 * that nobody wants are not encoded.
 */

/* global window, document, performance, setInterval */
/* global RTCPeerConnection, WebSocket, MediaStream */
/* global drawnCamera, playedVoice, seenColour */

/** Evaluated in the page after `IN_PAGE` of `devices.mjs`; uses nothing else from outside itself. */
export function inPage() {
  const ENCODINGS = 3;
  const LINES_OF_LOWEST = 180;

  class Person {
    constructor(setup) {
      this.setup = setup;
      this.connection = new RTCPeerConnection({ bundlePolicy: "max-bundle" });
      this.camera = drawnCamera(setup.camera, setup.colour, { busy: setup.busy });
      this.voice = playedVoice({ pitch: setup.pitch, loud: 0.5 });
      this.heard = [];
      this.maps = [];
      this.waiting = [];
      this.tracks = new Map();
      this.wanted = -1;
      this.connection.ontrack = ({ track, transceiver }) => this.receive(track, transceiver.mid);
      if (setup.channel === "sctp") {
        this.listen(
          this.connection.createDataChannel("JVB data channel", {
            protocol: "http://jitsi.org/protocols/colibri",
          }),
        );
      }
    }

    /** Answers an offer; media of its own goes out on lines 0 and 1. */
    async answer(sdp) {
      const { connection } = this;
      await connection.setRemoteDescription({ type: "offer", sdp });
      const [audio, video] = ["0", "1"].map((mid) =>
        connection.getTransceivers().find((one) => one.mid === mid),
      );
      if (video.sender.track === null) {
        for (const [transceiver, track] of [
          [audio, this.voice.track],
          [video, this.camera],
        ]) {
          transceiver.direction = "sendonly";
          await transceiver.sender.replaceTrack(track);
        }
        this.video = video.sender;
      }
      const answer = await connection.createAnswer();
      if (this.setup.simulcast) answer.sdp = withEncodings(answer.sdp);
      await connection.setLocalDescription(answer);
      await this.encode();
      return connection.localDescription.sdp;
    }

    /** Encodes the heights that somebody wants, and no others; one change after the other. */
    encode() {
      this.encoded = (this.encoded ?? Promise.resolve()).then(() => this.setEncodings());
      return this.encoded;
    }

    async setEncodings() {
      if (this.connection.signalingState === "closed") return;
      const parameters = this.video.getParameters();
      parameters.degradationPreference = "maintain-resolution";
      parameters.encodings.forEach((encoding, at, all) => {
        if (this.setup.scalability !== undefined) {
          encoding.scalabilityMode = this.setup.scalability;
        }
        if (all.length > 1) encoding.scaleResolutionDownBy = 2 ** (all.length - 1 - at);
        const lines = LINES_OF_LOWEST * 2 ** at;
        const fits = this.wanted < 0 || lines <= this.wanted || at === 0;
        encoding.active = this.wanted !== 0 && fits;
      });
      await this.video.setParameters(parameters);
    }

    receive(track, mid) {
      const found = { mid, track, times: [] };
      this.tracks.set(mid, found);
      const element = document.createElement(track.kind);
      element.srcObject = new MediaStream([track]);
      element.autoplay = true;
      element.playsInline = true;
      // What is muted in the page has no energy in the statistics.
      element.muted = track.kind === "video";
      document.body.append(element);
      found.element = element;
      if (track.kind !== "video") return;
      const note = () => {
        found.times.push(performance.now());
        element.requestVideoFrameCallback(note);
      };
      element.requestVideoFrameCallback(note);
    }

    /** Opens the channel over a WebSocket. */
    connect(url) {
      this.listen(new WebSocket(url));
    }

    listen(channel) {
      this.channel = channel;
      channel.onmessage = ({ data }) => this.take(JSON.parse(data));
      channel.onopen = () => {
        for (const message of this.waiting.splice(0)) channel.send(message);
      };
    }

    take(message) {
      this.heard.push(message);
      if (message.colibriClass === "SenderSourceConstraints") {
        this.wanted = message.maxHeight;
        this.encode();
      } else if (message.colibriClass === "AudioSourcesMap") {
        this.maps.push(...message.mappedSources.map((one) => ({ ...one, kind: "audio" })));
      } else if (message.colibriClass === "VideoSourcesMap") {
        this.maps.push(...message.mappedSources.map((one) => ({ ...one, kind: "video" })));
      }
    }

    /** What the bridge's own streams carry, as far as that is new. */
    mapped() {
      return this.maps.splice(0);
    }

    say(message) {
      const text = JSON.stringify(message);
      if (["open", WebSocket.OPEN].includes(this.channel?.readyState)) this.channel.send(text);
      else this.waiting.push(text);
    }

    /** Everything that comes in and goes out now, by media line. */
    async look() {
      const statistics = await this.connection.getStats();
      const received = {};
      const sent = [];
      for (const report of statistics.values()) {
        const codec = statistics.get(report.codecId)?.mimeType?.split("/")[1];
        if (report.type === "inbound-rtp") {
          const track = this.tracks.get(report.mid);
          if (track === undefined) continue;
          const isVideo = report.kind === "video" && track.element.videoWidth > 0;
          received[report.mid] = {
            codec,
            packets: report.packetsReceived,
            bytes: report.bytesReceived,
            lost: report.packetsLost,
            repaired: report.retransmittedPacketsReceived,
            frames: report.framesDecoded,
            height: report.frameHeight,
            energy: report.totalAudioEnergy,
            colour: isVideo ? seenColour(track.element) : undefined,
          };
        } else if (report.type === "outbound-rtp" && report.kind === "video") {
          sent.push({
            codec,
            height: report.frameHeight,
            mode: report.scalabilityMode,
            active: report.active,
            frames: report.framesEncoded,
          });
        }
      }
      const transport = [...statistics.values()].find((one) => one.type === "transport");
      return {
        received,
        sent,
        ice: this.connection.iceConnectionState,
        dtls: transport?.dtlsState,
        fragment: transport?.iceLocalUsernameFragment,
        pairs: transport?.selectedCandidatePairChanges,
      };
    }

    /** The moments since `since` at which a picture of a line was shown. */
    times(mid, since) {
      return (this.tracks.get(mid)?.times ?? []).filter((time) => time >= since);
    }
  }

  /** Adds streams to the one that the browser named in an answer. */
  function withEncodings(sdp) {
    const sections = sdp.split(/^(?=m=)/m);
    const at = sections.findIndex((one) => /^a=mid:1\r?$/m.test(one));
    const section = sections[at];
    const named = section.match(/^a=ssrc-group:FID (\d+) (\d+)\r?$/m);
    if (named === null || /ssrc-group:SIM/.test(section)) return sdp;
    const [, first, repair] = named;
    const lines = section.match(new RegExp(`^a=ssrc:${first} .*$`, "gm")).map((one) => one.trim());
    const groups = [[Number(first), Number(repair)]];
    const more = [];
    while (groups.length < ENCODINGS) {
      const pair = [0, 0].map(() => 1 + Math.floor(Math.random() * 0x7fffffff));
      groups.push(pair);
      for (const ssrc of pair) more.push(...lines.map((one) => one.replace(first, ssrc)));
      more.push(`a=ssrc-group:FID ${pair.join(" ")}`);
    }
    more.push(`a=ssrc-group:SIM ${groups.map(([ssrc]) => ssrc).join(" ")}`);
    sections[at] = `${section}${more.join("\r\n")}\r\n`;
    return sections.join("");
  }

  // How late timers are tells whether the machine keeps up.
  const BEAT_MS = 20;
  let beat = performance.now();
  window.lag = 0;
  setInterval(() => {
    const now = performance.now();
    window.lag = Math.max(window.lag, now - beat - BEAT_MS);
    beat = now;
  }, BEAT_MS);

  window.people = new Map();
  window.enter = (setup) => {
    window.people.set(setup.id, new Person(setup));
  };
  window.leave = (id) => {
    const person = window.people.get(id);
    window.people.delete(id);
    person.channel?.close();
    person.connection.close();
    person.camera.stop();
    person.voice.track.stop();
    for (const { element } of person.tracks.values()) element.remove();
  };
}
