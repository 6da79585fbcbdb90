import type { Command } from 'commander';
import type { AppIdentity } from '../../apps/app-identity.entity.js';
import { cutoffOf } from '../../conversations/cutoffs.js';
import type { TokenVerifier } from '../../identity/token-verifier.js';
import type { VerifiedToken } from '../../identity/verify-token.js';
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
  await withAdmin(io, async ({ apps, dataSource, sealingKeys }) => {
    const { Clock } = await import('../../config/clock.js');
    const { bearerToken } = await import('../../identity/client-identity.guard.js');
    const { isRevoked } = await import('../../identity/cutoffs.js');
    const { fetchKeySet } = await import('../../identity/fetch-key-set.js');
    const { TokenVerifier } = await import('../../identity/token-verifier.js');
    const app = await apps.require(appId);
    if (app.identity === 'none') {
      throw new Error(`the app "${appId}" asks for no tokens; "im-signature app set --identity jwt" changes that`);
    }
    if (app.disabled) {
      throw new Error(`the app "${appId}" is disabled; "im-signature app enable" writes the migration that enables it`);
    }
    const settings = await apps.identity(appId);
    if (settings === null) {
      throw new Error(`the app "${appId}" has no settings to verify tokens; "im-signature app set" makes them`);
    }
    if (settings.jwksUri !== null) {
      const { jwksUri } = settings;
      const { keys = [] } =
        (await fetchKeySet(jwksUri).catch((error: unknown) => {
          const fault = `the keys of ${jwksUri} cannot be fetched (${(error as Error).message})`;
          throw new Error(`${fault}; see that the issuer publishes them there for this machine`, { cause: error });
        })) ?? {};
      const names = keys.map(({ kid, kty }) => `${kid ?? 'without kid'} (${kty ?? '?'})`).join(', ');
      io.print(`${settings.jwksUri} answers ${keys.length} key(s): ${names}`);
    }
    const authorization = `Bearer ${await readOnce(io, 'token')}`;
    const token = bearerToken({ headers: { authorization }, rawHeaders: ['authorization', authorization] });
    const verified = await verify(new TokenVerifier(sealingKeys, new Clock()), settings, token);
    const { clientId, expires } = verified;
    if (!isId(clientId)) {
      throw new Error(
        `its client id ${idFault(clientId)}; "im-signature app set --client-id-claim" takes another claim`,
      );
    }
    const cutoff = await cutoffOf(dataSource, appId, clientId);
    if (cutoff !== null && isRevoked(verified, cutoff)) {
      const ended = new Date(cutoff * 1000).toISOString();
      throw new Error(
        `the tokens of "${clientId}" that were issued before ${ended} are ended; let the client log in anew`,
      );
    }
    // A Date can hold no later time.
    const end = new Date(Math.min(expires * 1000, 8.64e15)).toISOString();
    io.printSuccess(`The token passes: it is client "${clientId}", until ${end}.`);
  });
}

async function verify(verifier: TokenVerifier, settings: AppIdentity, token: string): Promise<VerifiedToken> {
  const { errors } = await import('jose');
  const { TokenError } = await import('../../identity/verify-token.js');
  try {
    return await verifier.verify(settings, token);
  } catch (error) {
    if (!(error instanceof TokenError)) throw error;
    const isOfOtherSecret =
      settings.sealedHmacSecret !== null && error.cause instanceof errors.JWSSignatureVerificationFailed;
    const remedy = isOfOtherSecret
      ? 'set the secret of the issuer, with --hmac-secret-encoding where it is bytes as base64'
      : '"im-signature app show" shows what the app\'s tokens must have';
    throw new Error(`${error.message}; ${remedy}`, { cause: error });
  }
}
