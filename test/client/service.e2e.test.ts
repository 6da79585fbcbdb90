import { afterAll, beforeAll, describe, expect, it, onTestFinished, vi } from 'vitest';
import {
  createClient,
  createSignatureFactories,
  createSigner,
  type Operation,
  type SignatureError,
} from '../../clients/js/src/index.js';
import { inSeconds, type KeyPair, makeKey, tokenFor } from '../support/issuer.js';
import { sdks } from '../support/leancloud-sdk.js';
import { startRtmServer } from '../support/rtm-server.js';
import { startService, type TestService } from '../support/service.js';
import { hmac } from '../support/signature.js';
import { refusalOf } from './refusal-of.js';

const MASTER_KEY = 'the-plain-master-key-of-the-tests';

let service: TestService;
let key: KeyPair;

/** `shop` asks for tokens, and has the conversation `vip`, where only managers may invite; alice is a member. */
beforeAll(async () => {
  service = await startService();
  key = await makeKey('ES256', 'ec');
  await service.registerApp('shop', MASTER_KEY, { identity: 'jwt', membership: 'where-registered' });
  await service.database.query(`INSERT INTO app_identity (app_id, algorithms, jwks) VALUES ('shop', '{ES256}', $1)`, [
    JSON.stringify({ keys: [key.jwk] }),
  ]);
  await service.database.query(
    `INSERT INTO conversations (app_id, conversation_id, invite_rule) VALUES ('shop', 'vip', 'manager')`,
  );
  await service.database.query(`INSERT INTO conversation_members VALUES ('shop', 'vip', 'alice', 'member')`);
});
afterAll(() => service.close());

const staleToken = () => tokenFor(key, 'alice', { exp: inSeconds(-3600) });
const freshToken = () => tokenFor(key, 'alice');

describe('at the service, the package', () => {
  it.each<[Operation, string, string]>([
    [{ action: 'login', clientId: 'alice' }, 'shop:alice::', ''],
    [{ action: 'conversion', clientId: 'alice', memberIds: ['é', 'b'] }, 'shop:alice:b:é:', ''],
    [{ action: 'invite', clientId: 'alice', conversationId: 'c/1', memberIds: ['b'] }, 'shop:alice:c/1:b:', ':invite'],
    [{ action: 'kick', clientId: 'alice', conversationId: 'c/1', memberIds: ['b'] }, 'shop:alice:c/1:b:', ':kick'],
    [
      { action: 'client-block-conversations', clientId: 'alice', conversationId: 'c1' },
      'shop:alice:c1::',
      ':client-block-conversations',
    ],
    [
      { action: 'client-unblock-conversations', clientId: 'alice', conversationId: 'c1' },
      'shop:alice:c1::',
      ':client-unblock-conversations',
    ],
    [
      { action: 'conversation-block-clients', clientId: 'alice', conversationId: 'c1', memberIds: ['z', 'b'] },
      'shop:alice:c1:b:z:',
      ':conversation-block-clients',
    ],
    [
      { action: 'conversation-unblock-clients', clientId: 'alice', conversationId: 'c1', memberIds: ['z', 'b'] },
      'shop:alice:c1:b:z:',
      ':conversation-unblock-clients',
    ],
  ])('has %o signed', async (operation, before, after) => {
    const sign = createSigner({ baseUrl: service.url, appId: 'shop', getToken: freshToken });
    const { signature, timestamp, nonce } = await sign(operation);
    expect(signature).toBe(hmac(`${before}${timestamp}:${nonce}${after}`, MASTER_KEY));
  });

  it('has history signed, with the nonce before the timestamp', async () => {
    const sign = createSigner({ baseUrl: service.url, appId: 'shop', getToken: freshToken });
    const { signature, timestamp, nonce } = await sign({ action: 'query', clientId: 'alice', conversationId: 'vip' });
    expect(signature).toBe(hmac(`shop:alice:vip:${nonce}:${timestamp}`, MASTER_KEY));
  });

  it('goes on with a new token when one has expired', async () => {
    const getToken = vi.fn((expired: boolean) => (expired ? freshToken() : staleToken()));
    const { signatureFactory } = createSignatureFactories({ baseUrl: service.url, appId: 'shop', getToken });
    expect(await signatureFactory('alice')).toHaveProperty('signature');
    expect(getToken.mock.calls).toEqual([[false], [true]]);
  });

  it.each([
    ['without a token', undefined, 'identity_required', 401],
    ['with the token of somebody else', () => tokenFor(key, 'mallory'), 'identity_mismatch', 403],
    ['with a token that has expired, and no other', staleToken, 'identity_expired', 401],
  ])('passes on why there is no signature %s', async (_, getToken, code, status) => {
    const { signatureFactory } = createSignatureFactories({
      baseUrl: service.url,
      appId: 'shop',
      ...(getToken && { getToken }),
    });
    const refusal = await refusalOf(signatureFactory('alice'));
    expect(refusal).toMatchObject({ operation: 'log in as alice', code, status });
    expect(service.logged.join('\n')).toContain(refusal.request_id);
  });
});

