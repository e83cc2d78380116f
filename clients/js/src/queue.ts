// What was sent while there was no connection.

import { VestibuleError } from "./errors.js";
import type { QueueOptions } from "./options.js";

/** What a WebSocket can send. */
export type Data = string | ArrayBufferLike | ArrayBufferView | Blob;

/** What happens to a message for which there is no room. */
export type Overflow = "throw" | "drop-newest" | "drop-oldest";

export interface Queue {
  /** How many bytes wait. */
  bytes(): number;
  /** Throws, or drops something, where there is no room. */
  push(data: Data): void;
  /** Hands over what waits, in order. A message leaves the queue before it is handed over: it never goes twice. */
  flush(): void;
  /** Forgets everything; says how many messages that was. */
  clear(): number;
}

/** How many bytes may wait, without an option. */
const MOST = 2 ** 20;

/** `flows`: whether a message can go now; `send` has it go. */
export function queue(
  { maxBytes = MOST, overflow = "throw" }: QueueOptions,
  flows: () => boolean,
  send: (data: Data) => void,
): Queue {
  const waiting: [data: Data, bytes: number][] = [];
  let total = 0;

  function shift(): Data {
    const [data, bytes] = waiting.shift() as [Data, number];
    total -= bytes;
    return data;
  }

  return {
    bytes: () => total,
    push: (data) => {
      const bytes = sizeOf(data, maxBytes);
      while (total + bytes > maxBytes) {
        if (overflow === "throw") {
          throw new VestibuleError("queue_full");
        }
        if (overflow === "drop-newest" || bytes > maxBytes) {
          return;
        }
        shift();
      }
      waiting.push([copied(data), bytes]);
      total += bytes;
    },
    flush: () => {
      while (waiting.length > 0 && flows()) {
        send(shift());
      }
    },
    clear: () => {
      total = 0;
      return waiting.splice(0).length;
    },
  };
}

/** In bytes on the wire. A string is not encoded where its length alone is too much. */
export function sizeOf(data: Data, most: number): number {
  return typeof data === "string" && data.length > most ? data.length : new Blob([data as BlobPart]).size;
}

/** Whoever sends a buffer may write to it afterwards. */
function copied(data: Data): Data {
  if (ArrayBuffer.isView(data)) {
    return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  }
  return typeof data === "string" ? data : data.slice(0);
}
