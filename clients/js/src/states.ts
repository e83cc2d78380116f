// What the machine can be in: each state is named after what is waited for.

import type { Effect, Input, StateName } from "./vocabulary.js";

/** A credential is waited for, or the answer to one, or neither. */
export type Step = "asking" | "presented" | "none";

/** While it authenticates, also: the response to a challenge is waited for, or the answer to that. */
type Round = "asking" | "presented" | "responding" | "responded";

/** `until`: when something happens by itself. */
export type State =
  | { readonly name: "stopped" | "connecting" | "settling" | "closing"; readonly step: "none"; readonly until: number }
  | { readonly name: "asking"; readonly step: "asking"; readonly until: number }
  /** `proof`: what the gateway must say when it accepts, where it has to prove something. */
  | { readonly name: "authenticating"; readonly step: Round; readonly until: number; readonly proof?: string | undefined }
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

export type Open = Extract<State, { name: "open" }>;

export interface Machine {
  /** `now` in milliseconds, of a clock that goes on while the device sleeps; `jitter` from 0 up to, not including, 1. */
  handle(input: Input, now: number, jitter: number): Effect[];
  state(): StateName;
  /** When `handle` must be called at the latest; Infinity: never. */
  deadline(): number;
}
