import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** The built project. */
export const DIST = join(import.meta.dirname, '../../dist');

/** Loads a module as it was built: what starts processes, or loads migrations by name, runs from there and not from the sources. */
export async function built<Module>(path: string): Promise<Module> {
  return (await import(pathToFileURL(join(DIST, path)).href)) as Module;
}
