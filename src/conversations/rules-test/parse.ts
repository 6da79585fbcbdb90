import { idFault, isId } from '../../problems/ids.js';
import {
  type Conversation,
  type Decision,
  type Membership,
  type Operation,
  possibleRefusals,
  REFUSALS,
  type Role,
} from '../decision.js';
import { type Entry, type Place, shown, type Value, YamlReader } from './yaml-reader.js';

/** What each action takes: `ACTIONS` of the room `signature`. */
export type Actions = Readonly<
  Record<
    Operation['action'],
    { readonly conversation: boolean; readonly members: 'none' | 'may be empty' | 'at least one' }
  >
>;

/** A conversation as in the tables, with the roles of its members by client id. */
export type ListedConversation = Omit<Conversation, 'memberCount'> & { readonly roles: ReadonlyMap<string, Role> };

/** An operation, and what must be decided on it. */
export interface RulesTest {
  /** Undefined: it has none. */
  readonly name: string | undefined;
  readonly place: Place;
  readonly operation: Operation;
  readonly expected: Decision;
}

/** The rows of an app, and what is expected of them. */
export interface RulesFile {
  readonly membership: Membership;
  /** By id; one that is not here is not registered. */
  readonly conversations: ReadonlyMap<string, ListedConversation>;
  readonly bans: ReadonlySet<string>;
  readonly tests: readonly RulesTest[];
}

const MEMBERSHIPS = ['off', 'where-registered', 'required'] as const satisfies Membership[];
const JOIN_RULES = ['anyone', 'invited'] as const;
const ROLES = ['member', 'manager', 'owner'] as const satisfies Role[];
const RULES = ['anyone', ...ROLES] as const;
const COLUMNS = ['join_rule', 'invite_rule', 'kick_rule', 'member_limit', 'members'] as const;
const FIELDS = ['name', 'client', 'action', 'conversation', 'members', 'expect'] as const;
/** PostgreSQL's `integer`. */
const MAX_INTEGER = 2 ** 31 - 1;

/**
 * Parses a file of rules and tests of them (docs/backend.md, "Test your rules in CI").
 *
 * @param text YAML without a byte order mark.
 * @throws {FileFaults} with all that is wrong, such as an expectation that can never be met.
 */
export function parseRules(text: string, actions: Actions): RulesFile {
  return new RulesParser(new YamlReader(text), actions).parse();
}

class RulesParser {
  constructor(
    private readonly yaml: YamlReader,
    private readonly actions: Actions,
  ) {}

  parse(): RulesFile {
    const { yaml } = this;
    const names = ['membership', 'conversations', 'bans', 'tests'] as const;
    const { membership, conversations, bans, tests } = yaml.fields(yaml.root, 'the file', names, ['tests']);
    const rows = {
      membership: (membership && yaml.oneOf(membership, 'membership', MEMBERSHIPS)) ?? 'where-registered',
      conversations: this.conversations(conversations),
      bans: new Set(bans && this.ids(bans, 'bans')),
    };
    const listed = tests && yaml.list(tests, 'tests');
    if (tests !== undefined && listed?.length === 0) yaml.refuse(tests.at, 'tests has no test');
    const file = { ...rows, tests: (listed ?? []).flatMap((test) => this.test(test, rows) ?? []) };
    yaml.requireNoFaults();
    return file;
  }

  private conversations(value: Value | undefined): Map<string, ListedConversation> {
    const entries = (value && this.yaml.entries(value, 'conversations')) ?? [];
    return new Map(entries.map((entry) => [this.idOfKey(entry, 'the conversation id'), this.conversation(entry)]));
  }

  private conversation({ key, value }: Entry): ListedConversation {
    const { yaml } = this;
    const what = `the conversation ${shown(key)}`;
    const { join_rule, invite_rule, kick_rule, member_limit, members } = yaml.fields(value, what, COLUMNS);
    const roles = (members && yaml.entries(members, 'members')) ?? [];
    return {
      joinRule: (join_rule && yaml.oneOf(join_rule, 'join_rule', JOIN_RULES)) ?? 'invited',
      inviteRule: (invite_rule && yaml.oneOf(invite_rule, 'invite_rule', RULES)) ?? 'member',
      kickRule: (kick_rule && yaml.oneOf(kick_rule, 'kick_rule', RULES)) ?? 'manager',
      memberLimit: member_limit === undefined ? null : this.limit(member_limit),
      roles: new Map(
        roles.map((entry) => {
          const id = this.idOfKey(entry, 'the client id');
          return [id, yaml.oneOf(entry.value, `the role of ${shown(id)}`, ROLES) ?? 'member'];
        }),
      ),
    };
  }

