import { findIdentity, requireApp } from '../../apps/app-records.js';
import { Clock } from '../../config/clock.js';
import { bearerToken } from '../../identity/client-identity.guard.js';
import { fetchKeySet } from '../../identity/fetch-key-set.js';
import { TokenVerifier } from '../../identity/token-verifier.js';
import { idFault, isId } from '../../problems/ids.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import { readOnce } from '../prompt.js';

/** The last moment that a Date can hold, in milliseconds. */
const LAST_DATE = 8.64e15;

export async function check(io: Io, { appId }: { appId: string }): Promise<void> {
  await withAdmin(io, async ({ dataSource, sealingKeys }) => {
    const app = await requireApp(dataSource, appId);
    if (app.identity === 'none') {
      throw new Error(`the app "${appId}" asks for no tokens: its identity is none`);
    }
    if (app.disabled) throw new Error(`the app "${appId}" is disabled: nothing is signed for it`);
    const settings = await findIdentity(dataSource, appId);
    if (settings === null) {
      throw new Error(`the app "${appId}" asks for tokens, and says not how to verify them`);
    }
    if (settings.jwksUri !== null) {
      const { keys = [] } = (await fetchKeySet(settings.jwksUri)) ?? {};
      const names = keys.map(({ kid, kty }) => `${kid ?? 'without kid'} (${kty ?? '?'})`).join(', ');
      io.print(`${settings.jwksUri} answers ${keys.length} key(s): ${names}`);
    }
    const authorization = `Bearer ${await readOnce(io, 'token')}`;
    const token = bearerToken({ headers: { authorization }, rawHeaders: ['authorization', authorization] });
    const { clientId, expires } = await new TokenVerifier(sealingKeys, new Clock()).verify(settings, token);
    if (!isId(clientId)) throw new Error(`the token does not pass: its client id ${idFault(clientId)}`);
    const end = new Date(Math.min(expires * 1000, LAST_DATE)).toISOString();
    io.printSuccess(`The token passes: it is client "${clientId}", until ${end}.`);
  });
}
