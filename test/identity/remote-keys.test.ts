import { errors, exportJWK } from 'jose';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { Clock } from '../../src/config/clock.js';
import { KeysUnavailableError, RemoteKeys } from '../../src/identity/remote-keys.js';
import { answers, type Issuer, type KeyPair, makeKey, startIssuer, text } from '../support/issuer.js';

type FindKey = Parameters<Parameters<RemoteKeys['use']>[0]>[0];

let first: KeyPair;
let second: KeyPair;
let third: KeyPair;
let issuer: Issuer;
let keys: RemoteKeys;
let warnings: string[];
let warned: () => Promise<void>;

beforeAll(async () => {
  [first, second, third] = await Promise.all([
    makeKey('ES256', 'first'),
    makeKey('ES256', 'second'),
    makeKey('ES256', 'third'),
  ]);
});

beforeEach(async () => {
  issuer = await startIssuer(first);
  // A fetch in the background may outlast its test; its warning is not for the next one.
  const said: string[] = [];
  const listeners: (() => void)[] = [];
  warnings = said;
  warned = () => new Promise((resolve) => listeners.push(resolve));
  const warn = (message: string): void => {
    said.push(message);
    for (const listener of listeners.splice(0)) listener();
  };
  // Time stands still, but for `elapse`.
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'Date', 'performance'] });
  keys = new RemoteKeys(issuer.url, warn, new Clock());
});

afterEach(async () => {
  vi.useRealTimers();
  vi.restoreAllMocks();
  await issuer.close();
});

async function elapse(ms: number): Promise<void> {
  await vi.advanceTimersByTimeAsync(ms);
}

/** The outcome of something that waits for the interval between two fetches. */
async function afterInterval<T>(work: Promise<T>): Promise<T> {
  const [outcome] = await Promise.all([work, elapse(1_000)]);
  return outcome;
}

async function find(kid: string): Promise<unknown> {
  const token = { payload: '', signature: '' };
  return exportJWK(await keys.use((key) => key({ alg: 'ES256', kid }, token)));
}

async function expectFound({ kid = '', publicKey }: KeyPair): Promise<void> {
  expect(await find(kid)).toEqual(await exportJWK(publicKey));
}

async function expectUnknown(kid: string): Promise<void> {
  await expect(find(kid)).rejects.toThrow(errors.JWKSNoMatchingKey);
}

/** After a failure requests are refused at once, and start the next fetch in the background. */
async function expectRecovery(key: KeyPair): Promise<void> {
  for (let seconds = 0; seconds < 3; seconds++) {
    const found = await expectFound(key).then(
      () => true,
      (error: unknown) => {
        expect(error).toBeInstanceOf(KeysUnavailableError);
        return false;
      },
    );
    if (found) return;
    await elapse(1_000);
  }
  await expectFound(key);
}

