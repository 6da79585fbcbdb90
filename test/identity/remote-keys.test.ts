import { errors, exportJWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeysUnavailableError, RemoteKeys } from '../../src/identity/remote-keys.js';
import { answers, type Issuer, type KeyPair, makeKey, startIssuer, text } from '../support/issuer.js';

const TOKEN = { payload: '', signature: '' };

let first: KeyPair;
let second: KeyPair;
let third: KeyPair;
let issuer: Issuer;
let keys: RemoteKeys;
let warnings: string[];
let now: number;

beforeAll(async () => {
  [first, second, third] = await Promise.all([
    makeKey('ES256', 'first'),
    makeKey('ES256', 'second'),
    makeKey('ES256', 'third'),
  ]);
});

beforeEach(async () => {
  issuer = await startIssuer(first);
  // A fetch in the background may outlast its test; what it says is not for the next one.
  const said: string[] = [];
  warnings = said;
  now = 1_000_000;
  keys = new RemoteKeys(
    issuer.url,
    (message) => said.push(message),
    () => now,
  );
});

afterEach(async () => {
  await issuer.close();
});

async function find(kid: string): Promise<unknown> {
  return exportJWK(await keys.key({ alg: 'ES256', kid }, TOKEN));
}

async function expectFound({ kid = '', publicKey }: KeyPair): Promise<void> {
  expect(await find(kid)).toEqual(await exportJWK(publicKey));
}

async function expectUnknown(kid: string): Promise<void> {
  await expect(find(kid)).rejects.toThrow(errors.JWKSNoMatchingKey);
}

describe('an issuer is asked', () => {
  it('when its keys are first needed, and then no more', async () => {
    expect(issuer.requests).toEqual([]);
    for (let i = 0; i < 5; i++) await expectFound(first);
    expect(issuer.requests).toEqual(['/jwks.json']);
  });

  it('once for a thousand who wait', async () => {
    const release = issuer.hold();
    const asked = issuer.asked();
    const found = Array.from({ length: 1000 }, () => expectFound(first));
    await asked;
    release();
    await Promise.all(found);
    expect(issuer.requests).toHaveLength(1);
  });

  it('once more for a thousand who wait for a key that is new', async () => {
    await expectFound(first);
    issuer.publish(first, second);
    const release = issuer.hold();
    const asked = issuer.asked();
    const found = Array.from({ length: 1000 }, () => expectFound(second));
    await asked;
    release();
    await Promise.all(found);
    expect(issuer.requests).toHaveLength(2);
  });

  it('at most once in 30 s for keys that are not there, however many are asked for', async () => {
    await expectFound(first);
    await Promise.all(Array.from({ length: 100 }, (_, i) => expectUnknown(`made-up-${i}`)));
    expect(issuer.requests).toHaveLength(2);
    now += 29_999;
    await expectUnknown('made-up');
    expect(issuer.requests).toHaveLength(2);
    now += 1;
    await expectUnknown('made-up');
    await expectUnknown('made-up-too');
    expect(issuer.requests).toHaveLength(3);
  });

  it('anew after ten minutes, and a key that it took back counts no more', async () => {
    await expectFound(first);
    issuer.publish(second);
    now += 600_000;
    await expectFound(first);
    expect(issuer.requests).toHaveLength(1);
    now += 1;
    await find('first');
    await vi.waitFor(async () => {
      await expectUnknown('first');
    });
    await expectFound(second);
  });

  it('nothing by what a key id says: it is compared, and not followed', async () => {
    for (const kid of ['../../first', `${issuer.url}#first`, '//first', '', ' first', 'FIRST', '__proto__']) {
      await expectUnknown(kid);
    }
    expect(new Set(issuer.requests)).toEqual(new Set(['/jwks.json']));
  });
});

describe('a rotation', () => {
  it('shows at the first token of the new key', async () => {
    await expectFound(first);
    issuer.publish(first, second);
    await expectFound(second);
    await expectFound(first);
  });

  it('shows after 30 s when the one before it was just now', async () => {
    await expectFound(first);
    issuer.publish(first, second);
    await expectFound(second);
    issuer.publish(second, third);
    await expectUnknown('third');
    now += 30_000;
    await expectFound(third);
  });

  it.each([0, 1, 15_000, 29_999, 30_000])(
    'shows when the key was published 30 s before its first use, whatever keys are made up meanwhile (%i ms)',
    async (offset) => {
      await expectFound(first);
      await expectUnknown('made-up');
      now += offset;
      issuer.publish(first, second);
      for (let i = 0; i <= 10; i++, now += 3_000) await expectUnknown('made-up');
      now -= 3_000;
      await expectFound(second);
    },
  );

  it('shows to a request that came while the keys of before were on their way', async () => {
    const release = issuer.hold();
    const asked = issuer.asked();
    const old = expectFound(first);
    const fresh = expectFound(second);
    await asked;
    issuer.publish(first, second);
    release();
    await Promise.all([old, fresh]);
  });
});

describe('while the issuer is down', () => {
  it('the keys that are known stay, for as long as it lasts', async () => {
    await expectFound(first);
    await issuer.die();
    for (let hours = 1; hours <= 5; hours++) {
      now += 3_600_000;
      await expectFound(first);
      await vi.waitFor(() => {
        expect(warnings).toHaveLength(hours);
      });
      await expectFound(first);
    }
  });

  it('whether a token of an unknown key is good cannot be known', async () => {
    await expectFound(first);
    await issuer.die();
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    await expect(find('second')).rejects.toThrow(/ECONNREFUSED/);
    expect(warnings).toEqual([expect.stringContaining('ECONNREFUSED')]);
    await expectFound(first);
  });

  it('and came back, its new keys show within 30 s', async () => {
    await expectFound(first);
    await issuer.die();
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    issuer.publish(second);
    await issuer.comeBack();
    now += 30_000;
    await expectFound(second);
  });

  it('from the start, it is asked once a second, and its keys are there when it comes', async () => {
    issuer.answer(answers.error500);
    for (let i = 0; i < 5; i++) await expect(find('first')).rejects.toThrow(/status 500/);
    expect(issuer.requests).toHaveLength(1);
    now += 999;
    await expect(find('first')).rejects.toThrow(KeysUnavailableError);
    expect(issuer.requests).toHaveLength(1);
    issuer.answer();
    now += 1;
    await expectFound(first);
    expect(issuer.requests).toHaveLength(2);
  });

  it('an answer without sense does not replace the keys', async () => {
    await expectFound(first);
    for (const [i, answer] of [answers.html, text('{}'), answers.hundredMegabytes].entries()) {
      issuer.answer(answer);
      now += 600_001;
      await expectFound(first);
      await vi.waitFor(() => {
        expect(warnings).toHaveLength(i + 1);
      });
    }
    await expectFound(first);
  });
});
