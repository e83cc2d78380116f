// Challenge and response (docs/protocol.md, section 6.5): the part of the machine that only mechanisms that ask back need, and
// only their bundles have. As pure as the rest of it.

import type { Challenge } from "./auth.js";
import type { State, Turn } from "./states.js";
import type { Effect, Input } from "./vocabulary.js";
import { LONGEST, parse, PREFIX } from "./wire.js";

/** How long a person is waited for at the most, in seconds, whatever the gateway says. */
const LONGEST_DIALOG = 120;

/**
 * A challenge is answered once for each credential. Whatever else comes with one is left to the machine, to which a
 * challenge is nonsense.
 */
export function exchange(state: State, input: Input, effects: Effect[], now: number): Turn | undefined {
  if (state.name !== "authenticating" && state.name !== "open") {
    return undefined;
  }
  if (input.type === "no_response" || input.type === "response") {
    if (state.step !== "responding") {
      return undefined;
    }
    if (input.type === "no_response") {
      // An open connection goes on for as long as it may; nobody is asked again.
      return state.name === "open" ? { ...state, step: "none", until: Infinity } : "challenge_failed";
    }
    effects.push({ type: "respond" });
    const until = state.left === undefined ? state.until : now + state.left;
    return { ...state, step: "presented", response: { proof: input.proof }, until, left: undefined };
  }
  if (input.type !== "text" || !input.text.startsWith(PREFIX)) {
    return undefined;
  }
  const answered = state.step === "presented" ? state.response : undefined;
  if (parse(input.text).type === "accepted") {
    if (state.name === "open" && !answered) {
      // It was renewed by other means. What is under way goes on.
      return state.step === "none" || state.step === "asking" ? undefined : state;
    }
    // Who skips the challenge has proved nothing.
    const { message } = JSON.parse(input.text).auth;
    return answered && (answered.proof ?? message) === message ? undefined : "challenge_failed";
  }
  const demand = state.step === "presented" && !answered && demandOf(input.text);
  if (!demand) {
    return undefined;
  }
  effects.push(demand);
  if ("options" in demand) {
    // The gateway's clock stands still meanwhile.
    return { ...state, step: "responding", until: now + demand.expires_in * 1000, left: state.until - now };
  }
  return { ...state, step: "responding" };
}

/** What a challenge demands; nothing where the text is none, or not as it should be. */
function demandOf(text: string): Challenge | undefined {
  try {
    const { type, nonce, message, options, expires_in } = text.length > LONGEST ? undefined : JSON.parse(text).auth;
    const timed = Number.isSafeInteger(expires_in) && expires_in >= 0;
    const [demand, ...more] = [
      ...(typeof nonce === "string" ? [{ nonce }] : []),
      ...(typeof message === "string" ? [{ message }] : []),
      ...(options instanceof Object ? [{ options, expires_in: Math.min(expires_in, LONGEST_DIALOG) }] : []),
    ];
    return type === "challenge" && timed && demand && more.length === 0 ? { type, ...demand } : undefined;
  } catch {
    return undefined;
  }
}
