import type { Client, QueryResult, QueryResultRow } from 'pg';
import { LIFT_LIMITS } from '../database/data-source.js';

/** Where rejected lines go. */
export interface Rejects {
  /** When it resolves, the text is on the disk. */
  write(text: AsyncIterable<string>): Promise<void>;
  /** Deletes what was written. */
  remove(): Promise<void>;
}

/** What loading a file into the tables of conversations needs, whatever the file is. */
export interface BulkLoad {
  readonly appId: string;
  readonly rejects: Rejects;
  readonly signal: AbortSignal;
  /** Called in the transaction, before anything is read. */
  readonly onBegin: () => Promise<void>;
  /** @param bytes that were read so far. */
  readonly onRead: (bytes: number) => void;
  /** Called at the start of each phase after reading. */
  readonly onPhase: (phase: string) => void;
}

/** Runs a statement in the transaction of a load. @throws when the load is interrupted. */
export type Run = <Row extends QueryResultRow>(sql: string, values?: unknown[]) => Promise<QueryResult<Row>>;

/**
 * The lock of an app: `members import` shares it, `import leancloud` has it alone.
 * hashtext takes the same number for some pairs of texts, which costs a refusal and nothing else.
 */
const LOCK = `hashtext('im-signature import'), hashtext($1)`;
const SHARE = `SELECT pg_advisory_xact_lock_shared(${LOCK})`;
const TAKE_ALONE = `SELECT pg_try_advisory_xact_lock(${LOCK}) AS taken`;

/** Waits for an import that has the app alone. */
export async function shareApp(run: Run, appId: string): Promise<void> {
  await run(SHARE, [appId]);
}

/** @throws {Error} while another import into the app is under way: whoever waited for it could load an older file over a newer one. */
export async function takeAppAlone(run: Run, appId: string): Promise<void> {
  const { rows } = await run<{ taken: boolean }>(TAKE_ALONE, [appId]);
  if (rows[0]?.taken !== true) throw new Error(`another import into the app "${appId}" is under way; let it end first`);
}

/**
 * Loads in one transaction, rejected lines included, or not at all.
 * @throws {Error} of one line, saying that nothing was loaded, or that the connection was lost at the COMMIT.
 */
export async function loadInTransaction<Result>(
  client: Client,
  { rejects, signal, onBegin }: Pick<BulkLoad, 'rejects' | 'signal' | 'onBegin'>,
  load: (run: Run) => Promise<Result>,
): Promise<Result> {
  let committing = false;
  let lost: Error | undefined;
  client.once('error', (error: Error) => (lost = error));
  const run: Run = async (sql, values = []) => {
    signal.throwIfAborted();
    return client.query(sql, values);
  };
  try {
    await client.query(`BEGIN; ${LIFT_LIMITS}`);
    await onBegin();
    const result = await load(run);
    signal.throwIfAborted();
    committing = true;
    await client.query('COMMIT');
    return result;
  } catch (error) {
    const { message, severity } = error as Error & { severity?: string };
    if (committing && severity !== 'ERROR') {
      const text = `the connection was lost at the COMMIT (${message}): it may be loaded or not; import it again to be sure`;
      throw new Error(text, { cause: error });
    }
    await rejects.remove();
    // On a lost connection the server rolls back by itself.
    await client.query('ROLLBACK').catch(() => undefined);
    // What the server said comes first; once a connection is lost, queries fail with less specific errors.
    const failure = severity === undefined ? (lost?.message ?? message) : message;
    const reason = signal.aborted ? 'interrupted' : failure;
    throw new Error(`${reason}; nothing was loaded`, { cause: error });
  }
}

/** The rows of a query, some at a time. */
export async function* batchesOf<Row extends QueryResultRow>(run: Run, select: string): AsyncGenerator<Row[]> {
  await run(`DECLARE batches CURSOR FOR ${select}`);
  for (;;) {
    const { rows } = await run<Row>('FETCH 100 FROM batches');
    if (rows.length === 0) return;
    yield rows;
  }
}

/** A value in the CSV of COPY. */
export function copyField(value: string | undefined): string {
  return value === undefined ? '' : `"${value.replaceAll('"', '""')}"`;
}
