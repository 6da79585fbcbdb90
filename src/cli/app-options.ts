import { InvalidArgumentError, Option } from 'commander';
import { idFault, isId } from '../problems/ids.js';
import { HMAC_ALGORITHMS, PUBLIC_KEY_ALGORITHMS } from '../identity/algorithms.js';
import { isKeySetUri } from '../identity/fetch-key-set.js';

export const appId = (): Option =>
  new Option('--app-id <id>', 'the app id of the IM platform').argParser(parseId).makeOptionMandatory();
export const name = (): Option => new Option('--name <name>', 'a name for people').argParser(parseName);
export const identity = (): Option =>
  new Option('--identity <identity>', 'how callers prove who they are; none: open to everyone').choices([
    'none',
    'jwt',
  ]);
export const timestampFormat = (): Option =>
  new Option('--timestamp-format <format>', 'the form of signed timestamps').choices([
    'seconds.micros',
    'seconds',
    'milliseconds',
  ]);
export const membership = (): Option =>
  new Option('--membership <rules>', 'whether conversation rules decide').choices([
    'off',
    'where-registered',
    'required',
  ]);
export const maxMembers = (): Option =>
  new Option('--max-members <number>', 'the most member ids one request may name').argParser(parseCount);

/** How tokens are verified, where `--identity` is jwt. */
export const identityOptions = (): Option[] => [
  new Option('--jwks-uri <uri>', 'where the issuer publishes its public keys; https, or http on this machine')
    .argParser(parseKeySetUri)
    .conflicts(['jwksFile', 'hmacSecret']),
  new Option('--jwks-file <file>', 'a file with the public keys, a JWK Set').conflicts('hmacSecret'),
  new Option(
    '--hmac-secret',
    'a secret shared with the issuer; asked for, or read from standard input after the master key',
  ),
  new Option('--issuer <iss>', 'what the claim iss must be').argParser(parseText),
  new Option('--audience <aud>', 'what the claim aud must be or contain').argParser(parseText),
  new Option(
    '--client-id-claim <claim>',
    'the claim with the client id, user.id for a path (default for a new app: sub)',
  ).argParser(parseText),
  new Option(
    '--algorithms <list>',
    'the algorithms a token may be signed with, such as RS256,ES256',
  ).argParser(parseAlgorithms),
];

export interface IdentityOptions {
  jwksUri?: string;
  jwksFile?: string;
  hmacSecret?: true;
  issuer?: string;
  audience?: string;
  clientIdClaim?: string;
  algorithms?: string[];
}

/** Whether any option says how tokens are verified. */
export function givesIdentity(options: IdentityOptions): boolean {
  const { jwksUri, jwksFile, hmacSecret, issuer, audience, clientIdClaim, algorithms } = options;
  return [jwksUri, jwksFile, hmacSecret, issuer, audience, clientIdClaim, algorithms].some(
    (given) => given !== undefined,
  );
}

/** Columns of `apps` that an administrator sets. */
export type AppColumns = Partial<
  Record<'name' | 'identity' | 'timestamp_format' | 'membership', string> &
    Record<'disabled', boolean> &
    Record<'max_members', number>
>;

/** The options that are columns of `apps`, as commander hands them over. */
export interface Columns {
  name?: string;
  identity?: string;
  timestampFormat?: string;
  membership?: string;
  maxMembers?: number;
}

export function columnsOf({ name, identity, timestampFormat, membership, maxMembers }: Columns): AppColumns {
  return Object.fromEntries(
    Object.entries({
      name,
      identity,
      timestamp_format: timestampFormat,
      membership,
      max_members: maxMembers,
    }).filter(([, value]) => value !== undefined),
  );
}

export function parseId(text: string): string {
  if (!isId(text)) throw new InvalidArgumentError(`It ${idFault(text)}.`);
  return text;
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

/** A moment that is still to come. @param otherwise what to do instead of naming one that is past. */
export const parseTime =
  (otherwise: string) =>
  (text: string): Date => {
    // Without an offset the time would be another one on another machine.
    if (!/^\d{4}-\d\d-\d\dT\d\d:\d\d(:\d\d(\.\d{1,3})?)?(Z|[+-]\d\d:\d\d)$/.test(text) || !isRealTime(text)) {
      throw new InvalidArgumentError(
        'A time has the form 2027-01-31T22:00:00Z or 2027-01-31T22:00:00+08:00.',
      );
    }
    const time = new Date(text);
    if (time.getTime() < Date.now()) {
      throw new InvalidArgumentError(`The time is past; ${otherwise}.`);
    }
    return time;
  };

export function parseText(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must not be empty.');
  return text;
}

/** The address in the one form that URLs have, which the database's CHECK can judge. */
function parseKeySetUri(text: string): string {
  if (text !== text.trim() || !isKeySetUri(text)) {
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

/** Whether there is such a day and hour: the 31st of February is none, though JavaScript takes it for the 3rd of March. */
function isRealTime(text: string): boolean {
  const local = Date.parse(`${text.replace(/(Z|[+-]\d\d:\d\d)$/, '')}Z`);
  return !Number.isNaN(Date.parse(text)) && new Date(local).toISOString().startsWith(text.slice(0, 16));
}
