import { fetchKeySet } from '../identity/fetch-key-set.js';
import { TokenVerifier } from '../identity/token-verifier.js';
import { requireApp, withAdmin } from './admin-context.js';
import { good, print } from './output.js';
import { readOnce } from './read-secret.js';

export async function check({ appId }: { appId: string }): Promise<void> {
  await withAdmin(async (admin) => {
    const app = await requireApp(admin, appId);
    if (app.identity === 'none') {
      throw new Error(`the app "${appId}" asks for no tokens: its identity is none`);
    }
    const settings = await admin.identities.findOneBy({ appId });
    if (settings === null) {
      throw new Error(`the app "${appId}" asks for tokens, and says not how to verify them`);
    }
    if (settings.jwksUri !== null) {
      const { keys } = await fetchKeySet(settings.jwksUri);
      print(
        `${settings.jwksUri} answers ${keys.length} key(s): ${keys.map(({ kid, kty }) => `${kid ?? 'without kid'} (${kty ?? '?'})`).join(', ')}`,
      );
    }
    const verifier = new TokenVerifier(admin.identities, admin.sealingKeys);
    const { clientId, expires } = await verifier.verify(settings, await readOnce('token'));
    good(`The token passes: it is client "${clientId}", until ${new Date(expires * 1000).toISOString()}.`);
  });
}
