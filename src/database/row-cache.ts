import { LRUCache } from 'lru-cache';
import type { FetchRow } from './in-batches.js';

const NOT_THERE = Symbol('not there');

/** What of a row is remembered. */
export type Remembered = object | string | number;

/** Rows by their keys: those that were used last, and of which keys there is none. Whether it may be used is the feed's to say. */
export class RowCache<V extends Remembered> {
  hits = 0;
  misses = 0;
  private readonly rows: LRUCache<string, V | typeof NOT_THERE>;
  /** The look-ups whose answers may be remembered: not those that began before a change of their row was heard. */
  private readonly underWay = new Map<string, Promise<V | undefined>>();

  constructor(
    readonly name: string,
    max: number,
    private readonly feed: { readonly trusted: boolean },
    private readonly fetch: FetchRow<V>,
  ) {
    this.rows = new LRUCache({ max });
  }

  /** The row, at once if it is remembered; undefined: it is not there. Whoever misses it while it is looked up waits along. */
  get(key: string): V | undefined | Promise<V | undefined> {
    if (!this.feed.trusted) {
      this.misses++;
      return this.fetch(key);
    }
    const known = this.rows.get(key);
    if (known !== undefined) {
      this.hits++;
      return known === NOT_THERE ? undefined : known;
    }
    this.misses++;
    return this.underWay.get(key) ?? this.lookUp(key);
  }

  forget(key: string): void {
    this.rows.delete(key);
    this.underWay.delete(key);
  }

  forgetAll(): void {
    // Emptying takes as long as there are places, taken or not; a storm of notices may ask for it again and again.
    if (this.rows.size > 0) this.rows.clear();
    this.underWay.clear();
  }

  /** For the log. */
  toString(): string {
    const { hits, misses } = this;
    const rate = hits === 0 ? 0 : Math.floor((hits / (hits + misses)) * 1000) / 10;
    return `${this.name}: ${this.rows.size} remembered, ${rate} % of ${hits + misses} look-ups without a query`;
  }

  private lookUp(asked: string): Promise<V | undefined> {
    // A part of a URL, as V8 keeps it, holds on to all of the URL, which may be 64 KiB; a copy does not.
    const key = Buffer.from(asked, 'utf16le').toString('utf16le');
    const row = this.fetch(key);
    this.underWay.set(key, row);
    row.then(
      (value) => {
        if (this.isOver(key, row)) this.rows.set(key, value ?? NOT_THERE);
      },
      () => this.isOver(key, row),
    );
    return row;
  }

  /** @returns whether nothing was heard meanwhile that the look-up may not have seen. */
  private isOver(key: string, row: Promise<V | undefined>): boolean {
    return this.underWay.get(key) === row && this.underWay.delete(key);
  }
}