describe('the issuer is asked', () => {
  it('when its keys are first needed, and then no more', async () => {
    expect(issuer.requests).toEqual([]);
    for (let i = 0; i < 5; i++) await expectFound(first);
    expect(issuer.requests).toEqual(['/jwks.json']);
  });

  it('once for a thousand requests that wait', async () => {
    const release = issuer.hold();
    const asked = issuer.asked();
    const found = Array.from({ length: 1000 }, () => expectFound(first));
    await asked;
    release();
    await Promise.all(found);
    expect(issuer.requests).toHaveLength(1);
  });

  it('once more for a thousand requests that wait for a new key', async () => {
    await expectFound(first);
    issuer.publish(first, second);
    const release = issuer.hold();
    const asked = issuer.asked();
    const found = Array.from({ length: 1000 }, () => expectFound(second));
    await elapse(1_000);
    await asked;
    release();
    await Promise.all(found);
    expect(issuer.requests).toHaveLength(2);
  });

  it('at most once a second, however many unknown keys are asked for', async () => {
    await expectFound(first);
    const unknown = Array.from({ length: 100 }, (_, i) => expectUnknown(`made-up-${i}`));
    await elapse(999);
    expect(issuer.requests).toHaveLength(1);
    await elapse(1);
    await Promise.all(unknown);
    expect(issuer.requests).toHaveLength(2);
    const another = expectUnknown('made-up');
    await elapse(999);
    expect(issuer.requests).toHaveLength(2);
    await elapse(1);
    await another;
    expect(issuer.requests).toHaveLength(3);
  });

  it('again after five minutes in the background', async () => {
    await expectFound(first);
    await elapse(300_000);
    await expectFound(first);
    expect(issuer.requests).toHaveLength(1);
    await elapse(1);
    const asked = issuer.asked();
    await expectFound(first);
    await asked;
    expect(issuer.requests).toHaveLength(2);
  });

  it('before keys are used that are older than ten minutes, so that a key withdrawn meanwhile is not accepted', async () => {
    await expectFound(first);
    issuer.publish(second);
    await elapse(86_400_000);
    await afterInterval(expectUnknown('first'));
    await expectFound(second);
  });

  it('for a withdrawn key no more than ten minutes after it was last published', async () => {
    await expectFound(first);
    await elapse(200_000);
    issuer.publish(second);
    await expectFound(second);
    await elapse(399_000);
    await expectFound(first);
    await elapse(2_000);
    await afterInterval(expectUnknown('first'));
    await expectFound(second);
  });

  it('only whether its keys have changed, where it sends an entity tag', async () => {
    issuer.tag('"v1"');
    await expectFound(first);
    await afterInterval(expectUnknown('second'));
    expect(issuer.conditions).toEqual([undefined, '"v1"']);
    issuer.publish(first, second);
    issuer.tag('"v2"');
    await afterInterval(expectFound(second));
    await expectFound(first);
    expect(issuer.conditions).toEqual([undefined, '"v1"', '"v1"']);
  });

  it('at its own address only: a path or a URL in a key id is compared and not followed', async () => {
    await expectFound(first);
    const kids = ['../../first', `${issuer.url}#first`, '//first', '', ' first', 'FIRST', '__proto__'];
    await afterInterval(Promise.all(kids.map(expectUnknown)));
    expect(new Set(issuer.requests)).toEqual(new Set(['/jwks.json']));
  });
});

describe('after a rotation', () => {
  it('the first token of the new key is accepted', async () => {
    await expectFound(first);
    issuer.publish(first, second);
    await afterInterval(expectFound(second));
    await expectFound(first);
  });

  it('a token of the new key is accepted just after somebody sent a made-up key id', async () => {
    await expectFound(first);
    await afterInterval(expectUnknown('made-up'));
    issuer.publish(first, second);
    await afterInterval(expectFound(second));
    issuer.publish(second, third);
    await afterInterval(expectFound(third));
  });

  it('a token of the new key is accepted that came while the old keys were being fetched', async () => {
    const release = issuer.hold();
    const asked = issuer.asked();
    const old = expectFound(first);
    const fresh = expectFound(second);
    await asked;
    issuer.publish(first, second);
    release();
    await old;
    await afterInterval(fresh);
  });

  it('a token is tried at once with new keys that come while the old ones are tried', async () => {
    await expectFound(first);
    issuer.publish(first, second);
    await elapse(1_000);
    const tried: string[] = [];
    await keys.use(async () => {
      tried.push('');
      if (tried.length > 1) return;
      await expectFound(second);
      throw new errors.JWKSNoMatchingKey();
    });
    expect(tried).toHaveLength(2);
    expect(issuer.requests).toHaveLength(2);
  });

  it('a new key with the id of an old one is fetched for the first token that the old one does not verify', async () => {
    await expectFound(first);
    issuer.publish({ ...second, jwk: { ...second.jwk, kid: 'first' } });
    const tried: FindKey[] = [];
    const verified = keys.use((find) => {
      tried.push(find);
      return tried.length > 1 ? Promise.resolve('ok') : Promise.reject(new errors.JWSSignatureVerificationFailed());
    });
    expect(await afterInterval(verified)).toBe('ok');
    expect(issuer.requests).toHaveLength(2);
    // The caller tries both.
    await expect(find('first')).rejects.toThrow(errors.JWKSMultipleMatchingKeys);
  });
});

describe('of an issuer whose servers publish two sets in turn', () => {
  it('the keys of both are accepted, once both were published', async () => {
    await expectFound(first);
    issuer.publish(second);
    await afterInterval(expectFound(second));
    for (let i = 0; i < 5; i++) {
      issuer.publish(i % 2 === 0 ? first : second);
      await afterInterval(expectUnknown('made-up'));
      await expectFound(first);
      await expectFound(second);
    }
  });
});

