import type { Socket } from 'node:net';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DatabaseError as PostgresError, type Pool, type PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { before, DeadlineError } from '../problems/deadline.js';
import { Breaker } from './breaker.js';
import { CONNECTION_REFUSED, OWN_SESSION } from './data-source.js';

/** Milliseconds for a connection, and for an answer: above the statement timeout, so that PostgreSQL cancels and the connection stays. */
const LIMIT = 1_000;

/** A statement that PostgreSQL keeps prepared on each connection, under its name. */
export type Statement = Readonly<Record<'name' | 'text', string>>;

/** SQL: whether reads of these tables are current and complete: not on a standby, nor where row-level security may hide bans. */
export function allRowsOf(...tables: string[]): string {
  const hidden = tables.map((table) => `row_security_active('${table}')`).join(' OR ');
  return `(SELECT NOT pg_is_in_recovery() AND NOT (${hidden}))`;
}

/** A table has rows that may be hidden from the service. */
export class HiddenRowsError extends Error {
  constructor() {
    super('row-level security hides rows from the service: give its role BYPASSRLS');
  }
}

const PROBE: Statement = { name: 'probe', text: 'SELECT WHERE NOT pg_is_in_recovery()' };

/**
 * The queries of the request path, on TypeORM's pool, with a time limit. Their statements return one row for each question in
 * the parameters, and none where rows may be old or hidden (`allRowsOf`).
 */
@Injectable()
export class LookUps implements OnModuleInit {
  /** By the name of a statement: how often it ran and failed, for how many questions, and how long it took together. */
  readonly counts = new Map<string, { queries: number; failures: number; questions: number; seconds: number }>();
  private readonly logger = new Logger('LookUps');
  private prepared = false;
  /** For the whole pool: what does not answer is the server, not a statement. */
  private readonly breaker = new Breaker({
    probe: () => this.ask(PROBE, [], 1),
    isAnswer,
    opened: (cause) => {
      this.logger.error(`PostgreSQL cannot be used: ${reason(cause)}. Requests are refused at once until it can.`);
    },
    closed: (after, refused) => {
      const seconds = (after / 1000).toFixed(1);
      this.logger.log(
        `PostgreSQL can be used again, after ${seconds} s; ${refused} queries were refused at once meanwhile.`,
      );
    },
  });

  constructor(private readonly dataSource: DataSource) {}

  /** A pooler that drops the options of a session, as PgBouncer does, may not keep prepared statements either. */
  async onModuleInit(): Promise<void> {
    const sql = 'SELECT current_setting($1, true) AS own';
    const [row] = await this.dataSource.query<{ own: string | null }[]>(sql, [OWN_SESSION]);
    this.prepared = row?.own === 'on';
    if (!this.prepared) this.logger.log('PostgreSQL is reached through a pooler: statements are not prepared.');
  }

  /**
   * Runs a statement with the values of its parameters.
   *
   * @param count how many questions they hold.
   * @returns a row for each question, in their order.
   * @throws {Error} when PostgreSQL does not answer in time, refuses, or is in recovery; at once where it did not lately.
   */
  rows<Row extends object>(statement: Statement, values: readonly string[], count: number): Promise<Row[]> {
    return this.breaker.run(() => this.counted(statement.name, count, this.ask<Row>(statement, values, count)));
  }

  /** Whether queries are refused at once, because PostgreSQL did not answer lately. */
  get isRefusing(): boolean {
    return this.breaker.isOpen;
  }

  /** How many connections there are, are idle, and are waited for. */
  get connections(): Readonly<Record<'total' | 'idle' | 'waiting', number>> {
    const { totalCount, idleCount, waitingCount } = this.pool;
    return { total: totalCount, idle: idleCount, waiting: waitingCount };
  }

  private async counted<T>(name: string, questions: number, work: Promise<T>): Promise<T> {
    let counts = this.counts.get(name);
    if (counts === undefined) {
      counts = { queries: 0, failures: 0, questions: 0, seconds: 0 };
      this.counts.set(name, counts);
    }
    const began = performance.now();
    try {
      return await work;
    } catch (error) {
      counts.failures++;
      throw error;
    } finally {
      counts.queries++;
      counts.questions += questions;
      counts.seconds += (performance.now() - began) / 1000;
    }
  }

  private async ask<Row extends object>({ name, text }: Statement, values: readonly string[], count: number) {
    for (let attempt = 1; ; attempt++) {
      const connecting = before(performance.now() + LIMIT, 'connection to PostgreSQL', this.pool.connect(), (late) => {
        late.release();
      });
      const client = await connecting;
      try {
        const query = { ...(this.prepared && { name }), text, values: [...values] };
        const { rows } = await before(performance.now() + LIMIT, 'answer from PostgreSQL', client.query<Row>(query));
        if (rows.length === count) {
          client.release();
          return rows;
        }
        const probing = client.query(PROBE.text);
        const { rowCount } = await before(performance.now() + LIMIT, 'answer from PostgreSQL', probing);
        throw rowCount === 1 ? new HiddenRowsError() : new Error('PostgreSQL is in recovery, a standby');
      } catch (error) {
        if (error instanceof HiddenRowsError || (error instanceof PostgresError && !endsConnection(error))) {
          client.release();
          throw error;
        }
        // After a failover, a new connection may lead to the primary.
        this.discard(client);
        // The second attempt is for a lost connection.
        if (error instanceof DeadlineError || attempt === 2) throw error;
      }
    }
  }

  /** Destroys a connection and all idle ones, which may be lost, too, unnoticed. */
  private discard(client: PoolClient): void {
    // Where all are gone already, the pool opens a new connection, which may fail.
    for (let idle = this.pool.idleCount; idle > 0; idle--) void this.pool.connect().then(destroy, () => undefined);
    destroy(client);
  }

  private get pool(): Pool {
    return (this.dataSource.driver as PostgresDriver).master as Pool;
  }
}

/** Whether PostgreSQL rejected a value (class 22 of its error codes). */
export function isDataFault(error: unknown): boolean {
  return error instanceof PostgresError && error.code?.startsWith('22') === true;
}

/** Whether PostgreSQL shut down (class 57P of its error codes) or the connection failed (08). */
function endsConnection({ code = '' }: PostgresError): boolean {
  return code.startsWith('57P') || code.startsWith('08');
}

/** Whether PostgreSQL can be used, though it rejected a query, or cancelled it after the time limit. */
function isAnswer(error: unknown): boolean {
  if (error instanceof HiddenRowsError) return true;
  return error instanceof PostgresError && !endsConnection(error) && !CONNECTION_REFUSED.has(error.code ?? '');
}

function reason(error: unknown): string {
  const { message, cause } = error as Error;
  return cause instanceof Error ? cause.message : message;
}

/** Closes the socket at once: pg's own end waits for the server, for ever on a dead network. */
function destroy(client: PoolClient): void {
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream.destroy();
  client.release(true);
}
