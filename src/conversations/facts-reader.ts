import { Injectable } from '@nestjs/common';
import { Batches } from '../database/batches.js';
import { allRowsOf, isDataFault, LookUps, type Statement } from '../database/look-ups.js';
import { IN_FORCE } from './bans.js';
import { tokensBefore } from './cutoffs.js';
import {
  addsMembers,
  type Conversation,
  type Facts,
  needsRules,
  type Membership,
  needsCount,
  type Operation,
  type Standing,
} from './decision.js';

/** Ids per query, so that long lists do not delay the requests beside them. */
const MAX_IDS = 5_000;
/** Conversations with a higher limit are counted in a second query, which the other requests do not wait for. */
const MAX_LIMIT_COUNTED_AT_ONCE = 500;
/** The cost of counting so many, in ids: 500 rows take 120 us, an id takes 3. */
const COUNT_WEIGHT = 40;
/** Members that one counting query counts, unless it is for a single conversation. */
const MAX_COUNTED = 10_000;
/** By digit of `standings`: the rank, plus 4 for a banned client. */
const STANDINGS = Array.from({ length: 8 }, (_, digit): Standing => ({ rank: digit % 4, banned: digit >= 4 }));

/** What an answer rests on. */
export interface CurrentFacts extends Facts {
  /** The later cut-off of the client and the app, in seconds since 1970; null: there is none. */
  readonly tokensBefore: number | null;
}

const ALL_ROWS = allRowsOf(
  ...['client_bans', 'client_cutoffs', 'app_cutoffs', 'conversations', 'conversation_members'],
);

/** A line for each parameter of the statement; no id contains a line break. */
type Question = readonly [app: string, conversation: string, ids: string, adds: 't' | 'f'];

/** A conversation, all null where it is not registered, the standings of the ids asked for, and the cut-off. */
type Row = { readonly standings: string } & Pick<CurrentFacts, 'tokensBefore'> &
  (Conversation | { readonly [Name in keyof Conversation]: null });

/**
 * One row per question. The parameters hold a line per question: the app ($1), the conversation or nothing ($2), the ids joined
 * with ":" ($3), and whether members would be added (t or f, $4). Each ban, role and conversation is found by its whole primary
 * key, one by one: given several ids at once, PostgreSQL may read all members of a conversation instead.
 *
 * @param counted which conversations have their members counted, as an SQL condition.
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
            WHERE b.app_id = asked.app_id AND b.client_id = named.id AND ${IN_FORCE}
          ), 0)
          FROM unnest(string_to_array(asked.ids, ':')) WITH ORDINALITY AS named (id, place)
          ORDER BY named.place
        ), '') AS standings,
        ${tokensBefore('asked.app_id', "split_part(asked.ids, ':', 1)")} AS "tokensBefore"
      FROM unnest(
        string_to_array($1, E'\\n'), string_to_array($2, E'\\n', ''), string_to_array($3, E'\\n'), string_to_array($4, E'\\n')
      ) WITH ORDINALITY AS asked (app_id, conversation_id, ids, adds, place)
      LEFT JOIN conversations c ON c.app_id = asked.app_id AND c.conversation_id = asked.conversation_id
      WHERE ${ALL_ROWS}
      ORDER BY asked.place`,
  };
}

const FACTS = factsStatement('facts', `c.member_limit <= ${MAX_LIMIT_COUNTED_AT_ONCE}`);
const FACTS_AND_COUNT = factsStatement('facts-and-count', 'c.member_limit IS NOT NULL');

/** Reads what decisions rest on: bans, cut-offs, rules and roles as committed now. Nothing is cached. */
@Injectable()
export class FactsReader {
  private readonly facts = this.batches({ statement: FACTS, maxWeight: MAX_IDS, maxInFlight: 4 });
  private readonly counts = this.batches({ statement: FACTS_AND_COUNT, maxWeight: MAX_COUNTED, maxInFlight: 2 });

  constructor(private readonly lookUps: LookUps) {}

  /** @throws {Error} when PostgreSQL does not answer. */
  async read(operation: Operation, membership: Membership): Promise<CurrentFacts> {
    const { appId, clientId, members } = operation;
    const conversationId = needsRules(operation, membership) ? operation.conversationId : '';
    const ids = [clientId, ...members].join(':');
    const question: Question = [appId, conversationId, ids, addsMembers(operation) ? 't' : 'f'];
    const counted = conversationId !== '' && addsMembers(operation);
    const facts = await this.facts.ask(question, 1 + members.length + (counted ? COUNT_WEIGHT : 0));
    if (!needsCount(operation, facts)) return facts;
    // Everything is read again, so that the count and the roles are from one snapshot.
    return this.counts.ask(question, facts.conversation?.memberLimit ?? MAX_COUNTED);
  }

  private batches({ statement, ...limits }: { statement: Statement; maxWeight: number; maxInFlight: number }) {
    const ask = async (questions: readonly Question[]): Promise<CurrentFacts[]> => {
      const parameters = ([0, 1, 2, 3] as const).map((column) =>
        questions.map((question) => question[column]).join('\n'),
      );
      const rows = await this.lookUps.rows<Row>(statement, parameters, questions.length);
      return rows.map(factsOf);
    };
    return new Batches({ ask, isFaultOfOne: isDataFault, ...limits });
  }
}

function factsOf(row: Row): CurrentFacts {
  const members: Standing[] = [];
  for (let i = 1; i < row.standings.length; i++) members.push(standingOf(row.standings.charCodeAt(i)));
  return {
    conversation: row.joinRule === null ? null : row,
    client: standingOf(row.standings.charCodeAt(0)),
    members,
    tokensBefore: row.tokensBefore,
  };
}

/** @param digit as its character code; that of "0" is 48. */
function standingOf(digit: number): Standing {
  const standing = STANDINGS[digit - 48];
  if (standing === undefined) throw new Error('PostgreSQL returned an unknown standing');
  return standing;
}
