import { createHmac, KeyObject, timingSafeEqual } from 'node:crypto';
import { isId } from '../problems/ids.js';
import { ACTIONS, type ActionName } from '../signature/actions.js';
import { MAX_AGE, MAX_AHEAD, signedAt } from '../signature/timestamp.js';

/** An operation and its signature as they came over the wire. Nothing in it has to be checked before. */
export interface SignedOperation {
  readonly action: ActionName;
  readonly appId: string;
  readonly clientId: string;
  /** Where the action takes one. */
  readonly conversationId?: string | undefined;
  /** Where the action takes them, in any order. */
  readonly members?: readonly string[] | undefined;
  /** In digits, exactly as it was sent. */
  readonly timestamp: string;
  readonly nonce: string;
  readonly signature: string;
}

/** As a text, its bytes are those of UTF-8. */
export type MasterKey = string | Uint8Array | KeyObject;

/** Why a signature is refused: the names in `spec/mistakes.json`. */
export type Reason =
  | 'malformed_timestamp'
  | 'malformed_nonce'
  | 'malformed_id'
  | 'malformed_signature'
  | 'expired'
  | 'from_the_future'
  | 'signature_mismatch'
  | 'nonce_used';

export interface VerifierOptions {
  /** Milliseconds since 1970. */
  readonly now?: number;
  /** Whether the wire carries a timestamp as text, so that it may have a fraction. The SDKs' protocol carries a 64-bit integer. */
  readonly fractions?: boolean;
}

/** The signatures that were used. */
export interface NonceStore {
  /**
   * Keeps the key until `expiresAt`, milliseconds since 1970; after that its signature is too old.
   *
   * @returns whether the key is new. Of several calls at once, in any process, only one may be told so.
   */
  use(key: string, expiresAt: number): boolean | Promise<boolean>;
}

/**
 * Why the IM server has to refuse an operation, or null where its signature is right. It says whether the signature matches, and never what would.
 *
 * A right signature for `login` is also right for `conversion` without members: the protocol signs the same message for both.
 *
 * @param keys the versions of the app's master key that are good.
 */
export function refusalOf(
  operation: SignedOperation,
  keys: readonly MasterKey[],
  { now = Date.now(), fractions = false }: VerifierOptions = {},
): Exclude<Reason, 'nonce_used'> | null {
  const { timestamp, nonce, signature } = operation;
  if (!hasForm(timestamp, fractions ? /^\d{1,18}(?:\.\d{1,9})?$/ : /^\d{1,18}$/)) return 'malformed_timestamp';
  if (!isWireId(nonce)) return 'malformed_nonce';
  if (!hasIds(operation)) return 'malformed_id';
  if (!hasForm(signature, /^[0-9a-f]{40}$/)) return 'malformed_signature';
  const age = now - signedAt(timestamp);
  if (age > MAX_AGE) return 'expired';
  if (age < -MAX_AHEAD) return 'from_the_future';
  const message = messageOf(operation);
  return message !== undefined && isSigned(message, signature, keys) ? null : 'signature_mismatch';
}

/** The same for a signature that may be used once. The store is asked only about a right signature. */
export async function firstUseRefusalOf(
  operation: SignedOperation,
  keys: readonly MasterKey[],
  nonces: NonceStore,
  options?: VerifierOptions,
): Promise<Reason | null> {
  const reason = refusalOf(operation, keys, options);
  if (reason !== null) return reason;
  const { appId, clientId, timestamp, nonce } = operation;
  // A nonce alone is too short to come only once in the world.
  const key = [appId, clientId, timestamp, nonce].join(':');
  const isNew = await nonces.use(key, Math.ceil(signedAt(timestamp)) + MAX_AGE + 1);
  return isNew ? null : 'nonce_used';
}

/** What came over the wire may be of any type, whatever is declared. */
function hasForm(value: unknown, form: RegExp): boolean {
  return typeof value === 'string' && form.test(value);
}

function isWireId(value: unknown): boolean {
  return typeof value === 'string' && isId(value);
}

function hasIds({ appId, clientId, conversationId = '', members = [] }: SignedOperation): boolean {
  const ids = [appId, clientId, ...(conversationId === '' ? [] : [conversationId])];
  return ids.every(isWireId) && Array.isArray(members) && members.every(isWireId);
}

/** What has to be signed; undefined where no signature is good for the operation, which lacks or has what its action takes or does not. */
function messageOf(operation: SignedOperation): string | undefined {
  const { action, appId, clientId, conversationId = '', members = [], timestamp, nonce } = operation;
  if (!Object.hasOwn(ACTIONS, action)) return undefined;
  const takes = ACTIONS[action];
  if (takes.conversation !== (conversationId !== '')) return undefined;
  if (takes.members !== 'may be empty' && (takes.members === 'none') !== (members.length === 0)) return undefined;
  return takes.message({
    app_id: appId,
    client_id: clientId,
    conversion_id: conversationId,
    sorted_member_ids: members.toSorted().join(':'),
    timestamp,
    nonce,
  });
}

/** Takes the same time whichever key is right. */
function isSigned(message: string, signature: string, keys: readonly MasterKey[]): boolean {
  const given = Buffer.from(signature, 'hex');
  let matches = 0;
  for (const key of keys) {
    // With an empty key, such as a setting that is not there, anyone could sign.
    if ((key instanceof KeyObject ? key.symmetricKeySize : key.length) === 0) throw new TypeError('A key is empty');
    matches += Number(timingSafeEqual(createHmac('sha1', key).update(message).digest(), given));
  }
  return matches > 0;
}
