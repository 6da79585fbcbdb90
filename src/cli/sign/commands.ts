import type { Command } from 'commander';
import { type ProblemCode, ProblemError } from '../../problems/problem-error.js';
import { type Action, type ActionName, ACTIONS } from '../../signature/actions.js';
import type { SignatureAnswer } from '../../signature/signature.service.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import type { Io } from '../io.js';
import { operationCommand, type OperationOptions, paramsOf } from '../operation-options.js';
import { signingParts } from '../signing-parts.js';

/** Milliseconds. */
const TIMEOUT = 10_000;

type SignOptions = OperationOptions & { explain?: true };

/** `sign …`: a signature from the command line, for trying things out. All is checked but the caller's identity. */
export function signCommands(program: Command, io: Io): void {
  const signing = program
    .command('sign')
    .description('sign as the service would, bans and conversation rules included; no token is asked for');
  for (const [name, action] of Object.entries(ACTIONS) as [ActionName, Action][]) {
    const { command, example } = operationCommand(signing, name, action);
    command
      .summary(`sign "${name}"`)
      .description(`sign "${name}", as GET /signature/${name}/… does`)
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
  not_permitted: '"im-signature explain" says what would allow it',
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
  const request = parseSignatureRequest(name, paramsOf(options), { format: options.format });
  await withAdmin(io, async (admin) => {
    const { SignatureService } = await import('../../signature/signature.service.js');
    const { registry, facts } = await signingParts(admin);
    const service = new SignatureService(registry, facts);
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
