/**
 * Where tiles go, and what video that needs. Pure geometry: nothing here knows the document.
 */

/** The shape of a camera's picture. */
const ASPECT = 16 / 9;
/** Heights that cameras send in layers; anything between is wasted on the way. */
const HEIGHTS = [180, 360, 720, 1080, 2160];

export interface Grid {
  columns: number;
  rows: number;
  /** Size of one tile, CSS pixels. */
  width: number;
  height: number;
}

/** The grid that shows `count` tiles as large as the space allows. */
export function gridFor(count: number, width: number, height: number, gap: number): Grid {
  let best: Grid = { columns: 1, rows: Math.max(count, 1), width: 0, height: 0 };
  for (let columns = 1; columns <= Math.max(count, 1); columns += 1) {
    const rows = Math.max(1, Math.ceil(count / columns));
    const freeWidth = (width - gap * (columns - 1)) / columns;
    const freeHeight = (height - gap * (rows - 1)) / rows;
    const tileWidth = Math.max(0, Math.min(freeWidth, freeHeight * ASPECT));
    if (tileWidth > best.width) {
      best = { columns, rows, width: tileWidth, height: tileWidth / ASPECT };
    }
  }
  return best;
}

/** The layer that fills a tile of this many CSS pixels on this screen. */
export function heightToAsk(cssHeight: number, pixelRatio: number): number {
  const wanted = cssHeight * Math.min(pixelRatio, 2);
  // A little short is not seen; a whole layer more is paid for.
  return HEIGHTS.find((height) => height >= wanted * 0.8) ?? 2160;
}

export interface Wanted {
  /** Name of the source that stands on the stage, if one does. */
  stage: string | undefined;
  stageHeight: number;
  /** Sources in small or equal tiles. */
  others: string[];
  otherHeight: number;
}

export interface ReceiverConstraints {
  lastN: number;
  onStageSources: string[];
  selectedSources: string[];
  defaultConstraints: { maxHeight: number };
  constraints: Record<string, { maxHeight: number }>;
}

/** What to ask the bridge for: exactly what is seen. */
export function constraintsFor(wanted: Wanted): ReceiverConstraints {
  const constraints: Record<string, { maxHeight: number }> = {};
  for (const source of wanted.others) constraints[source] = { maxHeight: wanted.otherHeight };
  if (wanted.stage !== undefined) constraints[wanted.stage] = { maxHeight: wanted.stageHeight };
  return {
    lastN: -1,
    onStageSources: wanted.stage === undefined ? [] : [wanted.stage],
    selectedSources: [],
    // A source that comes before the page asks for it starts small.
    defaultConstraints: { maxHeight: 180 },
    constraints,
  };
}
