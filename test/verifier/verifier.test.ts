import { execFile } from 'node:child_process';
import { createSecretKey } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { promisify } from 'node:util';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ACTIONS, type ActionName, sign } from '../../src/signature/actions.js';
import { firstUseRefusalOf, refusalOf, type SignedOperation } from '../../src/verifier/verifier.js';
import { EXAMPLES, operationOf, VECTORS } from '../support/spec.js';

const ROOT = resolve(import.meta.dirname, '../..');
const HOUR = 3_600_000;

describe('the verifier says of each example in the specification what it has to', () => {
  it.each(EXAMPLES.map((example) => [example.note, example.action, example] as const))('%s: %s', (_, __, example) => {
    expect(refusalOf(operationOf(example), example.keys, { now: example.received_at })).toBe(example.reason);
  });
});

describe('each vector is accepted at its time', () => {
  it.each(VECTORS)('$action: $note', ({ sorted_member_ids, master_key, ...vector }) => {
    const members = sorted_member_ids ? sorted_member_ids.split(':') : [];
    const operation = operationOf({ ...vector, members });
    const now = Number(vector.timestamp) * (vector.timestamp.length === 13 ? 1 : 1000);
    expect(refusalOf(operation, [master_key], { now, fractions: true })).toBeNull();
    expect(refusalOf(operation, [master_key], { now })).toBe(
      vector.timestamp.includes('.') ? 'malformed_timestamp' : null,
    );
  });
});

const MASTER_KEY = 'a-master-key';
const NOW = 1450166990000;

const id = fc.string({ unit: fc.constantFrom('a', 'B', '1', '10', '小', '😀', '～', '.'), minLength: 1, maxLength: 3 });
// Made once: to read a pattern takes milliseconds.
const nonce = fc.stringMatching(/^[A-Za-z0-9]{8}$/);
type WithMembers = SignedOperation & { members: readonly string[] };
/** An operation that the service signs, with the members shuffled as a wire may have them. */
const signed = fc.constantFrom(...(Object.keys(ACTIONS) as ActionName[])).chain((action) => {
  const takes = ACTIONS[action];
  const minLength = takes.members === 'at least one' ? 1 : 0;
  return fc
    .record({
      action: fc.constant(action),
      appId: id,
      clientId: id,
      conversationId: takes.conversation ? id : fc.constant(''),
      members: takes.members === 'none' ? fc.constant<string[]>([]) : fc.array(id, { minLength, maxLength: 5 }),
      timestamp: fc.constantFrom('1450166986', '1450166986392'),
      nonce,
    })
    .chain((operation) => {
      const { length } = operation.members;
      return fc
        .shuffledSubarray(operation.members, { minLength: length, maxLength: length })
        .map((members): WithMembers => ({ ...operation, members, signature: signatureOf(operation) }));
    });
});

function signatureOf(operation: Omit<SignedOperation, 'signature'>): string {
  const { action, appId, clientId, conversationId = '', members = [], timestamp, nonce } = operation;
  const parts = { app_id: appId, client_id: clientId, conversion_id: conversationId, timestamp, nonce };
  const message = ACTIONS[action].message({ ...parts, sorted_member_ids: members.toSorted().join(':') });
  return sign(message, createSecretKey(MASTER_KEY, 'utf8'));
}

