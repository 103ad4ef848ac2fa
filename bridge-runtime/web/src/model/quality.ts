/**
 * The state of somebody's connection as one of four steps, from the number 0 to 100 that clients
 * of Jitsi send each other.
 */

export type Quality = "unknown" | "lost" | "poor" | "fair" | "good";

export function qualityOf(percent: number | undefined, interrupted: boolean): Quality {
  if (interrupted) return "lost";
  if (percent === undefined || Number.isNaN(percent)) return "unknown";
  if (percent >= 60) return "good";
  return percent >= 30 ? "fair" : "poor";
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
