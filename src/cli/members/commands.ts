import { Command, Option } from 'commander';
import type { Io } from '../io.js';
import { appId, parseId, parseText } from '../options.js';
import type { ExportOptions } from './export.js';
import type { ImportOptions } from './import.js';

const format = (description: string): Option =>
  new Option('--format <format>', description).choices(['csv', 'ndjson']);

/** `members …`: memberships in bulk. */
export function memberCommands(io: Io): Command {
  const members = new Command('members').description(
    'load memberships in bulk, and write what can be loaded',
  );
  members
    .command('import')
    .description(
      'load memberships in one transaction: CSV, with a header that names conversation_id, client_id and, if given, role ' +
        '(else everybody is a member), or NDJSON with the same names; exit code 1 if lines were rejected, while the others are loaded. ' +
        'Of lines about the same membership the first counts',
    )
    .argument('<file>', 'the file; - for standard input', parseText)
    .addOption(appId())
    .addOption(format('needed where the file is not called .csv, .ndjson or .jsonl'))
    .addOption(
      new Option(
        '--rejects <file>',
        'the file that is made, never overwritten, for lines that are not loaded, with their numbers and the reasons ' +
          '(default: <file>.rejected.ndjson; for standard input members.rejected.ndjson)',
      ).argParser(parseText),
    )
    .action(async (file: string, options: ImportOptions) =>
      (await import('./import.js')).run(io, file, options),
    );
  members
    .command('export')
    .description('write memberships, by conversation and client, to standard output')
    .addOption(appId())
    .addOption(new Option('--conversation-id <id>', 'only those in this conversation').argParser(parseId))
    .addOption(format('the format of the lines').default('csv'))
    .action(async (options: ExportOptions) => (await import('./export.js')).run(io, options));
  return members;
}
