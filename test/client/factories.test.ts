import type { Realtime as Realtime4 } from 'leancloud-realtime';
import type { Realtime as Realtime5 } from 'leancloud-realtime-5';
import { describe, expect, expectTypeOf, it } from 'vitest';
import {
  createSignatureFactories,
  createSigner,
  type Operation,
  type SignatureFactories,
} from '../../clients/js/src/index.js';
import { SIGNATURE, startToldServer } from '../support/told-server.js';
import { refusalOf } from './refusal-of.js';

/** Factories, and the paths that they have asked for. */
async function start(appId = 'shop') {
  const { url, requests } = await startToldServer();
  const options = { baseUrl: url, appId };
  return {
    ...createSignatureFactories(options),
    sign: createSigner(options),
    asked: () => requests.map((request) => request.url.replace(/^\/signature\/|\?format=sdk$/g, '')),
  };
}

describe('the factories', () => {
  it('fit the declared types of both SDKs', () => {
    type Options4 = Parameters<Realtime4['createIMClient']>[1];
    type Options5 = Parameters<Realtime5['createIMClient']>[1];
    expectTypeOf<Options4 | Options5>().not.toBeAny();
    expectTypeOf<SignatureFactories>().toExtend<Options4>();
    expectTypeOf<SignatureFactories>().toExtend<Options5>();
  });

  it('give an SDK the three fields that it takes', async () => {
    const { signatureFactory, asked } = await start();
    expect(await signatureFactory('alice')).toEqual(SIGNATURE);
    expect(asked()).toEqual(['login/shop/alice']);
  });

  it.each([
    { name: 'create', conversation: null, path: 'conversion/shop/alice/alice:bob' },
    { name: 'add', conversation: 'c1', path: 'invite/shop/alice/c1/alice:bob' },
    { name: 'invite', conversation: 'c1', path: 'invite/shop/alice/c1/alice:bob' },
    { name: 'remove', conversation: 'c1', path: 'kick/shop/alice/c1/alice:bob' },
    { name: 'kick', conversation: 'c1', path: 'kick/shop/alice/c1/alice:bob' },
  ])('ask for $path when an SDK says $name', async ({ name, conversation, path }) => {
    const { conversationSignatureFactory, asked } = await start();
    expect(await conversationSignatureFactory(conversation, 'alice', ['alice', 'bob'], name)).toEqual(SIGNATURE);
    expect(asked()).toEqual([path]);
  });

  it.each(['conversation-block-clients', 'conversation-unblock-clients'])(
    'ask for %s in the order of 4.x and of 5.x',
    async (action) => {
      const { signatureFactory, blacklistSignatureFactory, asked } = await start();
      await signatureFactory('alice');
      expect(await blacklistSignatureFactory('alice', 'c1', ['bob'], action)).toEqual(SIGNATURE);
      expect(await blacklistSignatureFactory('c1', 'alice', ['bob'], action)).toEqual(SIGNATURE);
      expect(asked().slice(1)).toEqual([`${action}/shop/alice/c1/bob`, `${action}/shop/alice/c1/bob`]);
    },
  );

  it('know a client that only conversations were signed for', async () => {
    const { conversationSignatureFactory, blacklistSignatureFactory, asked } = await start();
    await conversationSignatureFactory('c1', 'alice', ['bob'], 'kick');
    await blacklistSignatureFactory('c1', 'alice', ['bob'], 'conversation-block-clients');
    await blacklistSignatureFactory('alice', 'c1', ['bob'], 'conversation-block-clients');
    const path = 'conversation-block-clients/shop/alice/c1/bob';
    expect(asked().slice(1)).toEqual([path, path]);
  });

  it('know a client whose login was refused', async () => {
    const { signatureFactory, blacklistSignatureFactory } = createSignatureFactories({
      baseUrl: (await startToldServer({ status: 403, body: {} }, { status: 200, body: SIGNATURE })).url,
      appId: 'shop',
    });
    await refusalOf(signatureFactory('alice'));
    expect(await blacklistSignatureFactory('c1', 'alice', ['bob'], 'conversation-block-clients')).toEqual(SIGNATURE);
  });

  it('refuse a block if neither id, or both, are known as a client: they do not guess', async () => {
    const { signatureFactory, blacklistSignatureFactory, asked } = await start();
    const block = () => refusalOf(blacklistSignatureFactory('room', 'alice', ['bob'], 'conversation-block-clients'));
    expect(await block()).toMatchObject({
      code: 'ambiguous_order',
      detail: expect.stringContaining('Neither') as string,
    });
    await signatureFactory('alice');
    await signatureFactory('room');
    expect(await block()).toMatchObject({ code: 'ambiguous_order', detail: expect.stringContaining('Both') as string });
    expect(asked()).toHaveLength(2);
  });

  it('block in a conversation that has the id of the client', async () => {
    const { blacklistSignatureFactory, asked } = await start();
    await blacklistSignatureFactory('alice', 'alice', ['bob'], 'conversation-block-clients');
    expect(asked()).toEqual(['conversation-block-clients/shop/alice/alice/bob']);
  });

  it.each(['', 'start', 'Invite', 'login', 'conversion', 'query', 'update', 'constructor', '__proto__'])(
    'refuse the action "%s", which no SDK has',
    async (action) => {
      const { signatureFactory, conversationSignatureFactory, blacklistSignatureFactory, asked } = await start();
      await signatureFactory('alice');
      const refusals = [
        await refusalOf(conversationSignatureFactory('c1', 'alice', ['bob'], action)),
        await refusalOf(blacklistSignatureFactory('c1', 'alice', ['bob'], action)),
      ];
      for (const refusal of refusals) {
        expect(refusal.code).toBe('unknown_action');
        expect(refusal.message).toMatch(`sign "${action}": unknown_action: `);
      }
      expect(asked()).toHaveLength(1);
    },
  );

  it("refuse the other factory's actions", async () => {
    const { signatureFactory, conversationSignatureFactory, blacklistSignatureFactory } = await start();
    await signatureFactory('alice');
    for (const action of ['conversation-block-clients', 'conversation-unblock-clients']) {
      const { code } = await refusalOf(conversationSignatureFactory('c1', 'alice', ['bob'], action));
      expect(code).toBe('unknown_action');
    }
    for (const action of ['create', 'add', 'invite', 'remove', 'kick']) {
      expect((await refusalOf(blacklistSignatureFactory('c1', 'alice', ['bob'], action))).code).toBe('unknown_action');
    }
  });
});

