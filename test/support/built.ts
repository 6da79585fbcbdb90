import { cp, mkdtemp, readdir, readFile, rm, symlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';
import { inject } from 'vitest';

const CHECKOUT = new URL('../..', import.meta.url).pathname;

/** Parts of the checkout that the built service needs. */
const PARTS = ['dist', 'migrations', 'package.json'];

/** A copy of what is built, without the migrations that the admin command wrote for apps of this checkout. @returns its folder. */
export async function copyBuild(): Promise<string> {
  const root = await mkdtemp(join(tmpdir(), 'im-signature-build-'));
  for (const part of PARTS) await cp(join(CHECKOUT, part), join(root, part), { recursive: true });
  await symlink(join(CHECKOUT, 'node_modules'), join(root, 'node_modules'));
  for (const name of await readdir(join(root, 'migrations'))) {
    const text = await readFile(join(root, 'migrations', name), 'utf8');
    if (!text.includes('// About the app ')) continue;
    await rm(join(root, 'migrations', name));
    await rm(join(root, 'dist/migrations', name.replace(/\.ts$/, '.js')), { force: true });
  }
  return root;
}

/**
 * Loads a module as it was built: what starts processes, or loads migrations by name, runs from there and not from the sources.
 *
 * @param root the folder of `copyBuild`.
 */
export async function built<Module>(path: string, root = inject('root')): Promise<Module> {
  return (await import(pathToFileURL(join(root, 'dist', path)).href)) as Module;
}
