/**
 * The state of somebody's connection as one of four steps, from what clients of Jitsi tell each
 * other every few seconds.
 */

export type Quality = "unknown" | "lost" | "poor" | "fair" | "good";

export function qualityOf(percent: number | undefined, interrupted: boolean): Quality {
  if (interrupted) return "lost";
  if (percent === undefined || Number.isNaN(percent)) return "unknown";
  if (percent >= 60) return "good";
  return percent >= 30 ? "fair" : "poor";
}

/** What a client tells about its connection. */
export interface Told {
  /** Its own verdict, 0 to 100. */
  percent?: number | undefined;
  lossPercent?: number | undefined;
  roundTripMs?: number | undefined;
}

/**
 * How good a connection is, 0 to 100. A client's own verdict compares what it sends with what a
 * lively picture of that size would need, so a quiet picture looks like a bad line: loss and delay
 * decide where they are told.
 */
export function percentOf(told: Told): number | undefined {
  if (told.lossPercent === undefined) return told.percent;
  const late = Math.max(0, (told.roundTripMs ?? 0) - 150) / 10;
  return Math.max(0, Math.round(100 - 6 * told.lossPercent - Math.min(late, 50)));
}

export const QUALITY_WORDS: Record<Quality, string> = {
  unknown: "connection not measured yet",
  lost: "connection interrupted",
  poor: "poor connection",
  fair: "fair connection",
  good: "good connection",
};

export interface Measured {
  percent?: number | undefined;
  roundTripMs?: number | undefined;
  lossPercent?: number | undefined;
  downKbit?: number | undefined;
  upKbit?: number | undefined;
}

/** One line for a tooltip; numbers that nobody measured are left out. */
export function measuredWords(measured: Measured): string {
  const parts: string[] = [];
  const rate = (kbit: number) =>
    kbit >= 1000 ? `${(kbit / 1000).toFixed(1)} Mbit/s` : `${Math.round(kbit)} kbit/s`;
  if (measured.roundTripMs !== undefined) {
    parts.push(`${Math.round(measured.roundTripMs)} ms round trip`);
  }
  if (measured.lossPercent !== undefined) {
    parts.push(`${Math.round(measured.lossPercent)} % lost`);
  }
  if (measured.downKbit !== undefined) parts.push(`${rate(measured.downKbit)} in`);
  if (measured.upKbit !== undefined) parts.push(`${rate(measured.upKbit)} out`);
  return parts.join(" · ");
}
