/*
 * The server of a data folder runs in a session of its own, for all processes that use it. Each of them keeps a connection open, by
 * which the others see it in pg_stat_activity: the first starts the server, the last stops it, under a lock. A server whose
 * users were killed goes on, and the next process takes it over.
 */
import fs from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { clusterFolder, findCluster, makeCluster } from './cluster.js';
import { EmbeddedPostgresError, remedyFor, unless, withLock } from './operating-system.js';
import { preparePrograms } from './programs.js';
import { attach, findServer, release, startServer } from './server.js';

export { EmbeddedPostgresError };

export interface EmbeddedPostgres {
  /** `postgres://postgres:<password>@127.0.0.1:<port>/im_signature` with parameters. A secret. */
  readonly url: string;
  /** Resolves when PostgreSQL has ended although it was held. */
  readonly lost: Promise<void>;
  /** Lets go; resolves when PostgreSQL has ended if this was its last user, else at once. */
  release(): Promise<void>;
}

const holds: Promise<EmbeddedPostgres>[] = [];
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, releaseAll);

/** Holds the PostgreSQL of a data folder until released, starting it if need be, without the shell's PG… variables. @throws {EmbeddedPostgresError} */
export function holdEmbeddedPostgres(dataDir: string): Promise<EmbeddedPostgres> {
  for (const name of Object.keys(process.env)) if (name.startsWith('PG')) Reflect.deleteProperty(process.env, name);
  const hold = open(dataDir).catch((error: unknown) => {
    if (error instanceof EmbeddedPostgresError) throw error;
    const { message } = error as Error;
    const fault = `The embedded PostgreSQL cannot use the folder of DATA_DIR, ${resolve(dataDir)}: ${message}`;
    throw new EmbeddedPostgresError(fault, remedyFor(message, 'Mend that, choose another DATA_DIR'), error);
  });
  holds.push(hold);
  return hold;
}

/** A signal that nothing else handles ends the process once it has let go, and at once when it comes again. */
function releaseAll(signal: NodeJS.Signals): void {
  if (process.listenerCount(signal) > 1) return;
  process.off(signal, releaseAll);
  const released = holds.map(async (hold) => (await hold).release());
  void Promise.allSettled(released).then(() => process.kill(process.pid, signal));
}

async function open(dataDir: string): Promise<EmbeddedPostgres> {
  await fs.mkdir(dataDir, { recursive: true, mode: 0o755 });
  const path = await fs.realpath(dataDir);
  const name = join(path, 'postgres');
  let holder = await withLock(name, async () => {
    const cluster = await findCluster(path);
    const running = await attach(cluster.folder);
    if (running !== undefined) return running;
    const bin = await preparePrograms(path, cluster.account);
    if (!cluster.exists) await makeCluster(cluster, bin);
    return startServer(cluster, bin, join(path, 'postgres.log'));
  });
  const folder = await clusterFolder(path);
  let released: Promise<void> | undefined;

  /** A server whose process crashes breaks off all sessions and comes back: that is no loss. */
  async function untilLost(): Promise<void> {
    for (;;) {
      await holder.ended;
      const again = withLock(name, async () => (released ? undefined : attach(folder)));
      const next = await again.catch(() => undefined);
      if (next === undefined) return released && new Promise(() => undefined);
      holder = next;
    }
  }

  return {
    url: holder.url,
    lost: untilLost(),
    release: () => (released ??= withLock(name, () => release(folder, holder.client))),
  };
}

/** The URL of the running PostgreSQL of a data folder, or undefined when none runs. */
export async function embeddedPostgresUrl(dataDir: string): Promise<string | undefined> {
  const path = await fs.realpath(dataDir).catch(unless('ENOENT'));
  return (await findServer(await clusterFolder(path ?? dataDir)))?.url;
}
