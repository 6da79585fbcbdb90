import { beforeAll, describe, expect, it } from 'vitest';
import { type Admin, makeAdmin } from './support/admin.js';

let admin: Admin;

beforeAll(async () => {
  // Nothing answers there: no call gets further than to the database.
  admin = await makeAdmin({
    DATABASE_URL: 'postgres://nobody@127.0.0.1:1/none',
    SECRETS_KEY: Buffer.alloc(32, 1).toString('base64'),
  });
  return () => admin.remove();
});

/** The names of the commands below one, by its help. */
async function commandsOf(...names: string[]): Promise<string[]> {
  const [, list = ''] = /^Commands:\n((?: .+\n)+)/m.exec(await admin.does([...names, '--help'])) ?? [];
  return [...list.matchAll(/^ {2}(\S+)/gm)].map(([, name = '']) => name).filter((name) => name !== 'help');
}

/** Every command that does something. */
async function everyCommand(): Promise<string[][]> {
  const all: string[][] = [];
  for (const name of await commandsOf()) {
    const below = await commandsOf(name);
    all.push(...(below.length === 0 ? [[name]] : below.map((one) => [name, one])));
  }
  return all;
}

describe('the help of each command', () => {
  it('has an example, which is a call that the command takes', async () => {
    const commands = await everyCommand();
    expect(commands.length).toBeGreaterThan(20);
    for (const names of commands) {
      const help = await admin.does([...names, '--help']);
      const [, example = ''] = /^Example:\n {2}im-signature (.+)$/m.exec(help) ?? [];
      const words = [...example.matchAll(/"([^"]*)"|(\S+)/g)].map(([, quoted, bare]) => quoted ?? bare ?? '');
      expect(words.slice(0, names.length), help).toEqual(names);
      const { code, stderr } = await admin.im(words);
      // 1: there is no database, or no such file.
      expect([0, 1], stderr).toContain(code);
    }
  });

  it('is shown by "help" before its name, too', async () => {
    for (const names of [[], ['app'], ['app', 'show'], ['migrate']]) {
      expect(await admin.does(['help', ...names])).toBe(await admin.does([...names, '--help']));
    }
    const { code, stderr } = await admin.im(['help', 'app', 'shown']);
    expect({ code, stderr }).toEqual({
      code: 2,
      stderr:
        'im-signature: cannot show the help of a command: unknown command \'shown\'; see "im-signature help --help"\n',
    });
  });

  it('marks what is required, and names the variables and the standard input that it reads', async () => {
    const help = await admin.does(['app', 'register', '--help']);
    expect(help).toMatch(/--app-id <id> .+\(required\)/);
    expect(help).not.toMatch(/--max-members <number> .+\(required\)/);
    expect(help).toMatch(/^Standard input:\n {2}The master key, on a line/m);
    for (const name of ['DATABASE_URL', 'DATA_DIR', 'SECRETS_KEY', 'MIGRATIONS_DIR']) {
      expect(help).toMatch(new RegExp(`^  ${name} `, 'm'));
    }
    expect(help).toContain('\n  or DATABASE_URL_FILE, SECRETS_KEY_FILE: a file that holds the value\n');
    expect(await admin.does(['database', 'url', '--help'])).toContain('\n  or DATABASE_URL_FILE: a file');
    expect(await admin.does(['conversation', 'show', '--help'])).toMatch(/--conversation-id <id> .+\(required\)/);
  });
});

describe('a mistake in a call', () => {
  it.each([
    [
      ['app', 'show'],
      'cannot show an app: required option \'--app-id <id>\' not specified; see "im-signature app show --help"',
    ],
    [
      ['app', 'show', 'a', '--app-id', 'b'],
      "cannot show an app: 'b' and 'a' are two ids, one is expected; see \"im-signature app show --help\"",
    ],
    [
      ['ban', 'list', '--app-id', 'a', '--app-id', 'b'],
      'cannot list the bans of an app: option \'--app-id <id>\' argument \'b\' is invalid. It differs from "a", which is given, too; see "im-signature ban list --help"',
    ],
    [
      ['app', 'shwo'],
      'cannot run the command: unknown command \'shwo\' (Did you mean show?); see "im-signature app --help"',
    ],
  ])('%j says what could not be done, why, and which help to read', async (args, line) => {
    expect(await admin.im(args)).toEqual({ code: 2, stdout: '', stderr: `im-signature: ${line}\n` });
  });

  it.each([
    ['2027-02-31T00:00:00Z', 'There is no day 2027-02-31;'],
    ['2027-13-01T00:00:00Z', 'There is no day 2027-13-01;'],
    ['2027-01-31T24:00:00Z', 'There is no time 24:00:00Z;'],
    ['2027-01-31', 'A time has the form 2027-01-31T22:00:00Z or 2027-01-31T22:00:00+08:00;'],
  ])('the time %s is refused with its fault', async (time, fault) => {
    const { code, stderr } = await admin.im(['app', 'rotate-key', '--app-id', 'a', '--active-from', time]);
    expect(code).toBe(2);
    expect(stderr).toContain(fault);
  });
});
