import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { batchesOf, type BulkLoad, copyField, loadInTransaction, type Run, shareApp } from '../bulk-load.js';
import { type Line, NOT_UTF8 } from '../lines.js';
import { type Format, type Membership, type ParsedLine, parseMembers } from './parse.js';

/**
 * How many lines of the file were read, and what became of them. `unregistered`: of the rejected ones, those whose conversation is
 * not registered; `created`: the conversations that were.
 */
export type Counts = Readonly<
  Record<'read' | 'added' | 'changed' | 'unchanged' | 'rejected' | 'unregistered' | 'created', number>
>;

export interface ImportJob extends BulkLoad {
  /** `bytesRead`: so far, as files and sockets count. */
  readonly input: Readable & { readonly bytesRead?: number };
  readonly format: Format;
  /** Whether to register the conversations that are not, with the rules that the table gives them. */
  readonly createConversations: boolean;
}

/** Every line of the file, rejected ones included, so that one order and one count hold for all of them. */
const LINES = `
  CREATE TEMPORARY TABLE import_lines (
    line bigint NOT NULL, conversation_id text, client_id text, role text, reason text, source text NOT NULL
  ) ON COMMIT DROP`;

const CREATE_CONVERSATIONS = `
  INSERT INTO conversations (app_id, conversation_id)
  SELECT DISTINCT $1, conversation_id COLLATE "C" AS id FROM import_lines WHERE reason IS NULL
  -- Against deadlocks: concurrent imports lock rows in the same order.
  ORDER BY id
  ON CONFLICT DO NOTHING`;

/** Waits for deletions of conversations in progress, and lets none begin before the import ends. */
const REJECT_UNKNOWN = `
  WITH kept AS (
    SELECT conversation_id FROM conversations WHERE app_id = $1 AND conversation_id IN (
      SELECT conversation_id FROM import_lines WHERE reason IS NULL
    )
    ORDER BY conversation_id FOR KEY SHARE
  )
  UPDATE import_lines SET reason = 'the conversation is not registered in the app'
  WHERE reason IS NULL AND NOT EXISTS (SELECT FROM kept WHERE kept.conversation_id = import_lines.conversation_id)`;

/** Collation "C" compares bytes: fast, and equality is the same in every collation. */
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

/** An inserted row has no xmax; an unchanged one is neither written nor returned. */
const WRITE = `
  WITH wanted AS (
    SELECT conversation_id, client_id, role FROM import_lines WHERE reason IS NULL
  ), written AS (
    INSERT INTO conversation_members AS m (app_id, conversation_id, client_id, role)
    SELECT $1, conversation_id, client_id, role FROM wanted
    -- Against deadlocks: concurrent imports lock rows in the same order.
    ORDER BY conversation_id COLLATE "C", client_id COLLATE "C"
    ON CONFLICT (app_id, conversation_id, client_id) DO UPDATE SET role = EXCLUDED.role WHERE m.role <> EXCLUDED.role
    RETURNING xmax = 0 AS added
  )
  SELECT (count(*) FILTER (WHERE added))::integer AS added, (count(*) FILTER (WHERE NOT added))::integer AS changed,
    (SELECT count(*) FROM wanted)::integer AS wanted
  FROM written`;

const REJECTED = `
  SELECT format('{"line":%s,"reason":%s,%s}', line, to_json(reason), source) AS reject
  FROM import_lines WHERE reason IS NOT NULL ORDER BY line`;

/**
 * Loads the valid lines in one transaction, and writes the rejected ones; or does neither.
 * @throws {Error} of one line, saying that nothing was loaded, or that the connection was lost at the COMMIT.
 */
export async function loadMembers(client: Client, job: ImportJob): Promise<Counts> {
  return loadInTransaction(client, job, (run) => load(client, job, run));
}

async function load(client: Client, job: ImportJob, run: Run): Promise<Counts> {
  const { appId, input, format, createConversations, rejects, signal, onRead, onPhase } = job;
  await shareApp(run, appId);
  await run(LINES);
  let read = 0;
  async function* toRows(chunks: AsyncIterable<Buffer>): AsyncGenerator<string> {
    for await (const batch of parseMembers(format, chunks)) {
      onRead(input.bytesRead ?? 0);
      read += batch.length;
      yield batch.map(rowOf).join('');
    }
  }
  await pipeline(input, toRows, client.query(copyFrom('COPY import_lines FROM STDIN (FORMAT csv)')), { signal });

  onPhase('checking');
  // Without statistics PostgreSQL would plan for a small table.
  await run('ANALYZE import_lines');
  const created = createConversations ? (await run(CREATE_CONVERSATIONS, [appId])).rowCount : 0;
  const unregistered = (await run(REJECT_UNKNOWN, [appId])).rowCount;
  await run(REJECT_REPEATED);
  onPhase('writing');
  const written = await run<{ added: number; changed: number; wanted: number }>(WRITE, [appId]);
  const { added, changed, wanted } = written.rows[0] ?? { added: 0, changed: 0, wanted: 0 };

  let rejected = 0;
  async function* rejectedLines(): AsyncGenerator<string> {
    for await (const some of batchesOf<{ reject: string }>(run, REJECTED)) {
      rejected += some.length;
      yield some.map(({ reject }) => `${reject}\n`).join('');
    }
  }
  await rejects.write(rejectedLines());
  // No line may be lost, whatever the reason.
  if (read !== wanted + rejected) throw new Error(`${read} lines were read, ${wanted + rejected} accounted for`);
  const unchanged = wanted - added - changed;
  return { read, added, changed, unchanged, rejected, unregistered: unregistered ?? 0, created: created ?? 0 };
}

/** A line as a row of `import_lines`, in the CSV of COPY. */
function rowOf({ line, parsed }: ParsedLine): string {
  const values: Partial<Membership> & { reason?: string } = typeof parsed === 'string' ? { reason: parsed } : parsed;
  const { conversation_id, client_id, role, reason } = values;
  return `${line.number},${[conversation_id, client_id, role, reason, sourceOf(line)].map(copyField).join()}\n`;
}

/** The line as a member of a JSON object. JSON holds no bytes that are not UTF-8: base64 keeps them exactly. */
function sourceOf({ bytes, fault }: Line): string {
  return fault === NOT_UTF8 ? `"base64":"${bytes.toString('base64')}"` : `"text":${JSON.stringify(bytes.toString())}`;
}