describe.each(sdks)('in $name', ({ connect }) => {
  it('an app learns why it may not do something', async () => {
    const rtm = await startRtmServer({ appId: 'shop', masterKey: MASTER_KEY });
    const realtime = connect('shop', rtm.port);
    onTestFinished(async () => {
      realtime.pause();
      await rtm.close();
    });
    const refusals: SignatureError[] = [];
    const factories = createSignatureFactories({
      baseUrl: service.url,
      appId: 'shop',
      getToken: freshToken,
      onRefusal: (refusal) => refusals.push(refusal),
    });
    const client = await realtime.createIMClient('alice', factories);
    const conversation = await client.createConversation({ members: ['bob'] });
    await service.database.query(
      `INSERT INTO conversations (app_id, conversation_id, invite_rule) VALUES ('shop', $1, 'owner')`,
      [conversation.id],
    );
    await expect(conversation.add(['carol'])).rejects.toThrow(
      `sign error: invite carol to ${conversation.id}: not_permitted: `,
    );
    expect(refusals).toHaveLength(1);
    expect(refusals[0]).toMatchObject({ code: 'not_permitted', operation: `invite carol to ${conversation.id}` });
    expect(rtm.accepted).toEqual(['session/open', 'conv/start']);
  });
});

describe('client.can', () => {
  const clientOf = (clientId: string, getToken = freshToken) =>
    createClient({ baseUrl: service.url, appId: 'shop', clientId, getToken, retries: 0 });

  it.each<
    [question: 'join' | 'invite' | 'leave' | 'kick', conversation: string, member: string | undefined, can: boolean]
  >([
    ['join', 'vip', undefined, true],
    ['leave', 'vip', undefined, true],
    ['invite', 'vip', undefined, false],
    ['invite', 'vip', 'bob', false],
    ['invite', 'vip', 'alice', true],
    ['kick', 'vip', 'bob', false],
    ['invite', 'free', undefined, true],
    ['kick', 'free', 'bob/1', true],
  ])('%s %s %s is %s', async (question, conversation, member, can) => {
    expect(await clientOf('alice').can(question, conversation, member)).toBe(can);
  });

  it('rejects with what the service, or the package, refuses', async () => {
    const codeOf = (answer: Promise<boolean>) => answer.catch((error: unknown) => (error as SignatureError).code);
    expect(await codeOf(clientOf('bob').can('join', 'vip'))).toBe('identity_mismatch');
    expect(await codeOf(clientOf('alice', staleToken).can('join', 'vip'))).toBe('identity_expired');
    expect(await codeOf(clientOf('alice').can('kick', 'vip'))).toBe('members_required');
    expect(await codeOf(clientOf('alice').can('join', '..'))).toBe('invalid_conversion_id');
    for (const question of ['add', 'members', '__proto__']) {
      expect(await codeOf(clientOf('alice').can(question as 'join', 'vip'))).toBe('unknown_action');
    }
  });
});
