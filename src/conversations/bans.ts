import { Injectable } from '@nestjs/common';
import { DataSource } from 'typeorm';
import { Problem } from '../operations/problem.js';
import { mustNotBeBanned, type Operation, refusedByBan } from './decision.js';

/** The database's clock decides, so that every process lifts a ban at the same moment. */
const BANNED = `
  SELECT client_id AS id FROM client_bans
  WHERE app_id = $1 AND client_id = ANY ($2) AND (banned_until IS NULL OR banned_until > now())`;

/** Who is banned from an app. */
@Injectable()
export class Bans {
  constructor(private readonly dataSource: DataSource) {}

  /** One query, whatever is asked. @throws {Problem} `client_banned`, `member_banned` */
  async refuseBanned(operation: Operation): Promise<void> {
    const rows = await this.dataSource.query<{ id: string }[]>(BANNED, [
      operation.appId,
      mustNotBeBanned(operation),
    ]);
    const banned = new Set(rows.map(({ id }) => id));
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
}
