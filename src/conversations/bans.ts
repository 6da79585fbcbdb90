import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { ChangeFeed } from '../database/change-feed.js';
import { inBatches } from '../database/in-batches.js';
import type { RowCache } from '../database/row-cache.js';
import { Problem } from '../operations/problem.js';
import { mustNotBeBanned, type Operation, refusedByBan } from './decision.js';

const MAX_REMEMBERED = 200_000;

// PostgreSQL's time reaches farther than a JavaScript Date, which beyond would be none.
const BANS = `
  SELECT app_id AS "appId", client_id AS "clientId",
    coalesce((extract(epoch FROM banned_until) * 1000)::float8, 'infinity') AS "end"
  FROM unnest($1::text[], $2::text[]) AS wanted (app_id, client_id) JOIN client_bans USING (app_id, client_id)`;

interface Row {
  readonly appId: string;
  readonly clientId: string;
  readonly end: number;
}

/** Who is banned from an app. */
@Injectable()
export class Bans {
  /** When each ban ends, in milliseconds since 1970, `Infinity` where it never does. */
  private readonly ends: RowCache<number>;

  constructor(
    private readonly dataSource: DataSource,
    feed: ChangeFeed,
  ) {
    this.ends = feed.cache({
      name: 'bans',
      max: MAX_REMEMBERED,
      keyParts: 2,
      tables: ['client_bans'],
      fetch: inBatches((keys) => this.fetch(keys)),
    });
  }

  /** @throws {Problem} `client_banned`, `member_banned` */
  async refuseBanned(operation: Operation): Promise<void> {
    const ids = mustNotBeBanned(operation);
    const now = Date.now();
    const banned = new Set<string>();
    await Promise.all(
      ids.map(async (id) => {
        const end = await this.ends.get(`${operation.appId}:${id}`);
        if (end !== undefined && end > now) banned.add(id);
      }),
    );
    const code = refusedByBan(operation, banned);
    if (code === 'client_banned') {
      throw new Problem(code, 'The client is banned from this app; nothing is signed for it.');
    }
    if (code === 'member_banned') {
      const first = operation.members.findIndex((member) => banned.has(member)) + 1;
      throw new Problem(
        code,
        `Member id ${first} is banned from this app and cannot be brought into a conversation.`,
      );
    }
  }

  private async fetch(keys: readonly string[]): Promise<Map<string, number>> {
    const pairs = keys.map((key) => key.split(':'));
    const rows = await this.dataSource.query<Row[]>(BANS, [
      pairs.map(([appId]) => appId),
      pairs.map(([, clientId]) => clientId),
    ]);
    return new Map(rows.map(({ appId, clientId, end }) => [`${appId}:${clientId}`, end]));
  }
}
