import { createHmac } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from 'vitest';
import { createSignatureFactories } from '../clients/js/src/index.js';
import { type ImClient, type Signature, type SignatureFactories, sdks } from './support/leancloud-sdk.js';
import { type RtmServer, startRtmServer } from './support/rtm-server.js';
import { startService } from './support/service.js';

const APP = '1';
const MASTER_KEY = 'demo-master-key';

let service: Awaited<ReturnType<typeof startService>>;
beforeAll(async () => {
  service = await startService();
});
afterAll(() => service.close());

const SIGNED_ACTIONS: Record<string, string> = { add: 'invite', invite: 'invite', remove: 'kick', kick: 'kick' };

/** Signs by the protocol's rules, without the service, so that a test can break one of them. */
function localFactories({
  masterKey = MASTER_KEY,
  timestamp = Date.now(),
  actions = SIGNED_ACTIONS,
} = {}): Required<SignatureFactories> {
  const nonce = 'cdXsciFc';
  const sign = (before: string[], after: string[] = []): Signature => {
    const message = [APP, ...before, timestamp, nonce, ...after].join(':');
    return { signature: createHmac('sha1', masterKey).update(message).digest('hex'), timestamp, nonce };
  };
  return {
    signatureFactory: (clientId) => sign([clientId, '']),
    conversationSignatureFactory: (conversationId, clientId, memberIds, action) =>
      conversationId === null
        ? sign([clientId, ...memberIds])
        : sign([clientId, conversationId, ...memberIds], [actions[action] ?? action]),
    blacklistSignatureFactory: (first, second, memberIds, action) => {
      const [clientId, conversationId] = /^[0-9a-f]{24}$/.test(first) ? [second, first] : [first, second];
      return sign([clientId, conversationId, ...memberIds], [action]);
    },
  };
}

async function rtmServer(masterKey = MASTER_KEY): Promise<RtmServer> {
  const server = await startRtmServer({ appId: APP, masterKey });
  onTestFinished(() => server.close());
  return server;
}

async function conversationOf(client: ImClient, id: string) {
  const conversation = await client.getConversation(id);
  if (!conversation) throw new Error(`no conversation ${id}`);
  return conversation;
}

const people = [
  { kind: 'plain', owner: 'tom', guest: 'jerry', others: ['william', 'anna'] },
  // By UTF-16 code unit the emoji comes before the full-width letter, by code point after it.
  { kind: 'non-ASCII', owner: '小明', guest: 'Łukasz', others: ['ｚｏｅ', '😀', 'é', 'e\u0301'] },
  { kind: 'punctuated', owner: 'a/b c', guest: '100%?#', others: ['x+y&z=1', '%2F', '"\\', 'a..b'] },
];

