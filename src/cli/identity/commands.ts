import type { Command } from 'commander';
import { idFault, isId } from '../../problems/ids.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import type { Io } from '../io.js';
import { APP_ID, type ForApp } from '../options.js';
import { readOnce } from '../prompt.js';

/** `identity …`: whether the tokens of an app would pass. */
export function identityCommands(program: Command, io: Io): void {
  const identity = program.command('identity').description('try out how the tokens of an app are verified');
  identity
    .command('check')
    .summary('verify a token')
    .description('fetch the keys of an app, and say whether a token would pass, and why not')
    .requiredOption(...APP_ID)
    .addHelpText(
      'after',
      details({
        stdin: 'The token (a JWT), on a line. On a terminal it is asked for and not shown.',
        reads: DATABASE,
        example: 'im-signature identity check --app-id shop',
      }),
    )
    .action((options: ForApp) => check(io, options));
}

async function check(io: Io, { appId }: ForApp): Promise<void> {
  await withAdmin(io, async ({ apps, sealingKeys }) => {
    const { Clock } = await import('../../config/clock.js');
    const { bearerToken } = await import('../../identity/client-identity.guard.js');
    const { fetchKeySet } = await import('../../identity/fetch-key-set.js');
    const { TokenVerifier } = await import('../../identity/token-verifier.js');
    const app = await apps.require(appId);
    if (app.identity === 'none') throw new Error(`the app "${appId}" asks for no tokens: its identity is none`);
    if (app.disabled) throw new Error(`the app "${appId}" is disabled: nothing is signed for it`);
    const settings = await apps.identity(appId);
    if (settings === null) throw new Error(`the app "${appId}" has identity jwt, without settings to verify tokens`);
    if (settings.jwksUri !== null) {
      const { jwksUri } = settings;
      const { keys = [] } =
        (await fetchKeySet(jwksUri).catch((error: unknown) => {
          throw new Error(`the keys of ${jwksUri} cannot be fetched: ${(error as Error).message}`, { cause: error });
        })) ?? {};
      const names = keys.map(({ kid, kty }) => `${kid ?? 'without kid'} (${kty ?? '?'})`).join(', ');
      io.print(`${settings.jwksUri} answers ${keys.length} key(s): ${names}`);
    }
    const authorization = `Bearer ${await readOnce(io, 'token')}`;
    const token = bearerToken({ headers: { authorization }, rawHeaders: ['authorization', authorization] });
    const { clientId, expires } = await new TokenVerifier(sealingKeys, new Clock()).verify(settings, token);
    if (!isId(clientId)) throw new Error(`the token does not pass: its client id ${idFault(clientId)}`);
    // A Date can hold no later time.
    const end = new Date(Math.min(expires * 1000, 8.64e15)).toISOString();
    io.printSuccess(`The token passes: it is client "${clientId}", until ${end}.`);
  });
}