/** The same operation with one field changed to another value that could be there. */
function changed(operation: WithMembers): SignedOperation[] {
  const { action, appId, clientId, conversationId, members, timestamp, nonce, signature } = operation;
  const isLogin = (name: ActionName) => name === 'login' || (name === 'conversion' && members.length === 0);
  return [
    ...(Object.keys(ACTIONS) as ActionName[])
      // The one exception that the protocol forces.
      .filter((name) => name !== action && !(isLogin(name) && isLogin(action)))
      .map((name) => ({ ...operation, action: name })),
    { ...operation, appId: `${appId}a` },
    { ...operation, clientId: `${clientId}a` },
    { ...operation, conversationId: `${conversationId ?? ''}a` },
    { ...operation, members: [...members, 'a'] },
    ...members.map((_, index) => ({ ...operation, members: members.toSpliced(index, 1) })),
    ...members.map((member, index) => ({ ...operation, members: members.toSpliced(index, 1, `${member}a`) })),
    { ...operation, timestamp: timestamp.replace(/\d$/, (digit) => String((Number(digit) + 1) % 10)) },
    { ...operation, nonce: nonce.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')) },
    { ...operation, signature: signature.replace(/.$/, (last) => (last === 'a' ? 'b' : 'a')) },
  ];
}

describe('for any operation that the service signs,', () => {
  it('the signature is accepted, in whatever order the members come', () => {
    fc.assert(
      fc.property(signed, (operation) => {
        expect(refusalOf(operation, [MASTER_KEY], { now: NOW })).toBeNull();
      }),
      { numRuns: 500 },
    );
  });

  it('a change of any one field is refused, and so is another key', () => {
    fc.assert(
      fc.property(signed, (operation) => {
        expect(refusalOf(operation, ['another-key'], { now: NOW })).toBe('signature_mismatch');
        const refusals = changed(operation).map((other) => refusalOf(other, [MASTER_KEY], { now: NOW }));
        expect(new Set(refusals)).toEqual(new Set(['signature_mismatch']));
      }),
      { numRuns: 500 },
    );
  });

  it('whatever comes in place of a text is refused', () => {
    const notText = [undefined, null, 5, 1450166986392, {}, [], ['a'], [null], true];
    fc.assert(
      fc.property(signed, (operation) => {
        for (const field of ['appId', 'clientId', 'timestamp', 'nonce', 'signature', 'action'] as const) {
          for (const value of notText) {
            const other = { ...operation, [field]: value } as unknown as SignedOperation;
            expect(refusalOf(other, [MASTER_KEY], { now: NOW })).not.toBeNull();
          }
        }
        for (const members of [null, 'bob', 5, {}, [undefined], [5], ['']]) {
          const other = { ...operation, members } as unknown as SignedOperation;
          expect(refusalOf(other, [MASTER_KEY], { now: NOW })).toBe('malformed_id');
        }
      }),
      { numRuns: 20 },
    );
  });
});

const LOGIN = {
  action: 'login',
  appId: '1',
  clientId: 'alice',
  timestamp: '1450166986392',
  nonce: 'cdXsciFc',
} as const;
const login: SignedOperation = { ...LOGIN, signature: signatureOf(LOGIN) };

it('a login also opens a conversation without members: the protocol signs the same', () => {
  expect(refusalOf({ ...login, action: 'conversion' }, [MASTER_KEY], { now: NOW })).toBeNull();
});

it.each([
  ['an action that is none', { action: 'add' as ActionName }],
  ['a name that every object has', { action: 'toString' as ActionName }],
  ['members in a login', { members: ['bob'] }],
  ['a conversation in a login', { conversationId: 'c1' }],
])('%s: no signature is good for it', (_, change) => {
  expect(refusalOf({ ...login, ...change }, [MASTER_KEY], { now: NOW })).toBe('signature_mismatch');
});

it('the clock counts when no time is given', () => {
  expect(refusalOf(login, [MASTER_KEY])).toBe('expired');
  const fresh = { ...LOGIN, timestamp: String(Date.now()) };
  expect(refusalOf({ ...fresh, signature: signatureOf(fresh) }, [MASTER_KEY])).toBeNull();
});

it('a key may be a text, bytes or a KeyObject, at any place among several; an empty one is an error', () => {
  const forms = [MASTER_KEY, Buffer.from(MASTER_KEY), createSecretKey(MASTER_KEY, 'utf8')];
  for (const key of forms) {
    for (const keys of [
      [key, 'other'],
      ['other', key],
      ['other', key, 'third'],
    ]) {
      expect(refusalOf(login, keys, { now: NOW })).toBeNull();
    }
  }
  expect(refusalOf(login, [], { now: NOW })).toBe('signature_mismatch');
  for (const key of ['', Buffer.of(), createSecretKey(Buffer.of())]) {
    expect(() => refusalOf(login, [MASTER_KEY, key], { now: NOW })).toThrow('A key is empty');
  }
});

describe('a signature that may be used once', () => {
  function store() {
    const used = new Map<string, number>();
    return { used, use: (key: string, expiresAt: number) => !used.has(key) && used.set(key, expiresAt).size > 0 };
  }

  it('is refused the second time, also at the same moment and for the other operation that it is good for', async () => {
    const nonces = store();
    const conversion: SignedOperation = { ...login, action: 'conversion' };
    const refusals = await Promise.all(
      [login, login, conversion].map((one) => firstUseRefusalOf(one, [MASTER_KEY], nonces, { now: NOW })),
    );
    expect(refusals).toEqual([null, 'nonce_used', 'nonce_used']);
  });

  it('is not used up by a wrong one', async () => {
    const nonces = store();
    const wrong = { ...login, signature: '00'.repeat(20) };
    expect(await firstUseRefusalOf(wrong, [MASTER_KEY], nonces, { now: NOW })).toBe('signature_mismatch');
    expect(nonces.used.size).toBe(0);
    expect(await firstUseRefusalOf(login, [MASTER_KEY], nonces, { now: NOW })).toBeNull();
  });

  it('another client, app or time may have the same nonce', async () => {
    const nonces = store();
    for (const change of [{}, { appId: '2' }, { clientId: 'bob' }, { timestamp: '1450166986393' }]) {
      const other = { ...LOGIN, ...change };
      const operation = { ...other, signature: signatureOf(other) };
      expect(await firstUseRefusalOf(operation, [MASTER_KEY], nonces, { now: NOW })).toBeNull();
    }
  });

  it.each(['1450166986', '1450166986392', '1450166986.392033'])(
    'at %s is kept until it is too old',
    async (timestamp) => {
      const nonces = store();
      const operation = { ...LOGIN, timestamp, signature: signatureOf({ ...LOGIN, timestamp }) };
      const options = { now: NOW, fractions: true };
      expect(await firstUseRefusalOf(operation, [MASTER_KEY], nonces, options)).toBeNull();
      const [expiresAt = 0] = nonces.used.values();
      expect(refusalOf(operation, [MASTER_KEY], { now: expiresAt, fractions: true })).toBe('expired');
      expect(expiresAt - NOW).toBeLessThan(6 * HOUR);
    },
  );

  it('is refused where the store fails', async () => {
    const nonces = { use: () => Promise.reject(new Error('The store is away')) };
    await expect(firstUseRefusalOf(login, [MASTER_KEY], nonces, { now: NOW })).rejects.toThrow('The store is away');
  });
});

describe('a gateway that imports im-signature/verifier', () => {
  const run = promisify(execFile);
  let gateway: string;

  // A copy of the package without the packages that the service needs.
  beforeAll(() => {
    gateway = mkdtempSync(join(tmpdir(), 'gateway-'));
    const installed = join(gateway, 'node_modules/im-signature');
    mkdirSync(installed, { recursive: true });
    cpSync(join(ROOT, 'dist'), join(installed, 'dist'), { recursive: true });
    cpSync(join(ROOT, 'package.json'), join(installed, 'package.json'));
  });

  afterAll(() => {
    rmSync(gateway, { recursive: true });
  });

  const node = (program: string, cwd: string) =>
    run(process.execPath, ['--input-type=module', '--eval', program], { cwd }).then(({ stdout }) => stdout);
  const ask = `
    import { refusalOf } from 'im-signature/verifier';
    console.log(refusalOf(${JSON.stringify(login)}, ['${MASTER_KEY}'], { now: ${NOW} }), refusalOf(${JSON.stringify(login)}, ['x']));`;

  it('needs no other package', async () => {
    expect(await node(ask, gateway)).toBe('null expired\n');
  });

  it('may be the project itself, and other files of the package are still found', async () => {
    expect(await node(ask, ROOT)).toBe('null expired\n');
    const resolved = await node(
      `console.log(import.meta.resolve('im-signature/package.json'), import.meta.resolve('im-signature/spec/mistakes.json'))`,
      ROOT,
    );
    expect(resolved).toMatch(/\/package\.json file:.*\/spec\/mistakes\.json\n$/);
  });

  it.each(['docs/backend.md', 'docs/zh/backend.md'])('may do as %s shows', async (page) => {
    const [, example = ''] = /^```js\n(.*?)^```$/ms.exec(readFileSync(join(ROOT, page), 'utf8')) ?? [];
    writeFileSync(join(gateway, 'example.mjs'), example);
    const add = {
      ...LOGIN,
      action: 'invite',
      conversationId: 'c1',
      members: ['10', '9'],
      timestamp: String(Date.now()),
    } as const;
    const command = { cid: 'c1', m: ['9', '10'], t: add.timestamp, n: add.nonce, s: signatureOf(add) };
    const twice = `
      import { refusalOfAdd } from './example.mjs';
      const used = new Set();
      const redis = { set: async (key) => used.has(key) ? null : (used.add(key), 'OK') };
      for (let i = 0; i < 2; i++) {
        console.log(await refusalOfAdd(${JSON.stringify(LOGIN)}, ${JSON.stringify(command)}, ['${MASTER_KEY}'], redis));
      }`;
    expect(await node(twice, gateway)).toBe('null\nnonce_used\n');
  });

  it('has its types', async () => {
    const program = `
      import { refusalOf, firstUseRefusalOf, type NonceStore, type Reason, type SignedOperation } from 'im-signature/verifier';
      const operation: SignedOperation = ${JSON.stringify(login)};
      const nonces: NonceStore = { use: () => true };
      export const reasons: (Reason | null)[] = [refusalOf(operation, ['k']), await firstUseRefusalOf(operation, ['k'], nonces)];
      // @ts-expect-error: the action of the SDKs that is none of the protocol's
      export const wrong: SignedOperation = { ...operation, action: 'add' };`;
    writeFileSync(join(gateway, 'gateway.mts'), program);
    const types = ['--types', 'node', '--typeRoots', join(ROOT, 'node_modules/@types')];
    const strict = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--target',
      'es2023',
      '--module',
      'nodenext',
      '--ignoreConfig',
    ];
    const tsc = join(ROOT, 'node_modules/typescript/bin/tsc');
    const { stdout } = await run(process.execPath, [tsc, ...strict, ...types, 'gateway.mts'], { cwd: gateway }).catch(
      (error: unknown) => error as { stdout: string },
    );
    expect(stdout).toBe('');
  });
});
