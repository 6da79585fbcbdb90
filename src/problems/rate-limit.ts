import { ProblemError } from './problem-error.js';

/** Milliseconds: the limit is per minute. */
const WINDOW = 60_000;
/** The most keys that are counted in a window; two windows are kept. */
const MAX_KEYS = 50_000;
/** Of so many keys, the one that made the fewest requests makes room for a new one. */
const CANDIDATES = 8;

/**
 * Limits the requests of each key per minute, by a sliding window: those of the minute before count by the share of it that the
 * last 60 seconds still hold. No key has a timer, and memory is bounded whatever keys come.
 *
 * Beyond 50,000 keys a minute, a new one takes the place of the key with the fewest requests among eight. So a flood of keys that ask once
 * drives out such keys, which lose nothing by it; to drive out a key at its limit, every key of the flood has to get there, too.
 */
export class RateLimit {
  private current = new Map<string, number>();
  private previous = new Map<string, number>();
  private startedAt = -Infinity;
  /** Goes round the keys. A fresh iterator for each look would step over all that were deleted. */
  private hand = this.current.entries();

  /** @param name of a key in the answer: `client`. @param limit requests a minute, at least 1. */
  constructor(
    private readonly name: string,
    private readonly limit: number,
    private readonly maxKeys = MAX_KEYS,
  ) {}

  /** How many keys are counted, those of both windows. */
  get size(): number {
    return this.current.size + this.previous.size;
  }

  /**
   * Counts a request.
   *
   * @param now milliseconds, by `performance.now()`.
   * @returns a `rate_limited` where it is one too many, which is not counted: who waits as long as it says may ask again.
   */
  refusal(key: string, now = performance.now()): ProblemError | undefined {
    this.turn(now);
    const elapsed = now - this.startedAt;
    const before = this.previous.get(key) ?? 0;
    const count = this.current.get(key) ?? 0;
    if (before * (1 - elapsed / WINDOW) + count < this.limit) {
      if (count === 0 && this.current.size >= this.maxKeys) this.makeRoom();
      this.current.set(count === 0 ? copy(key) : key, count + 1);
      return undefined;
    }
    // In the next window, the requests of this one begin to weigh less; in this one, those of the window before.
    const freeAt = count < this.limit ? WINDOW * (1 - (this.limit - count) / before) : WINDOW;
    return this.tooMany(Math.ceil((freeAt - elapsed + 1) / 1000));
  }

  private turn(now: number): void {
    const windows = Math.floor((now - this.startedAt) / WINDOW);
    if (windows < 1) return;
    this.previous = windows === 1 ? this.current : new Map<string, number>();
    this.current = new Map();
    this.hand = this.current.entries();
    this.startedAt = windows === Infinity ? now : this.startedAt + windows * WINDOW;
  }

  private makeRoom(): void {
    let fewest = Infinity;
    let leaving = '';
    for (let looked = 0; looked < CANDIDATES; looked++) {
      let next = this.hand.next();
      if (next.done) {
        this.hand = this.current.entries();
        next = this.hand.next();
      }
      if (next.done) break;
      const [key, count] = next.value;
      if (count >= fewest) continue;
      fewest = count;
      leaving = key;
    }
    this.current.delete(leaving);
  }

  /** With the headers of draft-ietf-httpapi-ratelimit-headers-11. */
  private tooMany(seconds: number): ProblemError {
    const { name, limit } = this;
    const detail = `This ${name} may make ${limit} request${limit === 1 ? '' : 's'} a minute. Try again in ${seconds} s.`;
    return new ProblemError('rate_limited', detail, {
      headers: {
        'Retry-After': `${seconds}`,
        'RateLimit-Policy': `"${name}";q=${limit};w=${WINDOW / 1000}`,
        RateLimit: `"${name}";r=0;t=${seconds}`,
      },
    });
  }
}

/** A string that holds nothing else in memory: what was cut out of a URL or a header keeps all of it. */
function copy(text: string): string {
  return JSON.parse(JSON.stringify(text)) as string;
}
