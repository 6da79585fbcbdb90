import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hmacSecretPurpose, seal } from '../../src/apps/sealing.js';
import { freePort } from '../support/free-port.js';
import { inSeconds, secretKey, tokenFor } from '../support/issuer.js';
import { runProgram } from '../support/program.js';
import { startService, type TestService } from '../support/service.js';
import { hmac } from '../support/signature.js';

const isInstalled = spawnSync('javac', ['-version']).status === 0;
if (!isInstalled) process.stdout.write('javac is not installed: the tests of the example for Java are skipped\n');

/** The demo app that asks for tokens. */
const APP = '3';
const MASTER_KEY = 'demo-master-key';
const SECRET = 'a secret of the issuer, 32 bytes long';
const HERE = join(import.meta.dirname, 'java');
const EXAMPLE = join(import.meta.dirname, '../../examples/java');

/** A method of the SDK's interface, and what the SDK gives to it. */
type Value = string | null | readonly string[];
type Request = readonly [method: string, ...Value[]];

/** As `Ask.java` reads it. */
function lineOf([method, ...values]: Request): string {
  const hex = (text: string) => text.replace(/[^]/g, (unit) => unit.charCodeAt(0).toString(16).padStart(4, '0'));
  const word = (value: Value): string => {
    if (value === null) return '-';
    return typeof value === 'string' ? hex(value) : `=${value.map((text) => `${hex(text)},`).join('')}`;
  };
  return `${[method, ...values.map(word)].join('\t')}\n`;
}