describe('while the issuer is down', () => {
  it('its last keys stay in use, however long', async () => {
    await expectFound(first);
    await issuer.die();
    for (let hours = 1; hours <= 3; hours++) {
      await elapse(3_600_000);
      const warning = warned();
      await expectFound(first);
      await warning;
      expect(warnings.length).toBeGreaterThanOrEqual(hours);
      await expectFound(first);
    }
  });

  it('a token of an unknown key is neither accepted nor called invalid', async () => {
    await expectFound(first);
    await issuer.die();
    await elapse(1_000);
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    await expect(find('second')).rejects.toThrow(/ECONNREFUSED/);
    expect(warnings).toEqual([expect.stringContaining('ECONNREFUSED')]);
    await expectFound(first);
  });

  it('the issuer is asked again within a second, and its new keys are used once it is back', async () => {
    await expectFound(first);
    await issuer.die();
    await elapse(1_000);
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    issuer.publish(second);
    await issuer.comeBack();
    await elapse(1_000);
    await expectFound(second);
  });

  it('since the start of the service, requests are refused at once and one a second is made in the background', async () => {
    issuer.answer(answers.error500);
    await expect(find('first')).rejects.toThrow(/status 500/);
    issuer.answer();
    for (let i = 0; i < 5; i++) await expect(find('first')).rejects.toThrow(KeysUnavailableError);
    await elapse(999);
    expect(issuer.requests).toHaveLength(1);
    const asked = issuer.asked();
    await elapse(1);
    await asked;
    await expectFound(first);
    expect(issuer.requests).toHaveLength(2);
  });

  it('no request waits for an issuer that hangs a second time', async () => {
    const timeouts: AbortController[] = [];
    vi.spyOn(AbortSignal, 'timeout').mockImplementation((ms) => {
      expect(ms).toBe(3_000);
      const timeout = new AbortController();
      timeouts.push(timeout);
      return timeout.signal;
    });
    issuer.answer(answers.nothing);
    let asked = issuer.asked();
    const hanging = find('first');
    await asked;
    timeouts[0]?.abort();
    await expect(hanging).rejects.toThrow('no answer within 3 s');
    expect(warnings).toHaveLength(1);

    await elapse(1_000);
    asked = issuer.asked();
    const refused = find('first').catch((error: unknown) => (error as Error).message);
    await asked;
    await elapse(250);
    expect(await refused).toContain('no answer within 3 s');
    expect(timeouts[1]?.signal.aborted, 'it hangs still').toBe(false);
    expect(warnings).toHaveLength(1);
  });

  it.each([
    ['HTML', answers.html],
    ['no keys', text('{}')],
    ['an empty set', text('{"keys":[]}')],
    ['a set without end', answers.hundredMegabytes],
    ['a set of no keys', text('{"keys":[[],null,"a",1]}')],
    ['a set with a key that is no object', text('{"keys":{"0":{}}}')],
  ])('%s does not replace its keys, nor make a token of an unknown key invalid', async (_what, answer) => {
    await expectFound(first);
    issuer.answer(answer);
    await elapse(1_000);
    await expect(find('second')).rejects.toThrow(KeysUnavailableError);
    expect(warnings).toHaveLength(1);
    await expectFound(first);
    await elapse(601_000);
    await expectFound(first);
    issuer.publish(first, second);
    issuer.answer();
    await expectRecovery(second);
  });

  it('one broken set, the first since the start, makes no later one fail', async () => {
    issuer.answer(text('{"keys":[[]]}'));
    await expect(find('first')).rejects.toThrow(KeysUnavailableError);
    issuer.answer();
    await expectRecovery(first);
  });
});

describe('a flood of made-up key ids', () => {
  it('keeps at most 10000 requests waiting, and delays no token of a known key', async () => {
    await expectFound(first);
    const flood = Array.from({ length: 10_200 }, async (_, i) => {
      try {
        await find(`made-up-${i}`);
        return 'found';
      } catch (error) {
        return error instanceof errors.JWKSNoMatchingKey ? 'unknown' : (error as Error).message;
      }
    });
    await expectFound(first);
    issuer.publish(first, second);
    const outcomes = await afterInterval(Promise.all(flood));
    expect(outcomes.filter((outcome) => outcome === 'unknown')).toHaveLength(10_000);
    expect(new Set(outcomes.slice(10_000))).toEqual(
      new Set([`10000 requests already wait for the keys of ${issuer.url}`]),
    );
    await expectFound(second);
    expect(issuer.requests.length).toBeLessThanOrEqual(3);
  });
});
