// How long to wait. Jitter comes from outside: from 0 up to, not including, 1.

import { type End, readReason } from "./codes.js";
import type { Settings } from "./vocabulary.js";

/** Least time between two refreshes. The gateway hears 30 control messages a minute. */
export const REFRESH_FLOOR = 3_000;

/** In seconds: some thirty years. What is longer is not worth a timer. */
const LONGEST_LEASE = 1e9;

/** When to refresh a credential of that many seconds: after three quarters of it, and before nine tenths. */
export function renewalOf(seconds: number, jitter: number): number {
  return Math.max(REFRESH_FLOOR, Math.floor(Math.min(seconds, LONGEST_LEASE) * 1000 * (0.75 + 0.15 * jitter)));
}

/** Full jitter: anything up to a ceiling that doubles with each failure. */
export function backoffOf(failures: number, { base, max }: Settings, jitter: number): number {
  return Math.floor(jitter * Math.min(max, base * 2 ** failures));
}

/** After a connection that ended: how long to wait, and how long at the least, whatever happens meanwhile. */
export function delayOf(
  { code, reason }: End,
  verdict: "fresh" | "wait",
  failures: number,
  settings: Settings,
  jitter: number,
): { readonly floor: number; readonly delay: number } {
  const asked = readReason(reason).retryAfter * 1000;
  if (code === 4429 && asked === 0) {
    // Too many connections do not become fewer by coming back soon.
    const floor = Math.floor(settings.max / 2);
    return { floor, delay: floor + Math.floor(jitter * floor) };
  }
  return { floor: asked, delay: asked + (verdict === "fresh" ? 0 : backoffOf(failures, settings, jitter)) };
}
