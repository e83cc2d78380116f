// Numbers and times, for people.

/** A span in seconds: 42 s, 9 min, 3 h 20 min, 2 d. */
export function span(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  if (whole < 100) {
    return `${whole} s`;
  }
  const minutes = Math.floor(whole / 60);
  if (minutes < 100) {
    return `${minutes} min`;
  }
  const hours = Math.floor(minutes / 60);
  if (hours < 48) {
    return minutes % 60 === 0 ? `${hours} h` : `${hours} h ${minutes % 60} min`;
  }
  return `${Math.floor(hours / 24)} d`;
}

const UNITS = ["B", "kB", "MB", "GB", "TB"];

/** Bytes: 17 B, 1.2 kB. */
export function bytes(count: number): string {
  let [value, unit] = [count, 0];
  while (value >= 1000 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A count: 12 345. */
export const count = (number: number): string => number.toLocaleString("en").replace(/,/g, "\u202f");

/** A rate per second. */
export const rate = (value: number): string => (value >= 10 || value === 0 ? String(Math.round(value)) : value.toFixed(1));

/** A short time: 0.4 ms, 12 ms, 1.5 s. */
export function short(seconds: number): string {
  if (seconds >= 1) {
    return `${seconds.toFixed(1)} s`;
  }
  const millis = seconds * 1000;
  return millis >= 10 ? `${Math.round(millis)} ms` : `${Number(millis.toPrecision(2))} ms`;
}

/** The day and the time of a moment in seconds since 1970. */
export function moment(seconds: number): string {
  return new Date(seconds * 1000).toLocaleString([], { dateStyle: "medium", timeStyle: "medium" });
}

/** The time of the day. */
export function clock(seconds: number): string {
  return new Date(seconds * 1000).toLocaleTimeString([], { hour12: false });
}

/** A label, with spaces for underscores. */
export const spoken = (label: string): string => label.replace(/_/g, " ");
