import { execFileSync, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { chmod, cp, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { createInterface } from 'node:readline';
import type { Readable } from 'node:stream';
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest';
import { freePort } from '../support/free-port.js';

const ROOT = resolve(import.meta.dirname, '../..');
/** Pages that a reader follows one after the other, in one folder. */
const JOURNEYS = [
  ['README.md', 'docs/http-api.md'],
  ['docs/admin.md', 'docs/backend.md'],
];
/** The ports of the documentation; the tests take free ones instead. */
const PORTS = ['3000', '3001'] as const;
/** An install and a build, on a busy machine. */
const LONG = 300_000;

/**
 * A block of the documentation: "```sh runnable", with `background` where it goes on, and with `stdin=` for what a reader types,
 * a line for each comma. What it prints looks like the block of `json` or `text` after it.
 */
interface Block {
  readonly name: string;
  readonly code: string;
  readonly background: boolean;
  readonly typed: string;
  readonly printed: { readonly json?: string | undefined; readonly text?: string | undefined };
}

function blocksOf(page: string): Block[] {
  const source = readFileSync(join(ROOT, page), 'utf8');
  const fences = [...source.matchAll(/^```(\S+)([^\n]*)\n(.*?)^```$/gms)];
  return fences.flatMap(({ 1: language, 2: marks = '', 3: code = '', index }, i) => {
    if (language !== 'sh' || !/\brunnable\b/.test(marks)) return [];
    const [, nextLanguage = '', , next] = fences[i + 1] ?? [];
    const line = source.slice(0, index).split('\n').length;
    return {
      name: `${page}, line ${line}: ${code.split('\n', 1)[0] ?? ''}`,
      code,
      background: /\bbackground\b/.test(marks),
      typed: (/\bstdin=(\S+)/.exec(marks)?.[1] ?? '').split(',').join('\n'),
      printed: { [nextLanguage]: next },
    };
  });
}

/** A shell that keeps its folder and its variables from block to block. */
class Shell {
  private readonly bash: ChildProcess;
  private readonly done: AsyncIterator<string>;
  private blocks = 0;

  constructor(
    private readonly folder: string,
    private readonly ports: readonly string[],
  ) {
    this.bash = spawn('bash', ['-c', 'set -eo pipefail; while read -r line; do eval "$line"; done'], {
      cwd: join(folder, 'im-signature'),
      env: { PATH: process.env.PATH, HOME: folder, PORT: ports[0], npm_config_cache: npmCache() },
      stdio: ['pipe', 'ignore', 'ignore', 'pipe'],
      detached: true,
    });
    this.done = createInterface({ input: this.bash.stdio[3] as Readable })[Symbol.asyncIterator]();
  }

  async run({ code, typed, background }: Block): Promise<string> {
    // Of this block alone: one in the background goes on writing.
    this.blocks++;
    const file = (name: string): string => join(this.folder, `${name}-${this.blocks}`);
    const free = PORTS.reduce((text, port, i) => text.replaceAll(port, this.ports[i] ?? ''), code);
    await writeFile(file('block'), free);
    await writeFile(file('typed'), typed);
    await Promise.all(['out', 'err'].map((name) => writeFile(file(name), '')));
    const said = () => Promise.all([readFile(file('out'), 'utf8'), readFile(file('err'), 'utf8')]);
    const line = `source ${file('block')} < ${file('typed')} > ${file('out')} 2> ${file('err')}`;
    this.bash.stdin?.write(`${line} ${background ? '&' : ';'} echo done >&3\n`);
    const { done } = await this.done.next();
    const ready = async () => (await said())[0].includes('Ready on');
    if (background) await vi.waitUntil(ready, { timeout: LONG, interval: 200 });
    const [out, err] = await said();
    if (done === true) throw new Error(`The block fails:\n${code}\n${out}\n${err}`);
    return out;
  }

  async end(): Promise<void> {
    const ended = once(this.bash, 'close');
    // The whole group: npm, the service, its database.
    if (this.bash.exitCode !== null || this.bash.pid === undefined) return;
    process.kill(-this.bash.pid, 'SIGTERM');
    await ended;
  }
}

function npmCache(): string {
  return execFileSync('npm', ['config', 'get', 'cache'], { encoding: 'utf8' }).trim();
}

/** The files that git knows, as a reader gets them. */
async function checkOut(folder: string): Promise<void> {
  const files = execFileSync('git', ['ls-files', '-z', '--cached', '--others', '--exclude-standard'], { cwd: ROOT });
  for (const file of files.toString().split('\0').filter(Boolean)) {
    await cp(join(ROOT, file), join(folder, file));
  }
}

describe.each(JOURNEYS.map((pages) => ({ pages })))(
  'followed word for word from an empty folder, $pages:',
  ({ pages }) => {
    let folder: string;
    let shell: Shell;

    beforeAll(async () => {
      folder = await mkdtemp(join(tmpdir(), 'im-signature-docs-'));
      // As root, PostgreSQL runs under another account, which has to reach its data.
      await chmod(folder, 0o755);
      await checkOut(join(folder, 'im-signature'));
      shell = new Shell(folder, [String(await freePort()), String(await freePort())]);
    });

    afterAll(async () => {
      await shell.end();
      await rm(folder, { recursive: true, maxRetries: 20 });
    });

    it.each(pages.flatMap(blocksOf))(
      '$name',
      async (block) => {
        const out = await shell.run(block);
        const { json, text } = block.printed;
        const fields = (answer: string) => Object.keys(JSON.parse(answer) as object);
        if (json !== undefined) expect(fields(out)).toEqual(fields(json));
        if (text !== undefined) expect(out).toBe(text);
      },
      LONG,
    );
  },
);
