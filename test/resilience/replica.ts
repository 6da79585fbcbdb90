import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, inject } from 'vitest';
import { DIST } from '../support/built.js';
import { freePort } from '../support/free-port.js';
import { type Program, runProgram } from '../support/program.js';
import { SECRETS_KEY } from './postgres-server.js';

/** A process of the service that has a port to come back to, in this build or another. */
export class Replica {
  program!: Program;

  private constructor(
    readonly port: number,
    private readonly databaseUrl: string,
  ) {}

  static async start(databaseUrl: string): Promise<Replica> {
    const replica = new Replica(await freePort(), databaseUrl);
    await replica.startAgain();
    return replica;
  }

  async startAgain(dist = DIST): Promise<void> {
    this.program = runBuilt(dist, 'src/main.js', this.databaseUrl, [], String(this.port));
    await this.program.prints(/Ready on/);
  }
}

/** Runs a file of a build; its log names every answer. */
export function runBuilt(
  dist: string,
  file: string,
  databaseUrl: string,
  args: readonly string[] = [],
  port = '0',
): Program {
  const env = { LOG_LEVEL: 'debug', MIGRATIONS_DIR: inject('registrations'), SHUTDOWN_DELAY_MS: '500' };
  const all = { ...env, PORT: port, DATABASE_URL: databaseUrl, SECRETS_KEY };
  return runProgram(process.execPath, [join(dist, file), ...args], all, tmpdir());
}

/** One after the other: the next when requests come to the last again. */
export async function expectRestart(replicas: readonly Replica[], dist = DIST): Promise<void> {
  for (const replica of replicas) {
    await expectEnd(replica);
    await replica.startAgain(dist);
    await replica.program.prints(/Answered/);
  }
}

/** By SIGTERM. */
export async function expectEnd({ program }: Replica): Promise<void> {
  expect(program.process.exitCode).toBeNull();
  program.process.kill('SIGTERM');
  expect(await program.ends()).toBe(0);
  expect(program.output()).not.toMatch(/unhandled/i);
}