describe.runIf(isInstalled)('the example for Java, compiled for Java 8 without a warning,', () => {
  let service: TestService;
  let classes: string;

  beforeAll(async () => {
    service = await startService();
    await service.database.query('UPDATE app_identity SET sealed_hmac_secret = $1 WHERE app_id = $2', [
      seal(SECRET, hmacSecretPurpose(APP), service.sealingKeys),
      APP,
    ]);
    classes = await mkdtemp(join(tmpdir(), 'im-signature-java-'));
    // A newer compiler warns of the option that asks for an old release.
    const options = ['--release', '8', '-Xlint:all,-options', '-Werror', '-encoding', 'UTF-8', '-d', classes];
    const sources = ['-sourcepath', [HERE, EXAMPLE].join(':'), join(HERE, 'Ask.java')];
    const javac = runProgram('javac', [...options, ...sources], {}, tmpdir());
    expect([await javac.ends(), javac.output()]).toEqual([0, '']);
  });

  afterAll(async () => {
    await service.close();
    await rm(classes, { recursive: true });
  });

  /** What the app's callbacks get, and the log of the program. */
  async function ask(serviceUrl: string, token: string | undefined, ...requests: readonly Request[]) {
    const args = ['-cp', classes, 'Ask', serviceUrl, APP, ...(token === undefined ? [] : [token])];
    const java = runProgram('java', args, {}, tmpdir());
    java.process.stdin?.end(requests.map(lineOf).join(''));
    expect(await java.ends(), java.output()).toBe(0);
    const lines = java.stdout().trimEnd().split('\n');
    return { answers: lines.map((line) => line.split('\t')), log: java.stderr() };
  }

  const tokenOf = (clientId: string, claims = {}) => tokenFor(secretKey(SECRET), clientId, claims);

  // Neither in the order that is signed nor in any other: by code point the emoji comes after the full-width letters.
  const others = [
    'ｚｏｅ',
    '😀',
    'é',
    'e\u0301',
    'b',
    'B',
    '9',
    '10',
    'b',
    'a/b c',
    '100%?#',
    'x+y&z=1',
    '*~"\\',
    'a..b',
  ];

  it.each([
    { client: 'tom', conversation: '5f0c1e2d3b4a5968778695a4' },
    { client: '小明 a/b', conversation: 'c%2F1' },
  ])('gives what the messaging server recomputes, for each operation of $client', async ({ client, conversation }) => {
    const members = [...others].sort().join(':');
    const own = [client];
    const operations: [Request, before: string, after: string][] = [
      [['createSignature', client, []], '', ''],
      [['createSignature', client, null], '', ''],
      // Android SDK 4.7 opens a conversation so.
      [['createSignature', client, others], members, ''],
      [
        ['createConversationSignature', null, client, [...others, client], 'create'],
        [...others, client].sort().join(':'),
        '',
      ],
      [['createConversationSignature', null, client, own, 'create'], client, ''],
      [
        ['createConversationSignature', conversation, client, others, 'invite'],
        `${conversation}:${members}`,
        ':invite',
      ],
      [['createConversationSignature', conversation, client, own, 'invite'], `${conversation}:${client}`, ':invite'],
      [['createConversationSignature', conversation, client, others, 'kick'], `${conversation}:${members}`, ':kick'],
      ...['conversation-block-clients', 'conversation-unblock-clients'].map((action): [Request, string, string] => [
        ['createBlacklistSignature', client, conversation, others, action],
        `${conversation}:${members}`,
        `:${action}`,
      ]),
    ];
    const before = Date.now();
    const { answers } = await ask(service.url, await tokenOf(client), ...operations.map(([request]) => request));
    expect(answers).toHaveLength(operations.length);
    for (const [i, [, middle, action]] of operations.entries()) {
      const [kind, signature, timestamp = '', nonce = ''] = answers[i] ?? [];
      const message = `${APP}:${client}:${middle}:${timestamp}:${nonce}${action}`;
      expect([kind, signature]).toEqual(['signature', hmac(message, MASTER_KEY)]);
      // Whole milliseconds, which is what the SDK sends.
      expect(Number(timestamp)).toBeGreaterThanOrEqual(before);
    }
  });

  const login: Request = ['createSignature', 'alice', []];

  it('a refusal reaches the app and the log with its code, its detail and the id of its request', async () => {
    const invite: Request = ['createConversationSignature', 'c1', 'alice', ['mallory'], 'invite'];
    await service.database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ($1, 'mallory')`, [APP]);
    const refusals = [
      await ask(service.url, await tokenOf('alice'), invite),
      await ask(service.url, await tokenOf('bob'), login),
      await ask(service.url, await tokenOf('alice', { exp: inSeconds(-3600) }), login),
    ];
    const reached = refusals.map(({ answers, log }) => {
      const [[, status, message = ''] = []] = answers;
      expect(log).toContain(`WARNING: ${message}`);
      const requestId = /\(request ([\w-]+)\)$/.exec(message)?.[1] ?? '';
      expect(service.logged.join('\n')).toContain(requestId);
      return [status, message.replace(/: [^:]* \(request.*/, '')];
    });
    expect(reached).toEqual([
      ['403', 'Refused invite: 403 member_banned'],
      ['403', 'Refused login: 403 identity_mismatch'],
      ['401', 'Refused login: 401 identity_expired'],
    ]);
  });

  describe('whatever goes wrong, calls the app back', () => {
    const GOOD = { signature: 'a'.repeat(40), timestamp: 1795419134251, nonce: '6SsDAr3k' };
    const json = (answer: object) => (response: ServerResponse) => response.end(JSON.stringify(answer));
    /** What answers a client of this name. */
    const behaviours: Record<string, (response: ServerResponse) => unknown> = {
      'good, and spaced': (response) => response.end(JSON.stringify({ more: [], ...GOOD, last: 1 }, null, 2)),
      'text for a timestamp': json({ ...GOOD, timestamp: '1795419134' }),
      'a fraction': json({ ...GOOD, timestamp: 1795419134.25 }),
      'no signature': json({ ...GOOD, signature: undefined }),
      'upper case': json({ ...GOOD, signature: 'A'.repeat(40) }),
      'no nonce': json({ ...GOOD, nonce: '' }),
      'a page': (response) => response.writeHead(502).end('<html>Bad Gateway</html>'),
      'no body': (response) => response.writeHead(404).end(),
      redirect: (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      'cut off': (response) => {
        response.writeHead(200, { 'content-length': 1000 }).write('{', () => response.destroy());
      },
      'hung up': (response) => response.destroy(),
      'no answer': () => undefined,
    };
    const asked: string[] = [];
    let fake: Server;
    let url: string;

    beforeAll(async () => {
      fake = createServer((request, response) => {
        const client = decodeURIComponent(request.url?.split(/[/?]/)[4] ?? '');
        asked.push(client);
        behaviours[client]?.(response);
      });
      fake.listen(0, '127.0.0.1');
      await once(fake, 'listening');
      url = `http://127.0.0.1:${(fake.address() as AddressInfo).port}`;
    });

    afterAll(async () => {
      fake.close();
      fake.closeAllConnections();
      await once(fake, 'close');
    });

    it('about what is no signature, and follows no redirect with the token', async () => {
      asked.length = 0;
      const names = Object.keys(behaviours);
      const { answers } = await ask(url, 'token', ...names.map((name): Request => ['createSignature', name, []]));
      expect(Object.fromEntries(names.map((name, i) => [name, answers[i]?.slice(0, 2).join(' ')]))).toEqual({
        'good, and spaced': `signature ${GOOD.signature}`,
        'text for a timestamp': 'exception -1',
        'a fraction': 'exception -1',
        'no signature': 'exception -1',
        'upper case': 'exception -1',
        'no nonce': 'exception -1',
        'a page': 'exception 502',
        'no body': 'exception 404',
        redirect: 'exception 302',
        'cut off': 'exception -1',
        'hung up': 'exception -1',
        'no answer': 'exception -1',
      });
      expect(new Set(asked)).toEqual(new Set(names));
    });

    it('when nothing listens, and when there is no token', async () => {
      const away = await ask(`http://127.0.0.1:${await freePort()}`, 'token', login);
      expect(away.answers).toEqual([['exception', '-1', expect.stringContaining('Connection refused')]]);
      const loggedOut = await ask(url, undefined, login);
      expect(loggedOut.answers).toEqual([['exception', '-1', expect.stringContaining('nobody is logged in')]]);
    });

    it('about an unknown action, and an id that would arrive as another, without asking', async () => {
      asked.length = 0;
      const notIds = ['', '.', '..', 'a:b', '\ud83d', null];
      const requests: Request[] = [
        ['createConversationSignature', 'c1', 'alice', ['bob'], 'add'],
        ['createConversationSignature', 'c1', 'alice', ['bob'], 'conversation-block-clients'],
        ['createConversationSignature', 'c1', 'alice', ['bob'], null],
        ['createBlacklistSignature', 'alice', 'c1', ['bob'], 'kick'],
        ['createBlacklistSignature', 'alice', 'c1', ['bob'], null],
        ...notIds.flatMap((id): Request[] => [
          ['createSignature', id, []],
          ['createConversationSignature', id, 'alice', ['bob'], 'invite'],
          ...(id === null ? [] : [['createConversationSignature', 'c1', 'alice', ['bob', id], 'kick'] as const]),
          ...(id === null ? [] : [['createConversationSignature', 'c1', 'alice', [id], 'invite'] as const]),
        ]),
      ];
      const { answers } = await ask(url, 'token', ...requests);
      expect(answers.map(([kind, code]) => `${kind} ${code}`)).toEqual(requests.map(() => 'exception -1'));
      expect(answers[0]?.[2]).toBe('The action "add" is not known');
      expect(asked).toEqual([]);
    });
  });
});
