import { setTimeout as sleep } from 'node:timers/promises';
import { vi } from 'vitest';
import { DEMO_MASTER_KEY } from '../../src/demo.js';
import type { ProblemDetails } from '../../src/problems/problem-error.js';
import { type Answer, hmac, messageOf } from '../support/signature.js';
import { BANNED } from './postgres-server.js';

const CLIENTS = 8;
/** Milliseconds between the requests of a client. */
const THINKING = 10;
/** Milliseconds in which "refused at once" is promised. */
const AT_ONCE = 50;
/** So many requests that follow each other without a refusal are a recovery. */
const RECOVERED = 100;
const RECOVERY_LIMIT = 30_000;

interface Reply {
  /** When it was asked, by `performance.now()`. */
  readonly at: number;
  readonly took: number;
  /** `right`: a right signature, or the refusal of a banned client. `unavailable`: 503. Anything else is wrong. */
  readonly outcome: string;
}

/** A login of app 1, judged without the service's own code. */
async function ask(url: string, clientId: string): Promise<Reply> {
  const at = performance.now();
  const outcome = await judge(url, clientId).catch((error: unknown) => `lost: ${String(error)}`);
  return { at, took: performance.now() - at, outcome };
}

async function judge(url: string, clientId: string): Promise<string> {
  const response = await fetch(`${url}/signature/login/1/${clientId}`);
  return outcomeOf(clientId, response.status, response.headers.get('retry-after'), await response.text());
}

/** What an answer to a login of app 1 is, as in `Reply`. */
export function outcomeOf(clientId: string, status: number, retryAfter: string | null, text: string): string {
  const body = JSON.parse(text) as ProblemDetails | Answer;
  if (status === 503 && retryAfter === '1') return String(body.code);
  if (clientId === BANNED) return status === 403 && body.code === 'client_banned' ? 'right' : 'a ban ignored';
  const signed = body as Answer;
  const isRight = signed.client_id === clientId && signed.signature === hmac(messageOf(signed), DEMO_MASTER_KEY);
  return status === 200 && isRight ? 'right' : text;
}

export interface Figures {
  /** Answers that are neither right nor `unavailable`, and requests without one. */
  readonly wrong: readonly string[];
  readonly right: number;
  readonly refused: number;
  /** Milliseconds of the slowest answer. */
  readonly slowest: number;
  /** Milliseconds from the end of the fault to the first right answer to a request that was sent after it. */
  readonly recoveredAfter: number;
  /** One line for the table, without the recovery. */
  readonly text: string;
}

/** Has some clients ask again and again while something breaks, and is mended; returns when they are answered as before. */
export async function underLoad(
  url: string,
  { fault, lasts, mend }: { fault: () => unknown; lasts: number; mend: () => unknown },
): Promise<Figures> {
  const replies: Reply[] = [];
  let over = false;
  const isRight = ({ outcome }: Reply): boolean => outcome === 'right';
  const client = async (_: unknown, i: number): Promise<void> => {
    while (!over) {
      replies.push(await ask(url, i === 0 ? BANNED : `client-${i}`));
      await sleep(THINKING);
    }
  };
  const clients = Array.from({ length: CLIENTS }, client);
  const wellAgain = () =>
    vi.waitUntil(() => replies.length > 0 && replies.slice(-RECOVERED).every(isRight), RECOVERY_LIMIT);

  await vi.waitUntil(() => replies.length > RECOVERED, RECOVERY_LIMIT);
  await wellAgain();
  const brokenAt = performance.now();
  await fault();
  await sleep(lasts);
  await mend();
  const mendedAt = performance.now();
  const since = replies.length;
  try {
    await vi.waitUntil(() => replies.length > since + RECOVERED, RECOVERY_LIMIT);
    await wellAgain();
  } finally {
    over = true;
    await Promise.all(clients);
  }

  const inFault = replies.filter(({ at, took }) => at + took > brokenAt && at < mendedAt);
  const refused = replies.filter(({ outcome }) => outcome === 'unavailable');
  const wrong = replies.filter((reply) => !isRight(reply) && reply.outcome !== 'unavailable');
  const atOnce = refused.filter(({ took }) => took <= AT_ONCE);
  const slowest = Math.max(...inFault.map(({ took }) => took));
  const firstRight = replies.filter((reply) => reply.at > mendedAt && isRight(reply)).map(({ at, took }) => at + took);
  const right = inFault.filter(isRight).length;
  return {
    wrong: wrong.map(({ outcome }) => outcome),
    right,
    refused: refused.length,
    slowest,
    recoveredAfter: Math.min(...firstRight) - mendedAt,
    text:
      `${((mendedAt - brokenAt) / 1000).toFixed(1)} s: ${right} right, ${refused.length} refused, ${atOnce.length} of them within ` +
      `${AT_ONCE} ms (median ${median(refused)} ms), slowest answer ${(slowest / 1000).toFixed(2)} s`,
  };
}

function median(replies: readonly Reply[]): string {
  const sorted = replies.map(({ took }) => took).sort((a, b) => a - b);
  return (sorted[Math.floor(sorted.length / 2)] ?? 0).toFixed(0);
}