describe('an operation', () => {
  it.each([
    [{ action: 'login', clientId: 'alice' }, 'login/shop/alice'],
    [{ action: 'conversion', clientId: 'alice', memberIds: [] }, 'conversion/shop/alice'],
    [{ action: 'conversion', clientId: 'alice', memberIds: ['bob'] }, 'conversion/shop/alice/bob'],
    [{ action: 'invite', clientId: 'alice', conversationId: 'c1', memberIds: [] }, 'invite/shop/alice/c1'],
    [{ action: 'query', clientId: 'alice', conversationId: 'c1' }, 'query/shop/alice/c1'],
    [
      { action: 'client-block-conversations', clientId: 'alice', conversationId: 'c1' },
      'client-block-conversations/shop/alice/c1',
    ],
    [
      { action: 'client-unblock-conversations', clientId: 'alice', conversationId: 'c1' },
      'client-unblock-conversations/shop/alice/c1',
    ],
  ] satisfies [Operation, string][])('%o is asked for at %s', async (operation, path) => {
    const { sign, asked } = await start();
    await sign(operation);
    expect(asked()).toEqual([path]);
  });

  it.each(['invitation', 'constructor'])('that is called %s is refused without being sent', async (action) => {
    const { sign, asked } = await start();
    const operation = { action, clientId: 'alice', conversationId: 'c1' } as unknown as Operation;
    expect(await refusalOf(sign(operation))).toMatchObject({ code: 'unknown_action', operation: `sign "${action}"` });
    expect(asked()).toEqual([]);
  });

  it('asks with every id percent-encoded', async () => {
    const { conversationSignatureFactory, asked } = await start('a/p?p#');
    await conversationSignatureFactory('c 1/2', '小明%2F', ['100%', 'x+y&z=1', '😀', '..a', '\\'], 'kick');
    expect(asked()).toEqual([
      'kick/a%2Fp%3Fp%23/%E5%B0%8F%E6%98%8E%252F/c%201%2F2/..a:100%25:%5C:x%2By%26z%3D1:%F0%9F%98%80',
    ]);
  });

  it('asks with the members in the order of UTF-16 code units, and leaves the list as it was', async () => {
    const { sign, asked } = await start();
    // By code point the emoji comes last, by number 9 before 10, by language é before z.
    const memberIds = ['z', 'ｚ', 'é', '😀', '9', '10', 'Z', 'z'];
    await sign({ action: 'kick', clientId: 'alice', conversationId: 'c1', memberIds });
    expect(decodeURIComponent(asked()[0] ?? '')).toBe('kick/shop/alice/c1/10:9:Z:z:z:é:😀:ｚ');
    expect(memberIds[0]).toBe('z');
  });

  const faults: [unknown, string][] = [
    ['.', 'cannot stand in a URL'],
    ['..', 'cannot stand in a URL'],
    ['', 'is empty'],
    ['a:b', 'contains ":"'],
    ['\ud83d', 'contains half of a surrogate pair'],
    [7, 'is not a string'],
    [null, 'is not a string'],
  ];
  it.each(faults)('with the id %j is refused without being sent, as the id %s', async (id, fault) => {
    const { sign, asked } = await start();
    const wrong = id as string;
    const kick = { action: 'kick', clientId: 'alice', conversationId: 'c1', memberIds: ['bob'] } as const;
    const app = createSigner({ baseUrl: 'http://127.0.0.1:1', appId: wrong });
    const refusals = {
      invalid_app_id: app(kick),
      invalid_client_id: sign({ ...kick, clientId: wrong }),
      invalid_conversion_id: sign({ ...kick, conversationId: wrong }),
      invalid_member_id: sign({ ...kick, memberIds: ['bob', wrong] }),
    };
    for (const [code, promise] of Object.entries(refusals)) {
      expect(await refusalOf(promise)).toMatchObject({ code, detail: expect.stringContaining(fault) as string });
    }
    expect(asked()).toEqual([]);
  });

  it('may have 500 members with ids of 64 characters', async () => {
    const { sign, asked } = await start();
    const memberIds = Array.from({ length: 500 }, (_, i) => String(i).padStart(64, '0'));
    await sign({ action: 'invite', clientId: 'alice', conversationId: 'c1', memberIds });
    expect(asked()).toEqual([`invite/shop/alice/c1/${memberIds.join(':')}`]);
  });

  it('with a URL of more than 64 KiB is refused without being sent', async () => {
    const { sign, asked } = await start();
    const invite = { action: 'invite', clientId: 'a', conversationId: 'c' } as const;
    const rest = '/signature/invite/shop/a/c/?format=sdk'.length;
    await sign({ ...invite, memberIds: ['x'.repeat(65_536 - rest)] });
    const refusal = await refusalOf(sign({ ...invite, memberIds: ['x'.repeat(65_537 - rest)] }));
    expect(refusal).toMatchObject({
      code: 'uri_too_long',
      detail: '1 member ids make a URL of 65537 bytes; it may have 65536.',
    });
    expect(asked()).toHaveLength(1);
  });

  it.each([
    [{ action: 'login', clientId: 'alice' }, 'log in as alice'],
    [{ action: 'conversion', clientId: 'alice', memberIds: ['alice', 'bob'] }, 'open a conversation of alice, bob'],
    [{ action: 'conversion', clientId: 'alice' }, 'open a conversation of alice'],
    [{ action: 'invite', clientId: 'alice', conversationId: 'c1', memberIds: ['bob'] }, 'invite bob to c1'],
    [{ action: 'invite', clientId: 'alice', conversationId: 'c1', memberIds: ['alice'] }, 'join c1'],
    [{ action: 'invite', clientId: 'alice', conversationId: 'c1', memberIds: [] }, 'join c1'],
    [{ action: 'kick', clientId: 'alice', conversationId: 'c1', memberIds: ['bob'] }, 'remove bob from c1'],
    [{ action: 'kick', clientId: 'alice', conversationId: 'c1', memberIds: ['alice'] }, 'leave c1'],
    [{ action: 'query', clientId: 'alice', conversationId: 'c1' }, 'read the history of c1'],
    [{ action: 'client-block-conversations', clientId: 'alice', conversationId: 'c1' }, 'block c1'],
    [{ action: 'client-unblock-conversations', clientId: 'alice', conversationId: 'c1' }, 'unblock c1'],
    [
      { action: 'conversation-block-clients', clientId: 'alice', conversationId: 'c1', memberIds: ['bob', 'eve'] },
      'block bob, eve in c1',
    ],
    [
      {
        action: 'conversation-unblock-clients',
        clientId: 'a',
        conversationId: 'c1',
        memberIds: ['1', '2', '3', '4', '5'],
      },
      'unblock 1, 2, 3 and 2 more in c1',
    ],
  ] satisfies [Operation, string][])('%o is called by its refusal "%s"', async (operation, words) => {
    const { url } = await startToldServer({ status: 403, body: { code: 'not_permitted', detail: 'Because.' } });
    const refusal = await refusalOf(createSigner({ baseUrl: url, appId: 'shop' })(operation));
    expect(refusal.operation).toBe(words);
    expect(refusal.message).toBe(`${words}: not_permitted: Because.`);
  });
});
