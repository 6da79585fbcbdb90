import { pipeline } from 'node:stream/promises';
import type { Client } from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { batchesOf, type BulkLoad, loadInTransaction, type Run, takeAppAlone } from '../bulk-load.js';
import { readExport } from './read.js';
import { EXPORT_ROWS, Tally } from './rows.js';
import {
  COMPARE,
  COUNT,
  FIND_GONE,
  KEEP,
  REGISTER,
  REJECT_REPEATED,
  REJECTED,
  REMOVE_CONVERSATIONS,
  REMOVE_MEMBERS,
  TABLES,
  TAKE_CONVERSATIONS,
  TAKE_MEMBERS,
  WRITE,
} from './statements.js';

export interface LeancloudJob extends BulkLoad {
  /** The files of the export. */
  readonly paths: readonly string[];
  /** Whether to remove what the export does not have. */
  readonly remove: boolean;
  /** Whether to write nothing, and to count what would be done. */
  readonly dryRun: boolean;
}

type Counted = Record<
  | 'ordinary'
  | 'unique'
  | 'new'
  | 'chat_rooms'
  | 'services'
  | 'rejected_conversations'
  | 'unknown'
  | 'absent_owners'
  | 'large'
  | 'wanted_members'
  | 'added'
  | 'changed'
  | 'rejected_members'
  | 'members_of_rejected'
  | 'used_roles'
  | 'roles_of_others'
  | 'roles_elsewhere'
  | 'rejected_roles'
  | 'gone_members'
  | 'gone_conversations'
  | 'members_of_gone',
  number
>;

/** What an import read, and what it did, or would do. */
export interface Outcome {
  readonly read: Tally;
  readonly counted: Readonly<Counted>;
  /** False also where a rejected line has no readable id: it may name any conversation. */
  readonly removesConversations: boolean;
}

/**
 * Makes the ordinary conversations of an app and their members those of a LeanCloud export, in one transaction, and writes what is
 * rejected; or does neither.
 * @throws {Error} of one line, saying that nothing was loaded, or that the connection was lost at the COMMIT.
 */
export async function loadLeancloud(client: Client, job: LeancloudJob): Promise<Outcome> {
  return loadInTransaction(client, job, (run) => load(client, job, run));
}

async function load(client: Client, job: LeancloudJob, run: Run): Promise<Outcome> {
  const { appId, paths, remove, dryRun, signal, onRead, onPhase } = job;
  const count = async (sql: string, values: unknown[] = [appId]): Promise<number> =>
    (await run(sql, values)).rowCount ?? 0;
  if (!dryRun) await takeAppAlone(run, appId);
  await run(EXPORT_ROWS);
  await run(TABLES);
  // Temporary tables are still written.
  if (dryRun) await run('SET TRANSACTION READ ONLY');

  const read = new Tally();
  let bytes = 0;
  const rows = readExport(paths, read, (more) => {
    // Where nothing comes of what is read, the pipeline has nothing to end at.
    signal.throwIfAborted();
    onRead((bytes += more));
  });
  await pipeline(rows, client.query(copyFrom('COPY export_rows FROM STDIN (FORMAT csv)')), { signal });

  onPhase('checking');
  // Without statistics PostgreSQL would plan for small tables.
  await run('ANALYZE export_rows');
  await count(REJECT_REPEATED, [read.files]);
  await count(TAKE_CONVERSATIONS);
  await count(TAKE_MEMBERS, []);
  await run('ANALYZE export_conversations, export_members');
  let registered = 0;
  if (!dryRun) {
    registered = await count(REGISTER, [appId, false]);
    const { rows: kept } = await run<{ all_kept: boolean }>(KEEP, [appId]);
    // Others were deleted before they were kept.
    if (kept[0]?.all_kept !== true) registered += await count(REGISTER, [appId, true]);
  }
  await count(FIND_GONE);
  await count(COMPARE);
  await run('ANALYZE export_changes, export_gone');
  const { rows: counts } = await run<{ counts: Counted }>(COUNT, [appId]);
  const [{ counts: counted } = { counts: undefined }] = counts;
  if (counted === undefined) throw new Error('nothing was counted');
  if (remove && counted.ordinary === 0) {
    throw new Error('the export has no ordinary conversation, so --remove would remove all; is it the right file?');
  }
  const removesConversations = remove && counted.unknown === 0;

  onPhase(dryRun ? 'counting' : 'writing');
  if (!dryRun) {
    counted.new = registered;
    const written = await run<{ added: number; changed: number }>(WRITE, [appId]);
    Object.assign(counted, written.rows[0]);
    if (remove) counted.gone_members = await count(REMOVE_MEMBERS);
    if (removesConversations) counted.gone_conversations = await count(REMOVE_CONVERSATIONS);
  }
  const written = await writeRejected(job, run, read.files);
  requireSums(read, counted, written);
  return { read, counted, removesConversations };
}

/** @returns how many were written. */
async function writeRejected({ rejects }: LeancloudJob, run: Run, files: readonly string[]): Promise<number> {
  let written = 0;
  async function* lines(): AsyncGenerator<string> {
    for await (const some of batchesOf<{ file: number; line: string; reject: string }>(run, REJECTED)) {
      written += some.length;
      // PostgreSQL gives a bigint as text.
      const objects = some.map(({ file, line, reject }) => ({
        ...{ file: files[file - 1], line: Number(line) },
        ...(JSON.parse(reject) as object),
      }));
      yield objects.map((object) => `${JSON.stringify(object)}\n`).join('');
    }
  }
  await rejects.write(lines());
  return written;
}

/** Nothing may be lost, whatever becomes of it. @throws {Error} where it is. */
function requireSums(read: Tally, counted: Counted, rejected: number): void {
  const c = counted;
  const sums = {
    conversations: [read.conversations, c.ordinary + c.chat_rooms + c.services + c.rejected_conversations],
    memberships: [read.members, c.wanted_members + c.rejected_members + c.members_of_rejected + read.repeatedMembers],
    roles: [read.roles, c.used_roles + c.roles_of_others + c.roles_elsewhere + c.rejected_roles],
    rejects: [rejected, c.rejected_conversations + c.rejected_members + c.rejected_roles],
  };
  for (const [what, [found, accounted]] of Object.entries(sums)) {
    if (found !== accounted) throw new Error(`${found} ${what} were read, ${accounted} accounted for`);
  }
}
