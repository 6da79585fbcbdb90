import { Injectable } from '@nestjs/common';
import { Batches } from '../database/batches.js';
import { isDataFault, LookUps, type Statement } from '../database/look-ups.js';
import {
  addsMembers,
  type Conversation,
  type Facts,
  isRuled,
  type Membership,
  needsCount,
  type Operation,
  type Standing,
} from './decision.js';

/** Ids that one query looks up, so that one with long lists does not hold up those beside it. */
const MAX_IDS = 5_000;

/** Up to this limit members are counted at once; beyond, in a second query, which the other requests of the moment do not wait for. */
const COUNTED_AT_ONCE = 500;

/** What counting them costs at most, in ids that are looked up: 500 rows take 120 us, an id takes 3. */
const COUNT_WEIGHT = 40;

/** Members that such a query counts, unless it is for a single conversation. */
const MAX_COUNTED = 10_000;

/** What a digit of `standings` stands for: the rank, and 4 more for a client that is banned. */
const STANDINGS = Array.from({ length: 8 }, (_, digit): Standing => ({
  rank: digit % 4,
  banned: digit >= 4,
}));

const CODE_OF_0 = '0'.charCodeAt(0);

/** Separates questions; no id holds a control character. */
const SEPARATOR = '\n';

interface Question {
  readonly operation: Operation;
  /** Whether the rules of its conversation count. */
  readonly ruled: boolean;
}

/** A conversation, all null where it is not registered, and the standings of the ids that were asked for. */
type Row = { readonly standings: string } & (Conversation | { readonly [Name in keyof Conversation]: null });

/**
 * For each question a row, by lines of text: the app ($1), the conversation or nothing ($2), the ids joined with ":" ($3), and
 * whether members would be added (t or f, $4). Each ban, role and conversation is found by its whole primary key, one by one:
 * where several ids are compared at once, PostgreSQL may read all members of a conversation instead.
 *
 * @param counted which limits have their members counted, as an SQL condition.
 */
function factsStatement(name: string, counted: string): Statement {
  return {
    name,
    text: `
      SELECT c.join_rule AS "joinRule", c.invite_rule AS "inviteRule", c.kick_rule AS "kickRule",
        c.member_limit AS "memberLimit",
        CASE WHEN asked.adds = 't' AND ${counted} THEN (
          SELECT count(*)::integer FROM (
            SELECT FROM conversation_members m
            WHERE m.app_id = c.app_id AND m.conversation_id = c.conversation_id LIMIT c.member_limit
          ) AS members
        ) END AS "memberCount",
        array_to_string(ARRAY(
          SELECT coalesce((
            SELECT CASE m.role WHEN 'owner' THEN 3 WHEN 'manager' THEN 2 ELSE 1 END FROM conversation_members m
            WHERE m.app_id = c.app_id AND m.conversation_id = c.conversation_id AND m.client_id = named.id
          ), 0) + coalesce((
            SELECT 4 FROM client_bans b
            WHERE b.app_id = asked.app_id AND b.client_id = named.id
              AND (b.banned_until IS NULL OR b.banned_until > now())
          ), 0)
          FROM unnest(string_to_array(asked.ids, ':')) WITH ORDINALITY AS named (id, place)
          ORDER BY named.place
        ), '') AS standings
      FROM unnest(
        string_to_array($1, E'\\n'), string_to_array($2, E'\\n', ''), string_to_array($3, E'\\n'), string_to_array($4, E'\\n')
      ) WITH ORDINALITY AS asked (app_id, conversation_id, ids, adds, place)
      LEFT JOIN conversations c ON c.app_id = asked.app_id AND c.conversation_id = asked.conversation_id
      WHERE (SELECT NOT pg_is_in_recovery())
      ORDER BY asked.place`,
  };
}

const FACTS = factsStatement('facts', `c.member_limit <= ${COUNTED_AT_ONCE}`);
const FACTS_AND_COUNT = factsStatement('facts-and-count', 'c.member_limit IS NOT NULL');

/** Reads what decisions rest on: bans, rules and roles as they are committed now. Nothing is cached. */
@Injectable()
export class FactsReader {
  private readonly batches: Batches<Question, Facts>;
  private readonly counts: Batches<Question, Facts>;

  constructor(private readonly lookUps: LookUps) {
    const common = { isFaultOfOne: isDataFault };
    this.batches = new Batches({
      ...common,
      ask: (questions) => this.ask(FACTS, questions),
      maxWeight: MAX_IDS,
      maxInFlight: 4,
    });
    this.counts = new Batches({
      ...common,
      ask: (questions) => this.ask(FACTS_AND_COUNT, questions),
      maxWeight: MAX_COUNTED,
      maxInFlight: 2,
    });
  }

  /** @throws {Error} when PostgreSQL does not answer. */
  async read(operation: Operation, membership: Membership): Promise<Facts> {
    const question = { operation, ruled: isRuled(operation, membership) };
    const weight = 1 + operation.members.length + (question.ruled && addsMembers(operation) ? COUNT_WEIGHT : 0);
    const facts = await this.batches.ask(question, weight);
    if (!needsCount(operation, facts)) return facts;
    // All is read again, so that the count and the roles are of one moment.
    return this.counts.ask(question, facts.conversation?.memberLimit ?? MAX_COUNTED);
  }

  private async ask(statement: Statement, questions: readonly Question[]): Promise<Facts[]> {
    let [apps, conversations, ids, adds] = ['', '', '', ''];
    for (const { operation, ruled } of questions) {
      apps += operation.appId + SEPARATOR;
      conversations += (ruled ? operation.conversationId : '') + SEPARATOR;
      ids += [operation.clientId, ...operation.members].join(':') + SEPARATOR;
      adds += (addsMembers(operation) ? 't' : 'f') + SEPARATOR;
    }
    const parameters = [apps, conversations, ids, adds].map((lines) => lines.slice(0, -1));
    const rows = await this.lookUps.rows<Row>(statement, parameters, questions.length);
    return rows.map(factsOf);
  }
}

function factsOf(row: Row): Facts {
  const { standings } = row;
  const members: Standing[] = [];
  for (let i = 1; i < standings.length; i++) members.push(standingOf(standings.charCodeAt(i)));
  return {
    conversation: row.joinRule === null ? null : row,
    client: standingOf(standings.charCodeAt(0)),
    members,
  };
}

/** @param digit as a character code. */
function standingOf(digit: number): Standing {
  const standing = STANDINGS[digit - CODE_OF_0];
  if (standing === undefined) throw new Error('PostgreSQL gave a standing that is none');
  return standing;
}
