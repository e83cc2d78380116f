// What the machine can be in: each state is named after what is waited for.

import type { Effect, Input, StateName } from "./vocabulary.js";

/** A credential is waited for, or the answer to one, or neither. */
export type Step = "asking" | "presented" | "none";

/** `until`: when something happens by itself. */
export type State =
  | { readonly name: "stopped" | "connecting" | "settling" | "closing"; readonly step: "none"; readonly until: number }
  | { readonly name: "asking"; readonly step: "asking"; readonly until: number }
  | Authenticating
  /** `floor`: before that time the server wants nobody back. */
  | { readonly name: "waiting"; readonly step: "none"; readonly until: number; readonly floor: number }
  /** With step `none`, the next refresh is due at `until`. `failed`: how many refreshes did, in a row. */
  | {
      readonly name: "open";
      readonly step: Step;
      readonly until: number;
      readonly failed: number;
      readonly since: number;
      readonly lease: "unknown" | "known";
    };

export interface Authenticating {
  readonly name: "authenticating";
  /** With `responding`, the provider's response to a challenge is waited for. */
  readonly step: "asking" | "presented" | "responding";
  readonly until: number;
  /** The response that was sent: `proof` is what the gateway must say when it accepts, where it has to prove something. */
  readonly response?: { readonly proof?: string | undefined };
  /** While a person is asked: what is left of the time for the gateway, in milliseconds. */
  readonly left?: number;
}

export type Open = Extract<State, { name: "open" }>;

export interface Machine {
  /** `now` in milliseconds, of a clock that goes on while the device sleeps; `jitter` from 0 up to, not including, 1. */
  handle(input: Input, now: number, jitter: number): Effect[];
  state(): StateName;
  /** When `handle` must be called at the latest; Infinity: never. */
  deadline(): number;
}

/** What a challenge, or the response to one, leads to: the end, or another state. */
export type Turn = "challenge_failed" | Authenticating;

/** Looks at each input first, and adds its effects. Nothing: it is like any other. */
export type Exchange = (state: State, input: Input, effects: Effect[], now: number) => Turn | undefined;
