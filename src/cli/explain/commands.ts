import { type Command, Option } from 'commander';
import { PROBLEMS } from '../../problems/problem-error.js';
import { type Action, type ActionName, ACTIONS } from '../../signature/actions.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import { harmless, type Io, type OutputOptions } from '../io.js';
import { operationCommand, type OperationOptions, paramsOf } from '../operation-options.js';
import { JSON_OUTPUT } from '../options.js';
import { signingParts } from '../signing-parts.js';
import type { Judgement } from './judge.js';
import { parseSupposition, SUPPOSED, type Supposed } from './suppositions.js';

type ExplainOptions = OperationOptions & OutputOptions & { asIf?: Supposed[] };

/** `explain …`: why the service signs or refuses. */
export function explainCommands(program: Command, io: Io): void {
  const group = program
    .command('explain')
    .description('say why the service would sign or refuse, and what would allow it; nothing is signed');
  for (const [name, action] of Object.entries(ACTIONS) as [ActionName, Action][]) {
    const { command, example } = operationCommand(group, name, action);
    command
      .summary(`explain "${name}"`)
      .description(`judge "${name}" as the service does, check by check, with the rows that decide`)
      .addOption(new Option('--as-if <supposition>', `judge as if it were so: ${SUPPOSED}`).argParser(parseSupposition))
      .option(...JSON_OUTPUT)
      .addHelpText('after', details({ reads: DATABASE, example: example.join(' ') }))
      .action((options: ExplainOptions) => explain(io, name, options));
  }
}

async function explain(io: Io, name: ActionName, options: ExplainOptions): Promise<void> {
  const { parseSignatureRequest } = await import('../../signature/signature-request.js');
  const { judge } = await import('./judge.js');
  const request = parseSignatureRequest(name, paramsOf(options), {});
  const { asIf = [] } = options;
  await withAdmin(io, async (admin) => {
    const judgement = await judge({ ...admin, ...(await signingParts(admin)) }, request, asIf);
    if (options.json) {
      io.printJson({ action: name, ...paramsOf(options), as_if: asIf.map(({ text }) => text), ...judgement });
    } else print(io, judgement, asIf);
  });
}

function print(
  io: Io,
  { decision, signed, checks, rows, changes, similar }: Judgement,
  asIf: readonly Supposed[],
): void {
  if (asIf.length > 0) io.print(`as if ${asIf.map(({ text }) => text).join(', ')}:`);
  io.printTable(checks, {}, ({ check, passed, read }) => ({
    check,
    outcome: passed === false ? io.warning('refuses') : passed ? 'passes' : '',
    read: harmless(read),
  }));
  for (const { table, row } of rows) io.print(`row of ${table}: ${harmless(JSON.stringify(row))}`);
  if (decision === 'allowed') io.printSuccess('decision: allowed');
  else {
    const shadow = signed ? ', signed because the membership mode of the app is shadow' : '';
    io.print(`decision: ${io.warning(`${PROBLEMS[decision].status} ${decision}`)}${shadow}`);
  }
  if (similar !== undefined) {
    io.print(`there is a member "${harmless(similar)}": ids are compared as they are, case and blanks included`);
  }
  if (changes.length > 0) io.print(`to allow it: ${harmless(changes.join('; or '))}`);
  else if (decision !== 'allowed') io.print('no change of rows would allow it');
}
