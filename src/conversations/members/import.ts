import { isUtf8 } from 'node:buffer';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client, QueryResult, QueryResultRow } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { type Line, MAX_LINE_BYTES } from './lines.js';
import type { ParsedLine } from './membership.js';

/** What became of the lines that were read. */
export interface Counts {
  readonly read: number;
  readonly added: number;
  readonly changed: number;
  readonly unchanged: number;
  readonly rejected: number;
}

/** Where the lines go that are not loaded. */
export interface Rejects {
  write(text: string): Promise<void>;
  /** After it, all that was written is on the disk. */
  finish(): Promise<void>;
  /** Takes away what was made. */
  remove(): Promise<void>;
}

export interface ImportJob {
  readonly appId: string;
  readonly input: Readable;
  readonly parse: (chunks: AsyncIterable<Buffer>) => AsyncIterable<ParsedLine[]>;
  readonly rejects: Rejects;
  readonly signal: AbortSignal;
  /** Told when a part begins that takes its time, after the reading. */
  readonly begins: (phase: string) => void;
}

/** Every line that was read, also those that are rejected, so that one order and one count hold for all of them. */
const LINES = `
  CREATE TEMPORARY TABLE import_lines (
    line bigint NOT NULL, conversation_id text, client_id text, role text, reason text, source text NOT NULL
  ) ON COMMIT DROP`;

/** None of them can be deleted before the import is done, nor is one that is being deleted now taken for one that is there. */
const KEEP_CONVERSATIONS = `
  WITH kept AS (
    SELECT FROM conversations WHERE app_id = $1 AND conversation_id IN (
      SELECT conversation_id FROM import_lines WHERE reason IS NULL
    )
    ORDER BY conversation_id FOR KEY SHARE
  ) SELECT count(*) FROM kept`;

const REJECT_UNKNOWN = `
  UPDATE import_lines SET reason = 'the conversation is not registered in the app'
  WHERE reason IS NULL AND NOT EXISTS (
    SELECT FROM conversations c WHERE c.app_id = $1 AND c.conversation_id = import_lines.conversation_id
  )`;

/** In the order of bytes, which is quick, and equal there is equal anywhere. */
const REJECT_REPEATED = `
  UPDATE import_lines SET reason = CASE
    WHEN role = first_role THEN format('repeats line %s', first_line)
    ELSE format('is about the membership of line %s, where the role is %s, which counts', first_line, first_role)
  END
  FROM (
    SELECT line, first_value(line) OVER same AS first_line, first_value(role) OVER same AS first_role
    FROM import_lines WHERE reason IS NULL
    WINDOW same AS (PARTITION BY conversation_id COLLATE "C", client_id COLLATE "C" ORDER BY line)
  ) AS seen
  WHERE seen.line = import_lines.line AND first_line < seen.line`;

/** A row that was not there has no xmax; one that is so already is not written, and not returned. */
const WRITE = `
  WITH wanted AS (
    SELECT conversation_id, client_id, role FROM import_lines WHERE reason IS NULL
  ), written AS (
    INSERT INTO conversation_members AS m (app_id, conversation_id, client_id, role)
    SELECT $1, conversation_id, client_id, role FROM wanted
    -- Two imports at once take the rows in the same order.
    ORDER BY conversation_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (app_id, conversation_id, client_id) DO UPDATE SET role = EXCLUDED.role WHERE m.role <> EXCLUDED.role
    RETURNING xmax = 0 AS added
  )
  SELECT (count(*) FILTER (WHERE added))::integer AS added, (count(*) FILTER (WHERE NOT added))::integer AS changed,
    (SELECT count(*) FROM wanted)::integer AS wanted
  FROM written`;

/**
 * Loads all lines that can be loaded in one transaction, and writes the others to the rejects file; or does nothing of that, and throws
 * an Error with one line that says so.
 */
