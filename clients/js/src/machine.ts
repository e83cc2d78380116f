// When to ask for a credential, connect, present, refresh, wait, stop. A pure machine: inputs and the time go in,
// effects come out. It has no timer, no socket, no randomness, and it never sees a credential.
// Its behaviour is pinned by vectors/client-machine.json, which a client in another language can pass as well.

import { type End, LOST, type Quiet, readReason, type StopReason, verdictOf } from "./codes.js";
import { backoffOf, delayOf, REFRESH_FLOOR, renewalOf } from "./delays.js";
import type { ErrorCode } from "./errors.js";
import type { Exchange, Machine, Open, State } from "./states.js";
import type { AskReason, Effect, Input, Settings } from "./vocabulary.js";
import { parse, PREFIX, type ServerMessage } from "./wire.js";

/** How long the closing handshake may take. */
const CLOSING = 3_000;
/** The server's control messages on one connection, and in which time. */
const MOST_CONTROLS = 30;
const MINUTE = 60_000;

/** `exchange`: where a credential counts only after a challenge that was answered. */
export function machine(settings: Settings, exchange?: Exchange): Machine {
  const { carrier, connectTimeout, authTimeout, settle, reconnect, stable, attempts, codes, renew: renewing = exchange ? "off" : "on" } = settings;
  /** Whether each message carries the token: then each is refused by itself, and nothing ends with that. */
  const sealed = carrier === "per-message";
  /** Whether a newer credential can be presented on an open connection. */
  const renews = carrier !== "cookie" && renewing === "on";
  let state: State = { name: "stopped", step: "none", until: Infinity };
  /** Failures in a row: the exponent of the back-off. */
  let failures = 0;
  /** Connections in a row for which a credential was asked. */
  let attempt = 0;
  let fresh: "untried" | "tried" = "untried";
  /** Which time it will be open next. */
  let opening: "first" | "again" = "first";
  /** Why a credential was asked for last, or is to be asked for next. An open connection is to be refreshed, or stepped up. */
  let reason: AskReason = "connect";
  let controls = 0;
  let controlsSince = 0;
  let effects: Effect[] = [];
  let now = 0;
  let jitter = 0;

  function lapse(): void {
    switch (state.name) {
      case "connecting":
        return abandon("connect_timeout");
      case "asking":
      case "authenticating":
        return abandon(state.step === "asking" ? "credential_unavailable" : "auth_timeout");
      case "settling":
        return open();
      case "waiting":
        return ask(reason);
      case "closing":
        return leave("closed", LOST);
      case "open":
        if (state.step === "none") {
          return renew(state);
        }
        if (state.step === "asking") {
          return renewLater(state);
        }
        if (!sealed) {
          return abandon("auth_timeout");
        }
        state = { ...state, step: "none", until: Infinity };
      // `stopped` has no deadline.
    }
  }

  function take(input: Input): void {
    const turn = exchange?.(state, input, effects, now);
    if (typeof turn === "string") {
      return leave(turn, LOST);
    }
    if (turn) {
      state = turn;
      return;
    }
    switch (input.type) {
      case "start":
        drop(1000);
        calm();
        opening = "first";
        return ask("connect");
      case "credential":
        return provided();
      case "no_credential":
        return notProvided(input.failure);
      case "socket_open":
        return connected();
      case "text":
        return input.text.startsWith(PREFIX) ? heard(parse(input.text)) : application();
      case "binary":
        return application();
      case "fault":
        return nonsense();
      case "socket_closed":
        return closed(input);
      case "close":
        if (state.name === "open") {
          effects.push({ type: "cancel" }, { type: "close", code: input.code, reason: input.reason });
          return become("closing", CLOSING);
        }
        return state.name === "closing" ? undefined : leave("closed", { ...input, clean: true });
      case "abort":
        return leave("aborted", { code: 1000, reason: "", clean: true });
      case "logout":
        if (!speaks()) {
          return take({ type: "close", code: 1000, reason: "" });
        }
        effects.push({ type: "cancel" }, { type: "logout" });
        return become("closing", CLOSING);
      case "refresh":
        return renewEarly();
      case "online":
        return state.name === "waiting" && state.floor <= now ? ask(reason) : undefined;
      // `tick` was to have the clock looked at.
    }
  }

  // Credentials.

  function ask(why: AskReason): void {
    reason = why;
    attempt += 1;
    state = { name: "asking", step: "asking", until: now + authTimeout };
    effects.push({ type: "auth", state: "waiting", reason }, { type: "ask", reason, attempt });
  }

  function provided(): void {
    if (state.name === "asking") {
      become("connecting", connectTimeout);
      effects.push({ type: "connect" });
    } else if (state.step === "asking") {
      present();
    }
  }

  function notProvided(failure: "failed" | "repeated" | "denied"): void {
    if (state.step !== "asking") {
      return;
    }
    if (state.name === "open" && (!sealed || failure === "failed")) {
      return renewLater(state);
    }
    if (failure === "failed") {
      return abandon("credential_unavailable");
    }
    drop(1000);
    // A provider that did not know that its credential was refused is told, once.
    return reason === "refused" || failure === "denied" ? stop("credential_refused", LOST) : ask("refused");
  }

  function present(): void {
    const from = state;
    const at = { step: "presented", until: now + (sealed ? REFRESH_FLOOR : authTimeout), response: undefined } as const;
    state = from.name === "open" ? { ...from, ...at } : { name: "authenticating", ...at };
    effects.push({ type: "present", as: reason === "refresh" ? "refresh" : "authenticate" });
  }

  function renew(from: Open): void {
    state = { ...from, step: "asking", until: now + authTimeout };
    effects.push({ type: "auth", state: "refreshing" }, { type: "ask", reason, attempt: from.failed + 1 });
  }

  function renewEarly(): void {
    if (state.name === "open" && state.step === "none" && renews && (sealed || speaks())) {
      renew(state);
    }
  }

  /** A refresh that failed costs nothing but itself: the old lease goes on. */
  function renewLater(from: Open): void {
    const until = now + REFRESH_FLOOR + backoffOf(from.failed, settings, jitter);
    state = { ...from, step: "none", until, failed: from.failed + 1 };
    effects.push({ type: "cancel" }, { type: "auth", state: "waiting", reason });
  }

  /** Whether the gateway hears control messages on this route, as far as is known. */
  function speaks(): boolean {
    return state.name === "open" && state.lease === "known";
  }

  // What the server does.

  function connected(): void {
    if (state.name === "connecting") {
      controls = 0;
      controlsSince = now;
      if (carrier === "message") {
        present();
      } else {
        // A refusal follows the handshake at once, and looks like an open connection until then.
        become("settling", settle);
      }
    }
  }

  function application(): void {
    const { name } = state;
    if (name === "settling") {
      open();
    }
    if (name === "authenticating") {
      nonsense();
    } else if (holds()) {
      effects.push({ type: "deliver" });
    }
  }

  function heard(message: ServerMessage): void {
    const { name } = state;
    if (!holds() || name === "closing") {
      return;
    }
    if (now - controlsSince >= MINUTE) {
      controls = 0;
      controlsSince = now;
    }
    controls += 1;
    if (message.type === "garbage" || (controls > MOST_CONTROLS && !sealed)) {
      return nonsense();
    }
    switch (message.type) {
      case "required":
        if (speaks()) {
          reason = "step-up";
          effects.push({ type: "cancel" });
          return renew(state as Open);
        }
        // Who presented a credential in the handshake is asked for one only if it did not count.
        return name === "authenticating" ? undefined : refuse("credential_required");
      case "accepted":
        return accepted(message.subject, message.expires_in);
      case "expiring":
        return expiring(message.expires_in);
      case "rejected":
        return rejected(message.error, message.retry);
      // `unknown` is nothing.
    }
  }

  function accepted(subject: string, expires_in: number): void {
    const known = state.name === "open" && (state.step === "presented" || state.lease === "known");
    effects.push({ type: "auth", state: known ? "refreshed" : "authenticated", subject, expires_in });
    const until = renews ? now + renewalOf(expires_in, jitter) : Infinity;
    if (state.name !== "open") {
      open("known", until);
    } else if (state.step === "asking") {
      // An answer that nobody waits for does not call back a question that is under way.
      state = { ...state, lease: "known" };
    } else {
      reason = "refresh";
      state = { ...state, lease: "known", step: "none", until, failed: 0 };
    }
  }

  function expiring(expires_in: number): void {
    if (state.name === "settling") {
      open();
    }
    if (state.name === "open") {
      effects.push({ type: "auth", state: "expiring", expires_in });
      state = { ...state, lease: "known" };
      renewEarly();
    }
  }

  function rejected(error: string, retry: boolean): void {
    if (sealed ? state.name !== "open" : state.step !== "presented") {
      return;
    }
    effects.push({ type: "auth", state: "rejected", error, retry });
    if (state.name === "open" && sealed) {
      // What was on its way with the old token says nothing about the new one.
      return state.step === "none" && spend(error) ? renew(state) : undefined;
    }
    if (state.name === "open") {
      spend(error);
      return renewLater(state);
    }
    if (retry && fresh === "tried") {
      return refuse(error);
    }
    spend(error);
    if (retry) {
      fresh = "tried";
      ask("refused");
      state = { name: "authenticating", step: "asking", until: now + authTimeout };
    }
    // Without retry its Close follows.
  }

  function closed(end: End): void {
    if (state.name === "closing") {
      stop("closed", end);
    } else if (holds()) {
      ended(state.name === "connecting" ? "connect_failed" : "connection_lost", end);
    }
  }

  // Transitions.

  function become(name: "connecting" | "settling" | "closing", span: number): void {
    state = { name, step: "none", until: now + span };
  }

  function open(lease: "unknown" | "known" = "unknown", until = Infinity): void {
    state = { name: "open", step: "none", until, failed: 0, since: now, lease };
    if (lease === "unknown") {
      effects.push({ type: "auth", state: "authenticated" });
    }
    effects.push({ type: "open", how: opening });
    opening = "again";
    reason = "refresh";
  }

  /** Gives up what does not answer. */
  function abandon(fault: ErrorCode, end = LOST): void {
    drop(4408);
    ended(fault, end);
  }

  /** Goes on as if the gateway had closed. */
  function refuse(reason: string): void {
    abandon("connection_lost", { code: 4401, reason, clean: true });
  }

  function nonsense(): void {
    leave("protocol", LOST, 4400);
  }

  function leave(why: StopReason, end: End, code = 1000): void {
    if (state.name !== "stopped") {
      drop(code);
      stop(why, end);
    }
  }

  function ended(fault: ErrorCode, end: End): void {
    if (state.name === "open" && now - state.since >= stable) {
      calm();
    }
    const { code } = end;
    const { error } = readReason(end.reason);
    const verdict = end === LOST ? "wait" : verdictOf(code, codes);
    // A question without an answer is asked again as it was. One that goes on is joined by the next.
    reason = state.step === "asking" && state.name !== "open" ? reason : "reconnect";
    if (verdict === "fresh") {
      spend(error);
      if (fresh === "tried") {
        return stop("credential_refused", end);
      }
      fresh = "tried";
      reason = "refused";
    } else if (verdict !== "wait") {
      return stop(verdict as StopReason, end);
    }
    if (reconnect === "off" && (verdict === "wait" || opening === "again")) {
      return stop("ended", end, end.clean ? undefined : fault);
    }
    const { floor, delay } = delayOf(end, verdict, failures, settings, jitter);
    if (verdict === "wait") {
      failures += 1;
      if (failures === attempts) {
        return stop("attempts_exhausted", end);
      }
    }
    if (fault === "credential_unavailable") {
      effects.push({ type: "cancel" });
    }
    effects.push({ type: "reconnecting", cause: fault, code, error, attempt: attempt + 1, delay });
    state = { name: "waiting", step: "none", until: now + delay, floor: now + floor };
  }

  function stop(why: StopReason, end: End, fault?: ErrorCode): void {
    state = { name: "stopped", step: "none", until: Infinity };
    effects.push({ type: "cancel" }, { type: "auth", state: "stopped", reason: why });
    const wrong = /^(closed|aborted|completed|ended)$/.test(why) ? fault : (why as Exclude<StopReason, Quiet>);
    if (wrong) {
      effects.push({ type: "error", cause: wrong, code: end.code, error: readReason(end.reason).error });
    }
    // An input can be the end: its type goes.
    effects.push({ ...end, type: "closed" });
  }

  // Helpers.

  function calm(): void {
    failures = 0;
    attempt = 0;
    fresh = "untried";
  }

  /** After these errors a credential must not be presented again (docs/protocol.md, section 9). */
  function spend(error: string): boolean {
    const useless = /^(invalid_token|token_expired)$/.test(error);
    if (useless) {
      effects.push({ type: "spend" });
    }
    return useless;
  }

  /** Whether there is a socket. */
  function holds(): boolean {
    return state.name !== "stopped" && state.name !== "asking" && state.name !== "waiting";
  }

  /** Lets go of the socket, where there is one. */
  function drop(code: number): void {
    if (holds()) {
      effects.push({ type: "drop", code });
    }
  }

  return {
    handle: (input, time, chance) => {
      effects = [];
      now = time;
      jitter = chance;
      // What is late is late, whatever is reported first; but a refusal counts however late it is.
      if (now >= state.until && input.type !== "socket_closed" && (state.name !== "settling" || input.type !== "text")) {
        lapse();
      }
      take(input);
      return effects;
    },
    state: () => state.name,
    deadline: () => state.until,
  };
}
