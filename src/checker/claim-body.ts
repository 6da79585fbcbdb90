import { IsArray, IsIn, IsOptional, IsString, Matches, validateSync } from 'class-validator';
import { ProblemError } from '../problems/problem-error.js';
import { ACTIONS, type ActionName } from '../signature/actions.js';
import type { Claim } from './diagnose.js';

const NAMES = Object.keys(ACTIONS);
const TEXT = { message: '"$property" must be a string' };

/** The body of `POST /signature/diagnose`, by the names on the wire. */
class ClaimBody {
  @IsIn(NAMES, { message: `"action" must be one of ${NAMES.join(', ')}` }) action!: ActionName;
  @IsString(TEXT) app_id!: string;
  @IsString(TEXT) client_id!: string;
  @IsString(TEXT) conversion_id = '';
  @IsArray({ message: '"members" must be an array of strings' })
  @IsString({ each: true, message: '"members" must be an array of strings' })
  members: string[] = [];
  @Matches(/^.*$/s, { message: '"timestamp" must be a string or a number' }) timestamp!: string;
  @IsString(TEXT) nonce!: string;
  @IsString(TEXT) signature!: string;
  @IsOptional() @IsString(TEXT) app_key?: string;
}

/** @throws {ProblemError} `invalid_body`, with all that is wrong */
export function parseClaim(text: string): { claim: Claim; appKey: string | undefined } {
  const body = new ClaimBody();
  const given = parseObject(text);
  // Before they are assigned: "__proto__" and "constructor" would change what is validated.
  const unknown = Object.keys(given).filter((name) => !Object.hasOwn(body, name));
  if (unknown.length > 0) throw new ProblemError('invalid_body', `"${unknown.join('", "')}" is no field.`);
  Object.assign(body, given);
  if (typeof body.timestamp === 'number') body.timestamp = String(body.timestamp);
  const errors = validateSync(body, { stopAtFirstError: true });
  const faults = errors.flatMap(({ constraints = {} }) => Object.values(constraints));
  if (faults.length > 0) throw new ProblemError('invalid_body', `${faults.join('; ')}.`);
  const { action, app_id: appId, client_id: clientId, conversion_id: conversationId, members, app_key: appKey } = body;
  const { timestamp, nonce, signature } = body;
  return { claim: { action, appId, clientId, conversationId, members, timestamp, nonce, signature }, appKey };
}

function parseObject(text: string): object {
  let value: unknown;
  try {
    // RFC 8259, section 8.1: a byte order mark may be ignored.
    value = JSON.parse(text.replace(/^\uFEFF/, ''));
  } catch (cause) {
    throw new ProblemError('invalid_body', 'The body is not JSON.', { cause });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new ProblemError('invalid_body', 'The body is not a JSON object.');
  }
  return value;
}
