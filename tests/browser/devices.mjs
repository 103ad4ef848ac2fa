/**
 * A camera, a voice and an eye for pages in tests: drawn, played and looked at inside the page.
 *
 * The functions go into pages as text (`IN_PAGE`), so none uses anything from outside itself.
 */

/* global document, AudioContext */

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

/** Index of the colour that is nearest to a seen one. */
export function nearest(colour) {
  const distance = (one) => one.reduce((sum, value, at) => sum + (value - colour[at]) ** 2, 0);
  return COLOURS.map(distance).reduce((best, value, at, all) => (value < all[best] ? at : best), 0);
}

/** A video track of one colour with something that moves below; `busy` makes it costly to code. */
function drawnCamera({ width, height, rate }, ground, { mark = "#202020", busy = false } = {}) {
  const canvas = document.createElement("canvas");
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d", { alpha: false });
  const grain = document.createElement("canvas");
  grain.width = width;
  grain.height = height;
  if (busy) {
    const side = Math.max(4, Math.round(height / 60));
    const dots = grain.getContext("2d");
    for (let y = 0; y < height; y += side) {
      for (let x = 0; x < width; x += side) {
        const level = Math.floor(Math.random() * 256);
        dots.fillStyle = `rgb(${level},${level},${level})`;
        dots.fillRect(x, y, side, side);
      }
    }
  }
  let step = 0;
  const draw = () => {
    pen.fillStyle = `rgb(${ground.join(",")})`;
    pen.fillRect(0, 0, width, height);
    if (busy) {
      const shift = (step * 7) % width;
      const top = height / 2;
      pen.drawImage(grain, 0, 0, width, height / 2, shift, top, width, height / 2);
      pen.drawImage(grain, 0, 0, width, height / 2, shift - width, top, width, height / 2);
    }
    // Every frame differs.
    pen.fillStyle = mark;
    pen.fillRect((step * 11) % width, height * 0.85, width / 12, height * 0.1);
    step += 1;
  };
  draw();
  setInterval(draw, 1000 / rate);
  return canvas.captureStream(rate).getVideoTracks()[0];
}

/** An audio track of something like speech, and how to change its loudness. */
function playedVoice({ pitch, loud }) {
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
  const voice = context.createGain();
  voice.gain.value = loud;
  tone.connect(syllables).connect(voice).connect(out);
  tone.start();
  swing.start();
  const speak = (value) => {
    voice.gain.value = value;
  };
  return { track: out.stream.getAudioTracks()[0], speak };
}

/** Mean colour of the upper half of what a video element shows, away from what moves. */
function seenColour(video) {
  const canvas = document.createElement("canvas");
  canvas.width = 8;
  canvas.height = 8;
  const eye = canvas.getContext("2d", { willReadFrequently: true });
  eye.drawImage(video, 0, 0, video.videoWidth, video.videoHeight / 2, 0, 0, 8, 8);
  const data = eye.getImageData(0, 0, 8, 8).data;
  return [0, 1, 2].map((channel) => {
    let sum = 0;
    for (let at = channel; at < data.length; at += 4) sum += data[at];
    return Math.round(sum / 64);
  });
}

export const IN_PAGE = [drawnCamera, playedVoice, seenColour].join("\n");