describe.each(sdks)('$name, unmodified', ({ connect }) => {
  function login(server: RtmServer, clientId: string, factories?: SignatureFactories): Promise<ImClient> {
    const realtime = connect(APP, server.port);
    onTestFinished(() => {
      realtime.pause();
    });
    return realtime.createIMClient(clientId, factories);
  }

  describe('with the client package', () => {
    it.each(people)(
      'logs in, creates, joins, invites, kicks, blocks, unblocks and leaves, with $kind client ids',
      async ({ owner, guest, others }) => {
        const server = await rtmServer();
        const factories = createSignatureFactories({ baseUrl: service.url, appId: APP });
        const ownerClient = await login(server, owner, factories);
        const guestClient = await login(server, guest, factories);

        const owned = await ownerClient.createConversation({ members: [...others, owner, ...others] });
        const joined = await conversationOf(guestClient, owned.id);
        await joined.join();
        await owned.remove([...others]);
        await owned.add([...others].reverse());
        await owned.blockMembers([...others]);
        await owned.unblockMembers([...others].reverse());
        await joined.quit();
        await ownerClient.close();

        expect(server.refused).toEqual([]);
        expect(server.accepted).toEqual([
          'session/open',
          'session/open',
          'conv/start',
          'conv/add',
          'conv/remove',
          'conv/add',
          'blacklist/block',
          'blacklist/unblock',
          'conv/remove',
        ]);
        const witness = await login(server, 'a witness', factories);
        const seen = await conversationOf(witness, owned.id);
        expect([...seen.members].sort()).toEqual([owner, ...others].sort());
      },
    );

    it('can invite an empty list, which is how other SDKs join', async () => {
      const server = await rtmServer();
      const client = await login(server, 'tom', createSignatureFactories({ baseUrl: service.url, appId: APP }));
      const conversation = await client.createConversation({ members: [] });
      await conversation.add([]);
      expect(server.accepted).toEqual(['session/open', 'conv/start', 'conv/add']);
    });

    it('is refused by an IM server whose app has another master key', async () => {
      const server = await rtmServer('another-master-key');
      const attempt = login(server, 'tom', createSignatureFactories({ baseUrl: service.url, appId: APP }));
      await expect(attempt).rejects.toMatchObject({ code: 4102, message: 'SIGNATURE_FAILED' });
      expect(server.accepted).toEqual([]);
    });

    it('sends nothing without ?format=sdk', async () => {
      const server = await rtmServer();
      const attempt = login(server, 'tom', {
        signatureFactory: async (clientId) => {
          const response = await fetch(`${service.url}/signature/login/${APP}/${clientId}`);
          return (await response.json()) as Signature;
        },
      });
      await expect(attempt).rejects.toThrow('malformed signature');
      expect([...server.accepted, ...server.refused]).toEqual([]);
    });
  });

  describe('with a signature that breaks one rule is refused', () => {
    const faults = [
      { fault: 'another master key', broken: localFactories({ masterKey: 'another-master-key' }) },
      {
        fault: 'a timestamp with a fraction',
        broken: localFactories({ timestamp: Math.floor(Date.now() / 1000) + 0.392033 }),
      },
      { fault: 'a timestamp of seven hours ago', broken: localFactories({ timestamp: Date.now() - 7 * 3600_000 }) },
      { fault: 'no factory', broken: {} },
    ];

    it.each(faults)('at login: $fault', async ({ broken }) => {
      const server = await rtmServer();
      await expect(login(server, 'tom', broken)).rejects.toMatchObject({ code: 4102 });
      expect(server.refused).toEqual([{ operation: 'session/open', code: 4102 }]);
      expect(server.accepted).toEqual([]);
    });

    it.each(faults)('in a conversation: $fault', async ({ broken }) => {
      const server = await rtmServer();
      const { signatureFactory } = localFactories();
      const client = await login(server, 'tom', { ...broken, signatureFactory });
      await expect(client.createConversation({ members: ['anna'] })).rejects.toMatchObject({ code: 4302 });
      expect(server.refused).toEqual([{ operation: 'conv/start', code: 4302 }]);
      expect(server.accepted).toEqual(['session/open']);
    });

    it.each(faults)('at a block: $fault', async ({ broken }) => {
      const server = await rtmServer();
      const { signatureFactory, conversationSignatureFactory } = localFactories();
      const client = await login(server, 'tom', { ...broken, signatureFactory, conversationSignatureFactory });
      const conversation = await client.createConversation({ members: ['anna'] });
      await expect(conversation.blockMembers(['anna'])).rejects.toMatchObject({ code: 4546 });
      await expect(conversation.unblockMembers(['anna'])).rejects.toMatchObject({ code: 4546 });
      expect(server.accepted).toEqual(['session/open', 'conv/start']);
    });

    it('in a conversation: the actions add and remove, as 4.x names them', async () => {
      const server = await rtmServer();
      const actions = { add: 'add', invite: 'add', remove: 'remove', kick: 'remove' };
      const client = await login(server, 'tom', localFactories({ actions }));
      const conversation = await client.createConversation({ members: [] });
      const refusal = { code: 4302, message: 'CONVERSATION_SIGNATURE_FAILED' };
      await expect(conversation.add(['anna'])).rejects.toMatchObject(refusal);
      await expect(conversation.quit()).rejects.toMatchObject(refusal);
      expect(server.accepted).toEqual(['session/open', 'conv/start']);
    });

    it('but a valid one is accepted', async () => {
      const server = await rtmServer();
      const client = await login(server, 'tom', localFactories());
      const conversation = await client.createConversation({ members: ['anna'] });
      await conversation.add(['zoe']);
      await conversation.blockMembers(['zoe']);
      await conversation.unblockMembers(['zoe']);
      await conversation.quit();
      expect(server.refused).toEqual([]);
      expect(server.accepted).toEqual([
        'session/open',
        'conv/start',
        'conv/add',
        'blacklist/block',
        'blacklist/unblock',
        'conv/remove',
      ]);
    });
  });
});
