// The distribution's Chromium. Names that end in `.test` lead to this machine, whatever they are.

import { chromium } from "playwright-core";

export const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";

export function browser() {
  return chromium.launch({
    executablePath,
    args: ["--host-resolver-rules=MAP *.test 127.0.0.1", "--disable-dev-shm-usage"],
  });
}

/** A page that must make no mistakes: errors and violations of its policy fail the test. */
export async function watched(context) {
  const page = await context.newPage();
  page.faults = [];
  page.on("pageerror", (error) => page.faults.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error") {
      page.faults.push(message.text());
    }
  });
  return page;
}
