import messages from '../../spec/messages.json' with { type: 'json' };
import mistakes from '../../spec/mistakes.json' with { type: 'json' };
import vectors from '../../spec/vectors.json' with { type: 'json' };

/** The specification that `spec/README.md` explains; nothing of it comes from `src`. */
export const MESSAGES = messages;
export type SpecAction = keyof typeof MESSAGES;

interface Signed {
  note: string;
  action: SpecAction;
  app_id: string;
  client_id: string;
  conversion_id?: string;
  timestamp: string;
  nonce: string;
  signature: string;
}

export interface Vector extends Signed {
  master_key: string;
  sorted_member_ids?: string;
  message: string;
}

export interface Example extends Signed {
  keys: string[];
  members?: string[];
  app_key?: string;
  other_apps?: Record<string, string>;
  received_at: number;
  reason: string | null;
  mistakes: string[] | null;
}

export const VECTORS = vectors as Vector[];
export const EXAMPLES = mistakes as Example[];

/** An example or a vector by the names of `src`. */
export function operationOf(signed: Omit<Signed, 'note'> & { readonly members?: readonly string[] }) {
  const { action, app_id, client_id, conversion_id = '', members = [], timestamp, nonce, signature } = signed;
  return {
    action,
    appId: app_id,
    clientId: client_id,
    conversationId: conversion_id,
    members,
    timestamp,
    nonce,
    signature,
  };
}

/** The message that the specification tells for an action. */
export function specMessage(action: SpecAction, parts: Readonly<Record<string, string | number>>): string {
  return MESSAGES[action].message.replace(/\{(\w+)\}/g, (_, name: string) => String(parts[name] ?? ''));
}