  private limit(value: Value): number | null {
    const text = this.yaml.text(value, 'member_limit');
    if (text === undefined || text === 'null') return null;
    const limit = /^[1-9]\d*$/.test(text) ? Number(text) : 0;
    if (limit < 1 || limit > MAX_INTEGER) {
      this.yaml.refuse(value.at, `member_limit must be a whole number from 1 to ${MAX_INTEGER}, or null for none`);
    }
    return limit;
  }

  private test(value: Value, file: Omit<RulesFile, 'tests'>): RulesTest | undefined {
    const { yaml } = this;
    const fields = yaml.fields(value, 'a test', FIELDS, ['client', 'action', 'expect']);
    const name = fields.name && this.name(fields.name);
    const clientId = fields.client && this.id(fields.client, 'client');
    const expected = fields.expect && yaml.oneOf(fields.expect, 'expect', ['allowed', ...REFUSALS]);
    const names = Object.keys(this.actions) as Operation['action'][];
    const action = fields.action && yaml.oneOf(fields.action, 'action', names);
    const conversationId = fields.conversation && this.id(fields.conversation, 'conversation');
    const members = fields.members === undefined ? [] : this.ids(fields.members, 'members');
    if (action === undefined) return undefined;
    const takes = this.actions[action];
    if (!takes.conversation && fields.conversation !== undefined) {
      yaml.refuse(fields.conversation.at, `${action} takes no conversation`);
    }
    if (takes.conversation && fields.conversation === undefined) {
      yaml.refuse(value.at, `${action} needs the field conversation`);
    }
    if (takes.members === 'none' && fields.members !== undefined) {
      yaml.refuse(fields.members.at, `${action} takes no members`);
    }
    if (takes.members === 'at least one' && members?.length === 0) {
      yaml.refuse(fields.members?.at ?? value.at, `${action} needs members, at least one`);
    }
    if (clientId === undefined || expected === undefined || members === undefined) return undefined;
    const operation = { action, appId: '', clientId, conversationId: conversationId ?? '', members };
    const why = neverReached(expected, operation, file);
    if (why !== undefined) yaml.refuse(fields.expect?.at ?? value.at, `${expected} can never be the decision: ${why}`);
    return { name, place: yaml.placeOf(value.at), operation, expected };
  }

  private name(value: Value): string | undefined {
    const name = this.yaml.text(value, 'name');
    if (name === '') this.yaml.refuse(value.at, 'name is empty');
    if (name !== undefined && /\p{Cc}/u.test(name)) this.yaml.refuse(value.at, 'name contains a control character');
    return name;
  }

  private ids(value: Value, what: string): string[] | undefined {
    return this.yaml.list(value, what)?.flatMap((one, i) => this.id(one, `id ${i + 1} of ${what}`) ?? []);
  }

  private id(value: Value, what: string): string | undefined {
    const id = this.yaml.text(value, what);
    if (id !== undefined && !isId(id)) this.yaml.refuse(value.at, `${what} ${idFault(id)}`);
    return id;
  }

  private idOfKey({ key, keyAt }: Entry, what: string): string {
    if (!isId(key)) this.yaml.refuse(keyAt, `${what} ${idFault(key)}`);
    return key;
  }
}

/** Why a refusal cannot be the decision, whatever the roles and rules are. */
function neverReached(
  expected: Decision,
  operation: Operation,
  { membership, conversations }: Omit<RulesFile, 'tests'>,
): string | undefined {
  if (expected === 'allowed') return undefined;
  const { action, clientId, conversationId, members } = operation;
  if (!possibleRefusals(operation)[expected]) {
    const isOwn = members.length > 0 && members.every((member) => member === clientId);
    const list = isOwn ? ' of oneself' : expected === 'member_banned' && members.length === 0 ? ' without members' : '';
    return `${action}${list} is never refused with it`;
  }
  if (expected === 'client_banned' || expected === 'member_banned') return undefined;
  if (membership === 'off') return 'the membership is off, so that no rule counts';
  const isListed = conversations.has(conversationId);
  if (expected !== 'conversation_unknown') {
    return isListed ? undefined : `${shown(conversationId)} is not one of the conversations, so that it has no rules`;
  }
  if (membership !== 'required') return 'only the membership "required" asks for registered conversations';
  return isListed ? `${shown(conversationId)} is one of the conversations, so that it is registered` : undefined;
}
