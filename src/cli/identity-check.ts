import { idFault, isId } from '../problems/ids.js';
import { Clock } from '../config/clock.js';
import { bearerToken } from '../identity/client-identity.guard.js';
import { fetchKeySet } from '../identity/fetch-key-set.js';
import { TokenVerifier } from '../identity/token-verifier.js';
import { requireApp, withAdmin } from './admin-context.js';
import { good, print } from './output.js';
import { readOnce } from './read-secret.js';

/** The last moment that JavaScript's dates know, in milliseconds. */
const LAST_DATE = 8.64e15;

export async function check({ appId }: { appId: string }): Promise<void> {
  await withAdmin(async (admin) => {
    const app = await requireApp(admin, appId);
    if (app.identity === 'none') {
      throw new Error(`the app "${appId}" asks for no tokens: its identity is none`);
    }
    if (app.disabled) throw new Error(`the app "${appId}" is disabled: nothing is signed for it`);
    const settings = await admin.identities.findOneBy({ appId });
    if (settings === null) {
      throw new Error(`the app "${appId}" asks for tokens, and says not how to verify them`);
    }
    if (settings.jwksUri !== null) {
      const { keys = [] } = (await fetchKeySet(settings.jwksUri)) ?? {};
      print(
        `${settings.jwksUri} answers ${keys.length} key(s): ${keys.map(({ kid, kty }) => `${kid ?? 'without kid'} (${kty ?? '?'})`).join(', ')}`,
      );
    }
    const verifier = new TokenVerifier(admin.sealingKeys, new Clock());
    const authorization = `Bearer ${await readOnce('token')}`;
    const token = bearerToken({ headers: { authorization }, rawHeaders: ['authorization', authorization] });
    const { clientId, expires } = await verifier.verify(settings, token);
    if (!isId(clientId)) throw new Error(`the token does not pass: its client id ${idFault(clientId)}`);
    good(
      `The token passes: it is client "${clientId}", until ${new Date(Math.min(expires * 1000, LAST_DATE)).toISOString()}.`,
    );
  });
}
