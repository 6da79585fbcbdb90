import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';
import type { Command } from 'commander';
import type { RulesFile } from '../../conversations/rules-test/parse.js';
import { ACTIONS } from '../../signature/actions.js';
import { details } from '../help.js';
import type { Io, OutputOptions } from '../io.js';
import { Faults, JSON_OUTPUT } from '../options.js';

/** `rules …`: what the rules of conversations decide. */
export function rulesCommands(program: Command, io: Io): void {
  const rules = program.command('rules').description('test the rules of conversations');
  rules
    .command('test')
    .summary('test rules')
    .description(
      'judge operations by rows that a file lists, as the service would; needs no database and no settings. ' +
        'Exit code 1 unless every decision is the expected one',
    )
    .argument('<file>', 'rows and tests in YAML; docs/backend.md says what it may hold')
    .option(...JSON_OUTPUT)
    .addHelpText('after', details({ example: 'im-signature rules test examples/rules.yaml' }))
    .action((file: string, options: OutputOptions) => test(io, file, options));
}

async function test(io: Io, file: string, { json }: OutputOptions): Promise<void> {
  const rules = await parse(file);
  const { judge } = await import('../../conversations/rules-test/judge.js');
  const { asJson, printVerdicts } = await import('./report.js');
  const verdicts = judge(rules);
  if (!verdicts.every(({ isAsExpected }) => isAsExpected)) io.exitCode = 1;
  if (json) io.printJson(asJson(file, rules, verdicts));
  else printVerdicts(io, file, rules, verdicts);
}

/** @throws {Error} that names the file, and the place in it. */
async function parse(file: string): Promise<RulesFile> {
  const text = read(file);
  const { parseRules } = await import('../../conversations/rules-test/parse.js');
  const { FileFaults } = await import('../../conversations/rules-test/yaml-reader.js');
  try {
    return parseRules(text, ACTIONS);
  } catch (error) {
    if (!(error instanceof FileFaults)) throw error;
    throw new Faults(error.faults.map(({ line, column, message }) => `${file}:${line}:${column}: ${message}`));
  }
}

/** @returns the text without a byte order mark. */
function read(file: string): string {
  let bytes: Buffer;
  try {
    bytes = readFileSync(file);
  } catch (error) {
    throw new Error(`${file} cannot be read (${(error as NodeJS.ErrnoException).code ?? ''})`, { cause: error });
  }
  if (isUtf8(bytes)) return new TextDecoder().decode(bytes);
  // No byte of a longer character is a line break.
  const lines = bytes.toString('latin1').split('\n');
  const wrong = lines.findIndex((line) => !isUtf8(Buffer.from(line, 'latin1')));
  const column =
    Buffer.from(lines[wrong] ?? '', 'latin1')
      .toString()
      .indexOf('\ufffd') + 1;
  throw new Error(`${file}:${wrong + 1}:${column}: is not UTF-8`);
}
