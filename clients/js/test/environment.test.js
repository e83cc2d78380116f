import assert from "node:assert/strict";
import { test } from "node:test";
import { environment, sleeplessClock } from "../build/environment.js";

test("the clock goes on while the device sleeps, and never back", () => {
  let [steady, wall] = [1000, 5_000_000];
  const now = sleeplessClock(() => steady, () => wall);
  const go = (passed, leapt) => {
    steady += passed;
    wall += leapt;
    return now();
  };
  assert.equal(now(), 0);
  assert.equal(go(100, 100), 100);
  assert.equal(go(100, 101), 200, "small differences are rounding");
  assert.equal(go(5, 3_600_000), 3_600_200, "the device slept");
  assert.equal(go(50, -86_400_000), 3_600_250, "somebody set the clock");
});

test("outside of a browser there is nothing to listen for", () => {
  const end = environment().watch(() => assert.fail("nobody is awake"));
  end();
});

test("a page is listened to, until that ends", () => {
  const heard = [];
  const page = new EventTarget();
  const document = new EventTarget();
  const before = { document: globalThis.document, add: globalThis.addEventListener };
  Object.assign(globalThis, { document, addEventListener: page.addEventListener.bind(page) });
  try {
    const end = environment().watch((what) => heard.push(what));
    const all = () => {
      document.dispatchEvent(new Event("visibilitychange"));
      page.dispatchEvent(new Event("pageshow"));
      page.dispatchEvent(new Event("online"));
    };
    all();
    end();
    all();
    assert.deepEqual(heard, ["tick", "tick", "online"]);
  } finally {
    Object.assign(globalThis, { document: before.document, addEventListener: before.add });
  }
});
