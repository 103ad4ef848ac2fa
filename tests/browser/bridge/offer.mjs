/** The focus's part: what is offered to a browser, as colibri2 for the bridge and as SDP. */

const EXTENSIONS = {
  level: [1, "urn:ietf:params:rtp-hdrext:ssrc-audio-level"],
  sendTime: [3, "http://www.webrtc.org/experiments/rtp-hdrext/abs-send-time"],
  transport: [5, "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01"],
  mid: [10, "urn:ietf:params:rtp-hdrext:sdes:mid"],
  descriptor: [
    11,
    "https://aomediacodec.github.io/av1-rtp-spec/#dependency-descriptor-rtp-header-extension",
  ],
};

/** Numbers of a codec and of its retransmissions, as the focus gives them. */
const VIDEO = {
  AV1: { id: 41, rtx: 42 },
  VP8: { id: 100, rtx: 96 },
  VP9: { id: 101, rtx: 97 },
  H264: {
    id: 107,
    rtx: 99,
    parameters: {
      "profile-level-id": "42e01f",
      "level-asymmetry-allowed": "1",
      "packetization-mode": "1",
    },
  },
};

/** Media of one participant, with colibri2's names; `features`: codec, red, estimate. */
export function medias({ codec, red, estimate }) {
  const congestion =
    estimate === "remb" ? { type: "goog-remb" } : { type: "transport-cc" };
  const transport = estimate === "remb" ? [] : [EXTENSIONS.transport];
  const { id, rtx, parameters } = VIDEO[codec];
  const opus = {
    id: 111,
    name: "opus",
    clockrate: 48000,
    channels: 2,
    parameters: { minptime: "10", useinbandfec: "1" },
    "rtcp-fbs": estimate === "remb" ? [] : [congestion],
  };
  const redundant = { ...opus, id: 112, name: "red", parameters: { "": "111/111" } };
  return [
    {
      type: "audio",
      "payload-types": red ? [redundant, opus] : [opus],
      "rtp-hdrexts": extensions([EXTENSIONS.level, EXTENSIONS.mid, ...transport]),
    },
    {
      type: "video",
      "payload-types": [
        {
          id,
          name: codec,
          clockrate: 90000,
          parameters: parameters ?? {},
          "rtcp-fbs": [
            { type: "ccm", subtype: "fir" },
            { type: "nack" },
            { type: "nack", subtype: "pli" },
            congestion,
          ],
        },
        { id: rtx, name: "rtx", clockrate: 90000, parameters: { apt: String(id) }, "rtcp-fbs": [] },
      ],
      "rtp-hdrexts": extensions([
        ...(codec === "AV1" ? [EXTENSIONS.descriptor] : []),
        EXTENSIONS.mid,
        EXTENSIONS.sendTime,
        ...transport,
      ]),
    },
  ];
}

function extensions(list) {
  return list.map(([id, uri]) => ({ id, uri }));
}

/**
 * SDP for one participant: media lines 0 and 1 carry what it sends, 2 the channel, one more each
 * source of the others (`{ kind, name, ssrc, rtx }`, in the order in which they came).
 */
export function offer({ version, transport, address, media, sctpPort, remote }) {
  const [audio, video] = media;
  const sections = [
    [...described(audio, transport, 0), "a=recvonly"],
    [...described(video, transport, 1), "a=recvonly"],
    [
      "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
      "c=IN IP4 0.0.0.0",
      ...secured(transport),
      "a=mid:2",
      `a=sctp-port:${sctpPort ?? 5000}`,
    ],
    ...remote.map((source, at) => [
      ...described(source.kind === "audio" ? audio : video, transport, at + 3),
      ...(source.gone ? ["a=inactive"] : sent(source)),
    ]),
  ];
  sections[0].push(`a=candidate:1 1 udp 2130706431 ${address.ip} ${address.port} typ host`);
  const session = [
    "v=0",
    `o=- 1 ${version} IN IP4 127.0.0.1`,
    "s=-",
    "t=0 0",
    `a=group:BUNDLE ${sections.map((_, mid) => mid).join(" ")}`,
    "a=extmap-allow-mixed",
    "a=msid-semantic: WMS *",
  ];
  return `${[...session, ...sections.flat()].join("\r\n")}\r\n`;
}

function secured({ ufrag, pwd, fingerprints }) {
  return [
    `a=ice-ufrag:${ufrag}`,
    `a=ice-pwd:${pwd}`,
    `a=fingerprint:${fingerprints[0].hash} ${fingerprints[0].fingerprint}`,
    "a=setup:actpass",
  ];
}

function described(media, transport, mid) {
  const types = media["payload-types"];
  const lines = [
    `m=${media.type} 9 UDP/TLS/RTP/SAVPF ${types.map((type) => type.id).join(" ")}`,
    "c=IN IP4 0.0.0.0",
    ...secured(transport),
    `a=mid:${mid}`,
    "a=rtcp-mux",
  ];
  for (const { id, uri } of media["rtp-hdrexts"]) lines.push(`a=extmap:${id} ${uri}`);
  for (const type of types) {
    const channels = type.channels === undefined ? "" : `/${type.channels}`;
    lines.push(`a=rtpmap:${type.id} ${type.name}/${type.clockrate}${channels}`);
    const parameters = Object.entries(type.parameters).map(([name, value]) =>
      name === "" ? value : `${name}=${value}`,
    );
    if (parameters.length > 0) lines.push(`a=fmtp:${type.id} ${parameters.join(";")}`);
    for (const { type: kind, subtype } of type["rtcp-fbs"]) {
      lines.push(`a=rtcp-fb:${type.id} ${subtype === undefined ? kind : `${kind} ${subtype}`}`);
    }
  }
  return lines;
}

function sent({ name, ssrc, rtx }) {
  const lines = ["a=sendonly", `a=msid:${name} ${name}`, `a=ssrc:${ssrc} cname:${name}`];
  if (rtx !== undefined) {
    lines.push(`a=ssrc:${rtx} cname:${name}`, `a=ssrc-group:FID ${ssrc} ${rtx}`);
  }
  return lines;
}

/** What an answer says of the browser's transport, with colibri2's names. */
export function clientTransport(sdp) {
  const value = (name) => sdp.match(new RegExp(`^a=${name}:(.+)$`, "m"))[1].trim();
  const [hash, fingerprint] = value("fingerprint").split(" ");
  return {
    ufrag: value("ice-ufrag"),
    pwd: value("ice-pwd"),
    "rtcp-mux": true,
    fingerprints: [{ hash, fingerprint, setup: value("setup") }],
  };
}

/** The sources that an answer announces, with colibri2's names. */
export function clientSources(sdp, id) {
  const [audio, video] = sdp.split(/^(?=m=)/m).slice(1);
  return [source("audio", `${id}-a0`, audio), source("video", `${id}-v0`, video)];
}

function source(type, id, section) {
  const ssrcs = new Set([...section.matchAll(/^a=ssrc:(\d+) /gm)].map((found) => Number(found[1])));
  const groups = [...section.matchAll(/^a=ssrc-group:(\S+) (.+)$/gm)];
  return {
    type,
    id,
    sources: [...ssrcs].map((ssrc) => ({ ssrc, name: id })),
    "ssrc-groups": groups.map(([, semantics, list]) => ({
      semantics,
      sources: list.trim().split(" ").map(Number),
    })),
  };
}
