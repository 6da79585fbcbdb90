import { errors, exportJWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { KeysUnavailableError, RemoteKeys } from '../../src/identity/remote-keys.js';
import { TestClock } from '../support/clock.js';
import { answers, type Issuer, type KeyPair, makeKey, startIssuer, text } from '../support/issuer.js';

const TOKEN = { payload: '', signature: '' };

let first: KeyPair;
let second: KeyPair;
let third: KeyPair;
let issuer: Issuer;
let keys: RemoteKeys;
let warnings: string[];
let clock: TestClock;

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
  clock = new TestClock();
  keys = new RemoteKeys(issuer.url, (message) => said.push(message), clock);
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

  it('once a second at most, however many unknown keys are asked for', async () => {
    await expectFound(first);
    const began = performance.now();
    await Promise.all(Array.from({ length: 100 }, (_, i) => expectUnknown(`made-up-${i}`)));
    expect(issuer.requests).toHaveLength(2);
    await expectUnknown('made-up');
    expect(issuer.requests).toHaveLength(3);
    expect(performance.now() - began).toBeGreaterThan(1_900);
  });

  it('anew after ten minutes in the background, and a key counts ten minutes longer than it is published', async () => {
    await expectFound(first);
    clock.advance(300_000);
    issuer.publish(second);
    await expectFound(second);
    clock.advance(299_000);
    await expectFound(first);
    expect(issuer.requests).toHaveLength(2);
    clock.advance(2_000);
    await expectUnknown('first');
    await expectFound(second);

    const before = issuer.requests.length;
    clock.advance(601_000);
    await expectFound(second);
    await vi.waitFor(() => {
      expect(issuer.requests).toHaveLength(before + 1);
    });
  });

  it('only whether its keys have changed, where it gives them a tag', async () => {
    issuer.tag('"v1"');
    await expectFound(first);
    clock.advance(1_000);
    await expectUnknown('second');
    expect(issuer.conditions).toEqual([undefined, '"v1"']);
    issuer.publish(first, second);
    issuer.tag('"v2"');
    clock.advance(1_000);
    await expectFound(second);
    await expectFound(first);
    expect(issuer.conditions).toEqual([undefined, '"v1"', '"v1"']);
  });

  it('nothing by what a key id says: it is compared, and not followed', async () => {
    const kids = ['../../first', `${issuer.url}#first`, '//first', '', ' first', 'FIRST', '__proto__'];
    await Promise.all(kids.map(expectUnknown));
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

  it('shows although somebody asked for a made-up key a moment before', async () => {
    await expectFound(first);
    await expectUnknown('made-up');
    issuer.publish(first, second);
    await expectFound(second);
    issuer.publish(second, third);
    await expectFound(third);
  });

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

  it('shows where a new key has the id of an old one, beside it', async () => {
    await expectFound(first);
    issuer.publish({ ...second, jwk: { ...second.jwk, kid: 'first' } });
    clock.advance(1_000);
    await expectUnknown('made-up');
    // The caller tries both.
    await expect(find('first')).rejects.toThrow(errors.JWKSMultipleMatchingKeys);
  });
});

describe('an issuer whose servers publish two sets in turn', () => {
  it('has the keys of both, once both were seen', async () => {
    await expectFound(first);
    issuer.publish(second);
    await expectFound(second);
    for (let i = 0; i < 5; i++) {
      issuer.publish(i % 2 === 0 ? first : second);
      clock.advance(1_000);
      await expectUnknown('made-up');
      await expectFound(first);
      await expectFound(second);
    }
  });
});

describe('while the issuer is down', () => {
  it('the keys that are known stay, for as long as it lasts', async () => {
    await expectFound(first);
    await issuer.die();
    for (let hours = 1; hours <= 3; hours++) {
      clock.advance(3_600_000);
      await expectFound(first);
      await vi.waitFor(() => {
        expect(warnings).toHaveLength(hours);
      }, 5_000);
      await expectFound(first);
    }
  });

  it('whether a token of an unknown key is good cannot be known', async () => {
    await expectFound(first);
    await issuer.die();
    clock.advance(1_000);
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    await expect(find('second')).rejects.toThrow(/ECONNREFUSED/);
    expect(warnings).toEqual([expect.stringContaining('ECONNREFUSED')]);
    await expectFound(first);
  });

  it('and came back, its new keys show within a second', async () => {
    await expectFound(first);
    await issuer.die();
    clock.advance(1_000);
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    issuer.publish(second);
    await issuer.comeBack();
    clock.advance(1_000);
    await expectFound(second);
  });

  it('from the start, it is asked once a second, and its keys are there when it comes', async () => {
    issuer.answer(answers.error500);
    await expect(find('first')).rejects.toThrow(/status 500/);
    issuer.answer();
    // Refused at once, and asked for in the background.
    for (let i = 0; i < 5; i++) await expect(find('first')).rejects.toThrow(KeysUnavailableError);
    expect(issuer.requests).toHaveLength(1);
    await vi.waitFor(() => expectFound(first), 5_000);
    expect(issuer.requests).toHaveLength(2);
  });

  it('an issuer that hangs makes nobody wait for it twice', async () => {
    issuer.answer(answers.nothing);
    await expect(find('first')).rejects.toThrow('no answer within 3 s');
    const asked = issuer.asked();
    clock.advance(1_000);
    // It hangs still, and while it does this is refused.
    await expect(find('first')).rejects.toThrow('no answer within 3 s');
    await asked;
    expect(warnings).toHaveLength(1);
  });

  it.each([
    ['HTML', answers.html],
    ['no keys', text('{}')],
    ['an empty set', text('{"keys":[]}')],
    ['a set without end', answers.hundredMegabytes],
  ])('%s does not replace the keys, nor make an unknown one wrong', async (_what, answer) => {
    await expectFound(first);
    issuer.answer(answer);
    clock.advance(1_000);
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    expect(warnings).toHaveLength(1);
    await expectFound(first);
    clock.advance(601_000);
    await expectFound(first);
  });
});

describe('a flood of made-up keys', () => {
  it('keeps no more than 1000 requests waiting, and touches no token of a known key', async () => {
    await expectFound(first);
    const flood = Array.from({ length: 1_200 }, async (_, i) => {
      try {
        await find(`made-up-${i}`);
        return 'found';
      } catch (error) {
        return error instanceof errors.JWKSNoMatchingKey ? 'unknown' : (error as Error).message;
      }
    });
    await expectFound(first);
    issuer.publish(first, second);
    const outcomes = await Promise.all(flood);
    expect(outcomes.filter((outcome) => outcome === 'unknown')).toHaveLength(1_000);
    expect(new Set(outcomes.slice(1_000))).toEqual(
      new Set([`1000 requests wait for the keys of ${issuer.url} already`]),
    );
    await expectFound(second);
    expect(issuer.requests.length).toBeLessThanOrEqual(3);
  });
});
