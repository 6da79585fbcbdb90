import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Permissions } from '../src/conversations/permissions.js';
import type { ProblemDetails } from '../src/problems/problem-error.js';
import { hmacSecretPurpose, seal } from '../src/apps/sealing.js';
import { secretKey, tokenFor } from './support/issuer.js';
import { startService, type TestService } from './support/service.js';

const SECRET = 'a secret of the issuer, 32 bytes long';

let service: TestService;

beforeAll(async () => {
  service = await startService();
  for (const membership of ['off', 'where-registered', 'required']) {
    await service.registerApp(membership, 'a-master-key', { membership });
  }
  await service.registerApp('shadow', 'a-master-key', { membership: 'required', membership_mode: 'shadow' });
  await service.registerApp('small', 'a-master-key', { max_members: 2 });
  await service.registerApp('jwt', 'a-master-key', { identity: 'jwt', membership: 'required' });
  await service.database.query(
    `INSERT INTO app_identity (app_id, algorithms, sealed_hmac_secret) VALUES ('jwt', '{HS256}', $1)`,
    [seal(SECRET, hmacSecretPurpose('jwt'), service.sealingKeys)],
  );
});

afterAll(async () => {
  await service.close();
});

async function ask(path: string, token?: string): Promise<Permissions & ProblemDetails> {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const response = await fetch(`${service.url}/permissions/${path}`, { headers });
  return (await response.json()) as Permissions & ProblemDetails;
}

/** What asking for the signature says. */
async function attempt(path: string): Promise<string> {
  const response = await fetch(`${service.url}/signature/${path}`);
  const { code = 'allowed' } = (await response.json()) as Partial<ProblemDetails>;
  return code;
}

describe('what a client may do in a conversation', () => {
  const role = fc.constantFrom(null, 'member', 'manager', 'owner');
  const rule = fc.constantFrom('anyone', 'member', 'manager', 'owner');
  const world = fc.record({
    app: fc.constantFrom('off', 'where-registered', 'required', 'shadow'),
    conversation: fc.option(
      fc.record({
        join_rule: fc.constantFrom('anyone', 'invited'),
        invite_rule: rule,
        kick_rule: rule,
        member_limit: fc.constantFrom(null, 1, 2, 3, 1000),
        roles: fc.record({ me: role, bob: role, eve: role }),
      }),
    ),
    banned: fc.subarray(['me', 'bob', 'eve'], { maxLength: 1 }),
  });

  it('is what asking for each signature says, whatever the rules, the roles and the bans', async () => {
    await fc.assert(
      fc.asyncProperty(world, async ({ app, conversation, banned }) => {
        await service.database.query('DELETE FROM conversations');
        await service.database.query('DELETE FROM client_bans');
        if (conversation !== null) {
          const { join_rule, invite_rule, kick_rule, member_limit, roles } = conversation;
          await service.database.query('INSERT INTO conversations VALUES ($1, $2, $3, $4, $5, $6)', [
            app,
            'c',
            join_rule,
            invite_rule,
            kick_rule,
            member_limit,
          ]);
          for (const [id, is] of Object.entries(roles)) {
            if (is === null) continue;
            await service.database.query('INSERT INTO conversation_members VALUES ($1, $2, $3, $4)', [
              app,
              'c',
              id,
              is,
            ]);
          }
        }
        for (const id of banned) {
          await service.database.query('INSERT INTO client_bans (app_id, client_id) VALUES ($1, $2)', [app, id]);
        }
        const here = `${app}/me/c`;
        const expected = {
          join: await attempt(`invite/${here}/me`),
          invite: await attempt(`invite/${here}/stranger`),
          leave: await attempt(`kick/${here}/me`),
          members: await Promise.all(
            ['eve', 'me', 'bob'].map(async (id) => ({
              client_id: id,
              invite: await attempt(`invite/${here}/${id}`),
              kick: await attempt(`kick/${here}/${id}`),
            })),
          ),
        };
        expect(await ask(`${here}?members=eve:me:bob`)).toEqual(expected);
      }),
      { numRuns: 60 },
    );
  });

  it('needs no members to be named', async () => {
    expect(await ask('off/alice/c')).toEqual({ join: 'allowed', invite: 'allowed', leave: 'allowed', members: [] });
  });

  it('is told to the proven client only', async () => {
    const token = await tokenFor(secretKey(SECRET), 'alice');
    expect((await ask('jwt/alice/c', token)).join).toBe('conversation_unknown');
    expect((await ask('jwt/alice/c')).code).toBe('identity_required');
    expect((await ask('jwt/bob/c', token)).code).toBe('identity_mismatch');
  });

  it.each([
    ['off/alice', 'invalid_conversion_id'],
    ['off/alice/c:d', 'invalid_conversion_id'],
    ['off/alice/c?members=a::b', 'invalid_member_id'],
    ['off/alice/c?members=a&members=b', 'invalid_member_id'],
    ['nowhere/alice/c', 'app_not_found'],
    ['small/alice/c?members=a:b:c', 'too_many_members'],
  ])('%s is %s', async (path, code) => {
    expect((await ask(path)).code).toBe(code);
  });
});
