import { createHmac } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import { MASTER_KEY } from './master-key.js';
import type { Workload } from './scenarios.js';

const INTERVAL_MS = 50;

/**
 * Asks along while a load runs, and recomputes the HMAC of each answer.
 *
 * @returns how many were right.
 * @throws at the first answer that is not.
 */
export async function checkSamples(url: string, workload: Workload, until: AbortSignal): Promise<number> {
  let checked = 0;
  while (!until.aborted) {
    const i = Math.floor((checked * 7919) % workload.requests.length);
    const { path, token } = workload.requests[i] ?? { path: '/' };
    const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
    const response = await fetch(url + path, { headers });
    if (!isSigned((await response.json()) as Answer)) {
      throw new Error(`${url}${path.slice(0, 100)}: status ${response.status}, and no right signature`);
    }
    checked++;
    await delay(INTERVAL_MS);
  }
  return checked;
}

type Answer = Record<string, string | undefined>;

function isSigned(answer: Answer): boolean {
  const { app_id, client_id, conversion_id, sorted_member_ids = '', action, timestamp, nonce } = answer;
  const middle = conversion_id === undefined ? [sorted_member_ids] : [conversion_id, sorted_member_ids];
  const message = [app_id, client_id, ...middle, timestamp, nonce, ...(action === undefined ? [] : [action])];
  return createHmac('sha1', MASTER_KEY).update(message.join(':')).digest('hex') === answer.signature;
}
