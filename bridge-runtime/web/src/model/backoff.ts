/**
 * When to try again: at once, then in growing steps, each shortened at random so that the people
 * of a meeting do not come back in the same instant.
 */

const STEPS_MS = [300, 1000, 2000, 4000, 8000, 15000];

/** Milliseconds to wait before attempt `attempt` (0 is the first after the loss). */
export function delayBefore(attempt: number, random: () => number): number {
  const step = STEPS_MS[Math.min(attempt, STEPS_MS.length - 1)] ?? 15000;
  return Math.round(step * (0.5 + random() / 2));
}
