import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { leaksIn } from './recorded.js';

declare module 'vitest' {
  export interface ProvidedContext {
    /** The folder of what this run's services and commands write, and of the secrets it uses. */
    recorded: string;
  }
}

/** Fails the run when a service or a command wrote any key, secret or token that a test used. */
export default async function setUp(project: TestProject): Promise<() => Promise<void>> {
  const folder = await mkdtemp(join(tmpdir(), 'im-signature-recorded-'));
  project.provide('recorded', folder);
  return async () => {
    const { secrets, lines, leaks } = await leaksIn(folder);
    await rm(folder, { recursive: true });
    process.stdout.write(`Redaction: ${secrets} secrets, ${leaks.length} of them in ${lines} lines of output\n`);
    if (leaks.length === 0) return;
    for (const line of leaks) process.stdout.write(`Redaction: ${line}\n`);
    process.exitCode = 1;
  };
}
