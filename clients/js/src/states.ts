// What the machine can be in: each state is named after what is waited for.

import type { Effect, Input, StateName } from "./vocabulary.js";

/** A credential is waited for, or the answer to one, or the provider's response to a challenge, or nothing. */
export type Step = "asking" | "presented" | "responding" | "none";

/** `until`: when something happens by itself. */
export type State =
  | { readonly name: "stopped" | "connecting" | "settling" | "closing"; readonly step: "none"; readonly until: number }
  | { readonly name: "asking"; readonly step: "asking"; readonly until: number }
  | Authenticating
  /** `floor`: before that time the server wants nobody back. */
  | { readonly name: "waiting"; readonly step: "none"; readonly until: number; readonly floor: number }
  | Open;

/** With step `none`, the next refresh is due at `until`. `failed`: how many refreshes did, in a row. */
export interface Open extends Exchanging {
  readonly name: "open";
  readonly step: Step;
  readonly failed: number;
  readonly since: number;
  readonly lease: "unknown" | "known";
}

export interface Authenticating extends Exchanging {
  readonly name: "authenticating";
  readonly step: Exclude<Step, "none">;
}

export interface Exchanging {
  readonly until: number;
  /** The response that was sent: `proof` is what the gateway must say when it accepts, where it has to prove something. */
  readonly response?: { readonly proof?: string | undefined } | undefined;
  /** While a person is asked: what is left of the time for the gateway, in milliseconds. */
  readonly left?: number | undefined;
}

export interface Machine {
  /** `now` in milliseconds, of a clock that goes on while the device sleeps; `jitter` from 0 up to, not including, 1. */
  handle(input: Input, now: number, jitter: number): Effect[];
  state(): StateName;
  /** When `handle` must be called at the latest; Infinity: never. */
  deadline(): number;
}

/** What a challenge, or the response to one, leads to: the end, or another state. */
export type Turn = "challenge_failed" | Authenticating | Open;

/** Looks at each input first, and adds its effects. Nothing: it is like any other. */
export type Exchange = (state: State, input: Input, effects: Effect[], now: number) => Turn | undefined;
