import { type Decision, decide, enforced, type Facts, type Operation, type Policy, type Standing } from './decision.js';

/** A client that asks what it may do in a conversation, and to whom. */
export type Asked = Pick<Operation, 'appId' | 'clientId' | 'conversationId' | 'members'>;

/** `allowed`, or the code that would refuse. */
export interface Permissions {
  readonly join: Decision;
  /** To add somebody who is no member yet. */
  readonly invite: Decision;
  readonly leave: Decision;
  readonly members: readonly { readonly client_id: string; readonly invite: Decision; readonly kick: Decision }[];
}

/** Stands for somebody who is no member and not banned: no id has a control character. */
const ANYONE = '\u0001';
const NO_MEMBER: Standing = { banned: false, rank: 0 };

/** The operation whose facts `permissionsOf` needs. */
export function operationToRead(asked: Asked): Operation {
  return { ...asked, action: 'invite', members: [...asked.members, ANYONE] };
}

/** @param facts of `operationToRead`. */
export function permissionsOf(asked: Asked, policy: Policy, facts: Facts): Permissions {
  const decideOn = (action: 'invite' | 'kick', id: string, standing: Standing): Decision =>
    enforced(decide({ ...asked, action, members: [id] }, policy.membership, { ...facts, members: [standing] }), policy);
  const { clientId, members } = asked;
  return {
    join: decideOn('invite', clientId, facts.client),
    invite: decideOn('invite', ANYONE, NO_MEMBER),
    leave: decideOn('kick', clientId, facts.client),
    members: members.map((id, i) => {
      const standing = facts.members[i] ?? NO_MEMBER;
      return { client_id: id, invite: decideOn('invite', id, standing), kick: decideOn('kick', id, standing) };
    }),
  };
}
