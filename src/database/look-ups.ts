import type { Socket } from 'node:net';
import { Injectable, Logger, type OnModuleInit } from '@nestjs/common';
import { DatabaseError as PostgresError, type Pool, type PoolClient } from 'pg';
import { DataSource } from 'typeorm';
import type { PostgresDriver } from 'typeorm/driver/postgres/PostgresDriver.js';
import { before, DeadlineError } from '../problems/deadline.js';
import { OWN_SESSION } from './data-source.js';

/** Milliseconds for a connection, and then for an answer: more than PostgreSQL gives a statement, whose connection then stays. */
const LIMIT = 1_000;

/** A statement that PostgreSQL keeps prepared on each connection, under its name. */
export interface Statement {
  readonly name: string;
  readonly text: string;
}

const UNPREPARED = 'PostgreSQL is reached through a pooler: statements are not prepared.';

class ConnectionLostError extends Error {}

/**
 * The look-ups of the request path, on TypeORM's pool: prepared, limited in time, and repeated once when the connection was lost.
 *
 * A statement answers each question in its parameters with one row, and with no row at all where PostgreSQL is in recovery: what
 * a standby holds may be old.
 */
@Injectable()
export class LookUps implements OnModuleInit {
  private readonly logger = new Logger('LookUps');
  private prepared = false;

  constructor(private readonly dataSource: DataSource) {}

  /** A pooler such as PgBouncer does not pass on the time limit of a session; then it may not keep prepared statements either. */
  async onModuleInit(): Promise<void> {
    const [row] = await this.dataSource.query<{ own: string | null }[]>('SELECT current_setting($1, true) AS own', [
      OWN_SESSION,
    ]);
    this.prepared = row?.own === 'on';
    if (!this.prepared) this.logger.log(UNPREPARED);
  }

  /**
   * Asks a statement.
   *
   * @param questions how many questions the parameters hold.
   * @returns a row for each question, in their order.
   * @throws {Error} when PostgreSQL does not answer in time, refuses, or is in recovery.
   */
  async rows<Row extends object>(
    statement: Statement,
    parameters: readonly string[],
    questions: number,
  ): Promise<Row[]> {
    try {
      return await this.attempt<Row>(statement, parameters, questions);
    } catch (error) {
      if (!(error instanceof ConnectionLostError)) throw error;
      return this.attempt<Row>(statement, parameters, questions);
    }
  }

  private async attempt<Row extends object>(
    { name, text }: Statement,
    parameters: readonly string[],
    questions: number,
  ): Promise<Row[]> {
    const connecting = before(performance.now() + LIMIT, 'connection to PostgreSQL', this.pool.connect(), (late) => {
      late.release();
    });
    const client = await connecting;
    try {
      const query = { ...(this.prepared && { name }), text, values: [...parameters] };
      const { rows } = await before(performance.now() + LIMIT, 'answer from PostgreSQL', client.query<Row>(query));
      // A new connection may lead to what is the primary by now.
      if (rows.length !== questions) throw new ConnectionLostError('PostgreSQL is in recovery, a standby');
      client.release();
      return rows;
    } catch (error) {
      if (error instanceof PostgresError && isPreparedElsewhere(error)) {
        this.prepared = false;
        this.logger.warn(UNPREPARED);
      } else if (error instanceof PostgresError && !endsConnection(error)) {
        client.release();
        throw error;
      }
      this.discard(client);
      if (error instanceof DeadlineError || error instanceof ConnectionLostError) throw error;
      throw new ConnectionLostError('the connection to PostgreSQL was lost', { cause: error });
    }
  }

  /** Drops a connection, and those that were idle meanwhile: what happened to it may have happened to them, unnoticed. */
  private discard(client: PoolClient): void {
    for (let idle = this.pool.idleCount; idle > 0; idle--) {
      void this.pool.connect().then(destroy);
    }
    destroy(client);
  }

  private get pool(): Pool {
    return (this.dataSource.driver as PostgresDriver).master as Pool;
  }
}

/** Whether PostgreSQL could not take one of the values, class 22 of its error codes. */
export function isDataFault(error: unknown): boolean {
  return error instanceof PostgresError && error.code?.startsWith('22') === true;
}

/** `invalid_sql_statement_name` and `duplicate_prepared_statement`: a pooler hands the session to another server, or another client. */
function isPreparedElsewhere({ code }: PostgresError): boolean {
  return code === '26000' || code === '42P05';
}

/** Classes 57P and 08 of PostgreSQL's error codes: a shutdown, or a connection that failed. */
function endsConnection({ code = '' }: PostgresError): boolean {
  return code.startsWith('57P') || code.startsWith('08');
}

/** pg itself says farewell first, and over a dead network would wait for ever. */
function destroy(client: PoolClient): void {
  (client as unknown as { readonly connection: { readonly stream: Socket } }).connection.stream.destroy();
  client.release(true);
}
