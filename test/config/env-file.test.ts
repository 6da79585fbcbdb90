import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { readEnvFile } from '../../src/config/env-file.js';

const folder = mkdtempSync(join(tmpdir(), 'im-signature-env-'));
afterAll(() => {
  rmSync(folder, { recursive: true });
});

function read(text: string): NodeJS.Dict<string> {
  const file = join(folder, 'env');
  writeFileSync(file, text);
  return readEnvFile(file);
}

it('a line of .env may be indented, by blanks or tabs', () => {
  expect(read('\tHOST=b\n  PORT=1\n\t export LOG_LEVEL=info\n \t# note\n\t\nKEY="a\n\tMII=\n"\n')).toEqual({
    HOST: 'b',
    PORT: '1',
    LOG_LEVEL: 'info',
    KEY: 'a\n\tMII=\n',
  });
});

it('an empty value in .env may have blanks behind its "="; the next line counts', () => {
  expect(read('LOG_LEVEL = \nSECRETS_KEY = AAAA\nexport A= \t\nexport B=\n\tHOST=\t\nPORT=1')).toEqual({
    LOG_LEVEL: '',
    SECRETS_KEY: 'AAAA',
    A: '',
    B: '',
    HOST: '',
    PORT: '1',
  });
});

it('a quote within a value in .env belongs to it', () => {
  expect(read('B="y"\nD=it\'s\nE=\t"tab" # note\nF=\'"json"\'\nG="\'"\n')).toEqual({
    B: 'y',
    D: "it's",
    E: 'tab',
    F: '"json"',
    G: "'",
  });
});

it.each(['"hunter2', "'hunter2", '`hunter2', '“hunter2”', '‘hunter2’', '"hunter2”', "'hunter2'3", '\t"hunter2 # ours'])(
  'a value in .env that begins with a quote and is not in quotes is told by its line: %s',
  (value) => {
    for (const below of ['', '\n', '\nHOST="::"\n', "\nMOTTO=it's\n"]) {
      const attempt = () => read(`PORT=1\n export PASSWORD = ${value}${below}`);
      expect(attempt).toThrow('line 2 has a value that begins with a quote and is not in quotes');
      expect(attempt).not.toThrow(/hunter2/);
    }
  },
);

it('a "#" in .env that would cut a value is told by its line, unless it begins a comment or is in quotes', () => {
  const url = 'postgres://im:hunter2#w@127.0.0.1/im';
  for (const line of [`DATABASE_URL=${url}`, `  export DATABASE_URL = ${url} # ours`, 'PGPASSWORD=#hunter2']) {
    const attempt = () => read(`PORT=1 # a comment\n${line}\n`);
    expect(attempt).toThrow('line 2 has a # in its value');
    expect(attempt).not.toThrow(/hunter2/);
  }
  expect(read(`A="${url}" # ours\nB='x#y'\nC= # none\nD="x\ny#z"#\n`)).toEqual({
    A: url,
    B: 'x#y',
    C: '',
    D: 'x\ny#z',
  });
});

describe('a quote in .env that is closed by one of another line', () => {
  it.each([
    ['PASSWORD="hunter2\nNODE_ENV=production\nDATABASE_URL=postgres://im:hunter2@db/im\nSECRETS_KEY="\n', 1],
    ["# a comment\nHOST='127.0.0.1\nSECRETS_KEY=AAAA\nMOTTO='\n", 2],
    ['PORT=1\nexport LOG_LEVEL="info\n  export SECRETS_KEY = AAAA\nHOST=" # none\n', 2],
    ['CORS_ORIGINS=`https://a.example\nPORT=3000\n`\n', 1],
    ['PORT=1\nCORS_ORIGINS: "https://a.example\nSECRETS_KEY=AAAA\n"\n', 2],
  ])('is named by the number of its line, and nothing is shown: %j', (text, line) => {
    const attempt = () => read(text);
    expect(attempt).toThrow(`line ${line} has a quote that is not closed`);
    expect(attempt).not.toThrow(/hunter2|AAAA|127/);
  });

  it('is not a value of several lines, such as a key in PEM or text in base64', () => {
    const pem = '-----BEGIN PUBLIC KEY-----\nMIIBIjANBgkq\nAB/cd+ef==\nMIIB=\n-----END PUBLIC KEY-----';
    expect(read(`KEY="${pem}"\nPORT=3000\n`)).toEqual({ KEY: pem, PORT: '3000' });
  });
});
