import type { AppRegistry } from '../../apps/app-registry.js';
import type { SigningApp } from '../../apps/signing-app.js';
import { enforced } from '../../conversations/decision.js';
import { explain } from '../../conversations/explain/explain.js';
import { countMembers, type DecidingRow, decidingRows, similarMember } from '../../conversations/explain/rows.js';
import type { Situation } from '../../conversations/explain/situation.js';
import type { CurrentFacts, FactsReader } from '../../conversations/facts-reader.js';
import { isRevoked } from '../../identity/cutoffs.js';
import { type ProblemCode, ProblemError } from '../../problems/problem-error.js';
import type { SignatureRequest } from '../../signature/signature-request.js';
import { tooManyMembers } from '../../signature/signature.service.js';
import type { Admin } from '../admin.js';
import type { Supposed } from './suppositions.js';

/** A check of the service. */
interface JudgedCheck {
  /** The code of its refusal. */
  readonly check: ProblemCode;
  /** Null: not made, because an earlier one refused, or there is no token to judge. */
  readonly passed: boolean | null;
  readonly read: string;
}

export interface Judgement {
  /** `allowed`, or the code of the refusal. */
  readonly decision: ProblemCode | 'allowed';
  /** Whether the service signs: in shadow mode it does, whatever a rule refuses. */
  readonly signed: boolean;
  /** In the order in which the service makes them. */
  readonly checks: readonly JudgedCheck[];
  readonly rows: readonly DecidingRow[];
  /** What would allow it, each alone. */
  readonly changes: readonly string[];
  /** A member whose id looks like the client's. */
  readonly similar: string | undefined;
}

type Parts = Pick<Admin, 'apps' | 'dataSource'> & { readonly registry: AppRegistry; readonly facts: FactsReader };

/** Judges a request as the service does, by the same steps; nothing is signed. @throws {Error} when there is no such app. */
export async function judge(
  { apps, dataSource, registry, facts: reader }: Parts,
  request: SignatureRequest,
  supposed: readonly Supposed[],
): Promise<Judgement> {
  await apps.require(request.appId);
  const checks: JudgedCheck[] = [];
  const refused = ({ code, detail }: ProblemError, changes: string[] = []): Judgement => ({
    decision: code,
    signed: false,
    checks: [...checks, { check: code, passed: false, read: detail }],
    rows: [],
    changes,
    similar: undefined,
  });

  const app = await findApp(registry, request.appId);
  if (app instanceof ProblemError) return refused(app, ['enable the app: im-signature app enable']);
  const { membership } = supposing({ operation: request, membership: app.membership, facts: NO_FACTS }, supposed);
  const mode = membership === 'off' ? '' : `, ${app.membershipMode}`;
  checks.push({ check: 'app_disabled', passed: true, read: `enabled, membership ${membership}${mode}` });

  const { length } = request.members;
  if (length > app.maxMembers) {
    return refused(tooManyMembers(length, app), ['name fewer members in a request, or raise max_members of the app']);
  }
  checks.push({ check: 'too_many_members', passed: true, read: `${length} of at most ${app.maxMembers}` });

  const facts = await reader.read(request, membership);
  const identity = identityOf(app.identity, facts);
  if (app.identity !== 'none' && isRevoked({ issuedAt: Date.now() / 1000 }, facts.tokensBefore)) {
    return refused(new ProblemError('identity_revoked', `${identity}, also new ones`), [
      'set tokens_before to a time that is past, in client_cutoffs or app_cutoffs',
    ]);
  }
  checks.push({ check: 'identity_revoked', passed: null, read: identity });

  const { conversation } = facts;
  // The service counts no further than the limit; a higher one may be supposed.
  const memberCount = conversation && (await countMembers(dataSource, request.appId, request.conversationId));
  const counted = { ...facts, conversation: conversation && { ...conversation, memberCount } };
  const situation = supposing({ operation: request, membership: app.membership, facts: counted }, supposed);
  const explanation = explain(situation);
  const { decision } = explanation;
  const isSupposed = supposed.length > 0;
  return {
    decision,
    signed: enforced(decision, app) === 'allowed',
    checks: [...checks, ...explanation.checks],
    rows: decision === 'allowed' || isSupposed ? [] : await decidingRows(dataSource, request, decision),
    changes: explanation.changes,
    similar: decision === 'not_permitted' && !isSupposed ? await similarMember(dataSource, request) : undefined,
  };
}

const NO_FACTS = { conversation: null, client: { banned: false, rank: 0 }, members: [] };

function supposing(situation: Situation, supposed: readonly Supposed[]): Situation {
  return supposed.reduce((so, { supposition }) => supposition(so), situation);
}

function identityOf(identity: 'none' | 'jwt', { tokensBefore }: CurrentFacts): string {
  if (identity === 'none') return 'the app asks for no token';
  const cutoff =
    tokensBefore === null
      ? 'no cut-off'
      : `tokens issued before ${new Date(Math.floor(tokensBefore) * 1000).toISOString()} are refused`;
  return `a token of the client is asked for, and not judged here; ${cutoff}`;
}

/** @returns the refusal where the app is disabled. */
async function findApp(registry: AppRegistry, appId: string): Promise<SigningApp | ProblemError> {
  try {
    return await registry.find(appId);
  } catch (error) {
    if (error instanceof ProblemError && error.code === 'app_disabled') return error;
    throw error;
  }
}
