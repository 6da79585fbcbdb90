import { existsSync } from 'node:fs';
import { type Browser, chromium, type Page } from 'playwright-core';

const CHROMIUM = '/usr/bin/chromium';
/** Whether this machine has the browser; tests that need it are skipped where not. */
export const hasBrowser = existsSync(CHROMIUM);
if (!hasBrowser) process.stdout.write('Chromium is not installed: its tests are skipped\n');

export interface Visit {
  readonly page: Page;
  /** What the browser complained about: errors of scripts, loads that failed, and what the page's policy forbade. */
  readonly faults: string[];
  /** The origins that the page asked. */
  readonly origins: Set<string>;
}

export function startBrowser(): Promise<Browser> {
  return chromium.launch({
    executablePath: CHROMIUM,
    // As root, Chromium has no sandbox.
    chromiumSandbox: process.getuid?.() !== 0,
  });
}

/** A page in a profile of its own, which shows nothing yet. */
export async function newVisit(browser: Browser, viewport: { width: number; height: number }): Promise<Visit> {
  const page = await (await browser.newContext({ viewport })).newPage();
  const faults: string[] = [];
  const origins = new Set<string>();
  page.on('pageerror', (error) => faults.push(error.message));
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(message.text());
  });
  page.on('request', (request) => {
    const { protocol, origin } = new URL(request.url());
    // What stands in the page itself asks nobody.
    if (protocol !== 'data:') origins.add(origin);
  });
  return { page, faults, origins };
}
