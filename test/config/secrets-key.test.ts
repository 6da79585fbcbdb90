import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { loadSealingKeys, newSecretsKey, parseSecretsKey } from '../../src/config/secrets-key.js';

const KEY = Buffer.alloc(32, 7).toString('base64');

let dataDir: string;
beforeEach(async () => {
  dataDir = await mkdtemp(join(tmpdir(), 'im-signature-key-'));
});
afterEach(() => rm(dataDir, { recursive: true }));

const load = (sealingKeys?: ReturnType<typeof parseSecretsKey>, databaseUrl?: string) =>
  loadSealingKeys({ databaseUrl, dataDir, sealingKeys });
const keep = (text: string) => writeFile(join(dataDir, 'secrets.key'), text);

it('a new key has an id of its own, which SECRETS_KEY takes', () => {
  const keys = [newSecretsKey(), newSecretsKey()].map((text) => [...parseSecretsKey(text).keys()][0]);
  expect(keys[0]).toMatch(/^k\d{8}-[0-9a-f]{4}$/);
});

describe('the key of an embedded database', () => {
  it('is made with an id that tells it, and kept for its owner alone', async () => {
    const keys = load();
    expect([...keys.keys()]).toEqual([expect.stringMatching(/^embedded-[0-9a-f]{4}$/)]);
    expect(load()).toEqual(keys);
    expect((await stat(join(dataDir, 'secrets.key'))).mode & 0o777).toBe(0o600);
    expect(parseSecretsKey((await readFile(join(dataDir, 'secrets.key'), 'utf8')).trim())).toEqual(keys);
  });

  it('that has no id, as older versions made it, goes on', async () => {
    await keep(`${KEY}\n`);
    expect([...load()]).toEqual([['default', Buffer.from(KEY, 'base64')]]);
  });

  it('still opens what it sealed when there is a SECRETS_KEY, which seals from then on', async () => {
    await keep(`embedded-1234:${KEY}\n`);
    expect([...load(parseSecretsKey(`k1:${KEY}`)).keys()]).toEqual(['k1', 'embedded-1234']);
  });

  it('gives way to a key of SECRETS_KEY with the same id, and is not made beside one', async () => {
    const given = parseSecretsKey(newSecretsKey().replace(/.*:/, ''));
    expect(load(given)).toEqual(given);
    await expect(stat(join(dataDir, 'secrets.key'))).rejects.toThrow('ENOENT');
    await keep(KEY);
    expect(load(given)).toEqual(given);
  });

  it('does not count with a DATABASE_URL', async () => {
    await keep(`embedded-1234:${KEY}\n`);
    expect([...load(parseSecretsKey(`k1:${KEY}`), 'postgres://u@h/d').keys()]).toEqual(['k1']);
  });

  it('that is damaged is named, and not repeated', async () => {
    await keep('embedded-1234:c2VjcmV0\n');
    expect(() => load()).toThrow(/secrets\.key holds no key: entry 1: not the base64 of 32 bytes/);
    expect(() => load()).not.toThrow('c2VjcmV0');
  });

  it('in a folder that cannot be made names DATA_DIR', () => {
    const nowhere = { databaseUrl: undefined, sealingKeys: undefined, dataDir: join(process.execPath, 'data') };
    expect(() => loadSealingKeys(nowhere)).toThrow(
      /^DATA_DIR: .*data cannot be written by user id .*; make that possible/,
    );
  });
});
