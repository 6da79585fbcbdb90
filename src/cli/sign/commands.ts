import { type Command, Option } from 'commander';
import { type ProblemCode, ProblemError } from '../../problems/problem-error.js';
import { type Action, type ActionName, ACTIONS } from '../../signature/actions.js';
import type { SignatureAnswer } from '../../signature/signature.service.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import type { Io } from '../io.js';
import { APP_ID, CLIENT_ID, CONVERSATION_ID, type ForClient } from '../options.js';

/** Milliseconds. */
const TIMEOUT = 10_000;

type SignOptions = ForClient & Partial<Record<'conversationId' | 'members' | 'format', string>> & { explain?: true };

/** `sign …`: a signature from the command line, for trying things out. All is checked but the caller's identity. */
export function signCommands(program: Command, io: Io): void {
  const signing = program
    .command('sign')
    .description('sign as the service would, bans and conversation rules included; no token is asked for');
  for (const [name, action] of Object.entries(ACTIONS) as [ActionName, Action][]) {
    const command = signing
      .command(name)
      .summary(`sign "${name}"`)
      .description(`sign "${name}", as GET /signature/${name}/… does`)
      .requiredOption(...APP_ID)
      .requiredOption(...CLIENT_ID);
    const example = ['im-signature', 'sign', name, '--app-id', 'shop', '--client-id', 'alice'];
    // The second name is the wire's.
    if (action.conversation) {
      const [flags, ...rest] = CONVERSATION_ID;
      command.requiredOption(`--conversion-id, ${flags}`, ...rest);
      example.push('--conversation-id', 'c1');
    }
    if (action.members !== 'none') {
      const members = new Option('--members <ids>', 'sorted member ids, joined with ":"');
      command.addOption(members.makeOptionMandatory(action.members === 'at least one'));
      example.push('--members', 'bob:carol');
    }
    command
      .option('--format <format>', 'sdk: integer milliseconds')
      .option('--explain', 'print the signed message, on a line before')
      .addHelpText('after', details({ reads: DATABASE, example: example.join(' ') }))
      .action((options: SignOptions) => sign(io, name, options).catch(throwWithRemedy));
  }
}

/** What an administrator can do about a refusal. */
const REMEDIES: Partial<Record<ProblemCode, string>> = {
  app_not_found: '"im-signature app list" lists the registered ones',
  app_disabled: '"im-signature app enable" writes the migration that enables it',
  client_banned: '"im-signature ban remove" lifts the ban',
  member_banned: '"im-signature ban remove" lifts the ban',
  not_permitted: '"im-signature conversation show" shows its rules, owners and managers',
  conversation_unknown: 'register it with a row in the table conversations',
  unavailable: '"im-signature app check" checks its keys',
  conversation_full: '"im-signature conversation show" shows its limit and how many members it has',
};

function throwWithRemedy(error: unknown): never {
  if (!(error instanceof ProblemError)) throw error;
  const { code, message, cause } = error;
  const reason = cause instanceof Error ? `${message} ${cause.message}` : message;
  const remedy = REMEDIES[code];
  throw new Error(reason.replace(/\.$/, '') + (remedy === undefined ? '' : `; ${remedy}`), { cause: error });
}

async function sign(io: Io, name: ActionName, options: SignOptions): Promise<void> {
  const { parseSignatureRequest } = await import('../../signature/signature-request.js');
  const { appId: app_id, clientId: client_id, conversationId: conversion_id, members: sorted_member_ids } = options;
  const params = { app_id, client_id, conversion_id, sorted_member_ids };
  const request = parseSignatureRequest(name, params, { format: options.format });
  await withAdmin(io, async ({ dataSource, sealingKeys }) => {
    const { AppRegistry } = await import('../../apps/app-registry.js');
    const { Clock } = await import('../../config/clock.js');
    const { FactsReader } = await import('../../conversations/facts-reader.js');
    const { LookUps } = await import('../../database/look-ups.js');
    const { SignatureService } = await import('../../signature/signature.service.js');
    const lookUps = new LookUps(dataSource);
    const registry = new AppRegistry(dataSource, lookUps, new Clock(), sealingKeys);
    const service = new SignatureService(registry, new FactsReader(lookUps));
    const app = await registry.find(request.appId);
    const { body, shadowRefusal } = await service.sign(app, request, undefined, performance.now() + TIMEOUT);
    const answer = JSON.parse(body) as SignatureAnswer;
    if (shadowRefusal !== undefined) {
      io.printWarning(
        `signed because the membership mode of the app is shadow; enforced, it would be ${shadowRefusal}`,
      );
    }
    if (options.explain) {
      const { conversion_id = '', sorted_member_ids = '', ...rest } = answer;
      const parts = { ...rest, conversion_id, sorted_member_ids, timestamp: String(answer.timestamp) };
      io.print(ACTIONS[name].message(parts));
    }
    io.printJson(answer);
  });
}
