// What the outside world provides. Tests provide their own.

/** Clock, timers, chance, and waking up. */
export interface Environment {
  /** Milliseconds, of a clock that does not go back and that goes on while the device sleeps. */
  now(): number;
  /** From 0 up to, not including, 1. */
  random(): number;
  setTimeout(run: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
  /**
   * Calls back when timers may have been late (`tick`) and when the network is back (`online`).
   * Gives what ends it.
   */
  watch(awake: (what: "tick" | "online") => void): () => void;
}

/** How much further the wall clock must have gone than the other one to be believed: the device slept. */
const SLEPT = 1_000;

/**
 * `performance.now()` stands still in some browsers while the device sleeps, and `Date.now()` jumps when somebody sets
 * the clock. This one follows the first, and the second where it leaps ahead.
 */
export function sleeplessClock(steady: () => number, wall: () => number): () => number {
  let now = 0;
  let lastSteady = steady();
  let lastWall = wall();
  return () => {
    const [newSteady, newWall] = [steady(), wall()];
    const [passed, leapt] = [newSteady - lastSteady, newWall - lastWall];
    now += leapt - passed > SLEPT ? leapt : passed;
    [lastSteady, lastWall] = [newSteady, newWall];
    return now;
  };
}

/** The real one. */
export function environment(): Environment {
  return {
    now: sleeplessClock(() => performance.now(), Date.now),
    random: Math.random,
    setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
    clearTimeout: (timer) => clearTimeout(timer as number),
    watch: (awake) => {
      const listening = new AbortController();
      // Its `signal` is what is wanted of these options.
      const hear = (target: Partial<EventTarget> | undefined, type: string, what: "tick" | "online"): void =>
        target?.addEventListener?.(type, () => awake(what), listening);
      hear(globalThis.document, "visibilitychange", "tick");
      hear(globalThis, "pageshow", "tick");
      hear(globalThis, "online", "online");
      return () => listening.abort();
    },
  };
}
