import { Command, Option } from 'commander';
import type { Io } from '../io.js';
import { APP_ID, parseId, parseText } from '../options.js';
import { exportMembers, type ExportOptions } from './export.js';
import { importMembers, type ImportOptions } from './import.js';

/** `members …`: memberships in bulk. */
export function memberCommands(io: Io): Command {
  const members = new Command('members').description('import and export memberships in bulk');
  members
    .command('import')
    .description(
      'load memberships in one transaction: CSV, with a header that names conversation_id, client_id and, if given, role ' +
        '(default: member), or NDJSON with the same names; exit code 1 if lines were rejected, while the others are loaded. ' +
        'Of lines about the same membership the first counts',
    )
    .argument('<file>', 'the file; - for standard input', parseText)
    .requiredOption(...APP_ID)
    .addOption(format('needed where the file is not called .csv, .ndjson or .jsonl'))
    .option(
      '--rejects <file>',
      'the file that is made, never overwritten, for lines that are not loaded, with their numbers and the reasons ' +
        '(default: <file>.rejected.ndjson; for standard input members.rejected.ndjson)',
      parseText,
    )
    .action((file: string, options: ImportOptions) => importMembers(io, file, options));
  members
    .command('export')
    .description('write memberships, by conversation and client, to standard output')
    .requiredOption(...APP_ID)
    .option('--conversation-id <id>', 'only those in this conversation', parseId)
    .addOption(format('the format of the lines').default('csv'))
    .action((options: ExportOptions) => exportMembers(io, options));
  return members;
}

function format(description: string): Option {
  return new Option('--format <format>', description).choices(['csv', 'ndjson']);
}
