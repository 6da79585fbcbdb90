import { InvalidArgumentError, Option } from 'commander';
import type { AppIdentity } from '../../apps/app-identity.entity.js';
import type { App } from '../../apps/app.entity.js';
import { hmacSecretPurpose, seal } from '../../apps/sealing.js';
import type { SealingKeys } from '../../config/secrets-key.js';
import { HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS } from '../../identity/algorithms.js';
import { isKeySetUri } from '../../identity/fetch-key-set.js';
import type { SecretEncoding } from '../../identity/settings.js';
import { type ForApp, parseText, UsageError } from '../options.js';

/** The options that are columns of `apps`. */
const APP_OPTIONS = [
  'name',
  'identity',
  'timestampFormat',
  'membership',
  'membershipMode',
  'maxMembers',
] as const satisfies (keyof App)[];

const isAppOption = (name: string): boolean => (APP_OPTIONS as readonly string[]).includes(name);

type AppOptions = Partial<Pick<App, (typeof APP_OPTIONS)[number]>>;

/** How tokens are verified, where `--identity` is jwt. */
export type TokenOptions = Partial<Record<'jwksUri' | 'jwksFile' | 'issuer' | 'audience' | 'clientIdClaim', string>> & {
  hmacSecret?: true;
  hmacSecretEncoding?: SecretEncoding;
  algorithms?: string[];
};

export type ChangeOptions = AppOptions & TokenOptions & ForApp;

export function changeOptions(): Option[] {
  return [
    new Option('--name <name>', 'a name for people').argParser(parseName),
    choice('--identity <identity>', 'how callers prove who they are; none: open to everyone', 'none', 'jwt'),
    choice('--timestamp-format <format>', 'the form of signed timestamps', 'seconds.micros', 'seconds', 'milliseconds'),
    choice('--membership <rules>', 'whether conversation rules decide', 'off', 'where-registered', 'required'),
    choice(
      '--membership-mode <mode>',
      'shadow: what the rules would refuse is signed, and counted',
      'shadow',
      'enforce',
    ),
    new Option('--max-members <number>', 'the most member ids one request may name').argParser(parseCount),
    new Option('--jwks-uri <uri>', 'where the issuer publishes its public keys; https, or http on this machine')
      .argParser(parseKeySetUri)
      .conflicts(['jwksFile', 'hmacSecret']),
    new Option('--jwks-file <file>', 'a file with the public keys, a JWK Set').conflicts('hmacSecret'),
    new Option('--hmac-secret', 'a secret shared with the issuer; asked for, or read from standard input'),
    choice(
      '--hmac-secret-encoding <encoding>',
      'how its bytes are given (default: utf8)',
      'utf8',
      'base64',
      'base64url',
    ),
    new Option('--issuer <iss>', 'what the claim iss must be').argParser(parseText),
    new Option('--audience <aud>', 'what the claim aud must be or contain').argParser(parseText),
    new Option(
      '--client-id-claim <claim>',
      'the claim with the client id, user.id for a path (default for a new app: sub)',
    ).argParser(parseText),
    new Option('--algorithms <list>', 'the algorithms a token may be signed with, such as RS256,ES256').argParser(
      parseAlgorithms,
    ),
  ];
}

function choice(flags: string, description: string, ...values: string[]): Option {
  return new Option(flags, description).choices(values);
}

const DEFAULTS: Record<string, unknown> = {
  timestampFormat: 'seconds.micros',
  membership: 'off',
  membershipMode: 'enforce',
  maxMembers: 500,
};

export function registrationOptions(): Option[] {
  return changeOptions().map((option) => {
    const name = option.attributeName();
    if (name in DEFAULTS) return option.default(DEFAULTS[name]);
    return option.makeOptionMandatory(name === 'name' || name === 'identity');
  });
}

/** The options by what they are about; the ones about tokens are undefined where none is given. */
export function splitOptions({ appId, ...options }: ChangeOptions) {
  const given = Object.entries(options);
  const tokens = given.filter(([name]) => !isAppOption(name));
  return {
    appId,
    app: Object.fromEntries(given.filter(([name]) => isAppOption(name))) as AppOptions,
    tokens: tokens.length === 0 ? undefined : (Object.fromEntries(tokens) as TokenOptions),
  };
}

/** The secrets that are read besides a master key. */
export function secretsFor(tokens: TokenOptions | undefined): string[] {
  if (tokens?.hmacSecretEncoding !== undefined && !tokens.hmacSecret) {
    throw new UsageError('--hmac-secret-encoding goes with --hmac-secret');
  }
  return tokens?.hmacSecret ? ['HMAC secret'] : [];
}

/**
 * The identity settings after a change.
 *
 * @param present the settings before, if there are any.
 * @param secret the shared secret, where `--hmac-secret` asks for one.
 * @throws {UsageError} when the options do not go together.
 */
export async function identityFrom(
  appId: string,
  present: AppIdentity | null,
  { jwksFile, hmacSecret, hmacSecretEncoding = 'utf8', ...options }: TokenOptions = {},
  secret: string | undefined,
  sealingKeys: SealingKeys,
): Promise<AppIdentity> {
  const { changedIdentity, decodeSecret, misfit, readKeySet, requireLongEnough } =
    await import('../../identity/settings.js');
  const bytes = hmacSecret && secret !== undefined ? decodeSecret(secret, hmacSecretEncoding) : undefined;
  const identity = changedIdentity(appId, present, {
    ...options,
    ...(jwksFile !== undefined && { jwks: await readKeySet(jwksFile) }),
    ...(bytes && { sealedHmacSecret: seal(bytes, hmacSecretPurpose(appId), sealingKeys) }),
  });
  const fault = misfit(identity);
  if (fault !== undefined) throw new UsageError(fault);
  if (bytes !== undefined) requireLongEnough(bytes, identity.algorithms);
  return identity;
}

function parseName(text: string): string {
  const { length } = Array.from(text);
  if (length < 1 || length > 200) throw new InvalidArgumentError('A name has 1 to 200 characters.');
  return text;
}

function parseCount(text: string): number {
  if (!/^[1-9]\d{0,5}$/.test(text)) throw new InvalidArgumentError('A whole number from 1 to 999999.');
  return Number(text);
}

/** The address in its normal form, which the database's CHECK can judge. */
function parseKeySetUri(text: string): string {
  if (!isKeySetUri(parseText(text))) {
    throw new InvalidArgumentError('An https address, or http on this machine, without a password.');
  }
  return new URL(text).href;
}

function parseAlgorithms(text: string): string[] {
  const names = text.split(',');
  const unknown = names.find((name) => !HMAC_ALGORITHMS.has(name) && !PUBLIC_KEY_ALGORITHMS.has(name));
  if (unknown !== undefined) {
    const known = [...PUBLIC_KEY_ALGORITHMS, ...HMAC_ALGORITHMS.keys()].join(', ');
    throw new InvalidArgumentError(`"${unknown}" is none of ${known}.`);
  }
  return names;
}