export async function loadMembers(client: Client, job: ImportJob): Promise<Counts> {
  let committing = false;
  let lost: Error | undefined;
  client.once('error', (error: Error) => {
    lost = error;
  });
  try {
    await client.query('BEGIN');
    const counts = await write(client, job);
    job.signal.throwIfAborted();
    committing = true;
    await client.query('COMMIT');
    return counts;
  } catch (error) {
    if (committing && !isAnswer(error)) {
      throw new Error(
        `the connection was lost at the COMMIT (${(error as Error).message}): it may be loaded or not; import it again to be sure`,
        { cause: error },
      );
    }
    await job.rejects.remove();
    // On a connection that is lost, the server does so by itself.
    await client.query('ROLLBACK').catch(() => undefined);
    // Queries after the loss of a connection would only say that it is lost.
    const { message } = lost ?? (error as Error);
    throw new Error(`${job.signal.aborted ? 'interrupted' : message}; nothing was loaded`, { cause: error });
  }
}

/** Whether PostgreSQL has answered, and not the connection broken. */
function isAnswer(error: unknown): boolean {
  return (error as { severity?: string }).severity === 'ERROR';
}

async function write(client: Client, { appId, input, parse, rejects, signal, begins }: ImportJob): Promise<Counts> {
  const run = async <Row extends QueryResultRow>(sql: string, values: unknown[] = []): Promise<QueryResult<Row>> => {
    signal.throwIfAborted();
    return client.query<Row>(sql, values);
  };
  await run(LINES);
  let read = 0;
  await pipeline(
    input,
    parse,
    async function* (batches: AsyncIterable<ParsedLine[]>) {
      for await (const batch of batches) {
        read += batch.length;
        yield batch.map(rowOf).join('');
      }
    },
    client.query(copyFrom('COPY import_lines FROM STDIN')),
    { signal },
  );

  begins('checking');
  // Without statistics PostgreSQL would take the table for a small one.
  await run('ANALYZE import_lines');
  await run(KEEP_CONVERSATIONS, [appId]);
  await run(REJECT_UNKNOWN, [appId]);
  await run(REJECT_REPEATED);
  begins('writing');
  const { rows: written } = await run<{ added: number; changed: number; wanted: number }>(WRITE, [appId]);
  const { added, changed, wanted } = written[0] ?? { added: 0, changed: 0, wanted: 0 };

  await run(
    `DECLARE rejected CURSOR FOR SELECT line, reason, source FROM import_lines WHERE reason IS NOT NULL ORDER BY line`,
  );
  let rejected = 0;
  for (;;) {
    const { rows: some } = await run<{ line: string; reason: string; source: string }>('FETCH 100 FROM rejected');
    if (some.length === 0) break;
    rejected += some.length;
    await rejects.write(
      some
        .map(({ line, reason, source }) => `{"line":${line},"reason":${JSON.stringify(reason)},${source}}\n`)
        .join(''),
    );
  }
  await rejects.finish();

  const counts = { read, added, changed, unchanged: wanted - added - changed, rejected };
  // No line may be lost on the way, whatever the reason.
  if (read !== wanted + rejected) {
    throw new Error(`${read} lines were read, ${wanted + rejected} accounted for`);
  }
  return counts;
}

/** A line as a row of `import_lines`, in the text format of COPY. */
function rowOf({ line, parsed }: ParsedLine): string {
  const values =
    typeof parsed === 'string'
      ? [null, null, null, parsed]
      : [parsed.conversation_id, parsed.client_id, parsed.role, null];
  return `${[String(line.number), ...values, sourceOf(line)].map(escaped).join('\t')}\n`;
}

/** The line as it stands in the rejects file, a member of a JSON object: in base64 where it is no text, and could not be shown exactly. */
function sourceOf({ bytes, length }: Line): string {
  if (length <= MAX_LINE_BYTES && !isUtf8(bytes)) return `"base64":"${bytes.toString('base64')}"`;
  return `"text":${JSON.stringify(bytes.toString())}`;
}

const ESCAPES: Readonly<Record<string, string>> = { '\\': '\\\\', '\t': '\\t', '\n': '\\n', '\r': '\\r' };

/** https://www.postgresql.org/docs/current/sql-copy.html, "Text Format" */
function escaped(value: string | null): string {
  return value === null ? '\\N' : value.replace(/[\\\t\n\r]/g, (character) => ESCAPES[character] ?? character);
}
