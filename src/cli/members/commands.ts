import { pipeline } from 'node:stream/promises';
import { type Command, Option } from 'commander';
import { summarise } from '../../conversations/conversation-summary.js';
import { readMembers } from '../../conversations/members/export.js';
import type { Format } from '../../conversations/members/parse.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import type { Io } from '../io.js';
import { APP_ID, CONVERSATION_ID, type ForApp, parseText } from '../options.js';
import { importMembers, type ImportOptions } from './import.js';

type ExportOptions = ForApp & { conversationId?: string; format: Format };

/** `members …`: memberships in bulk. */
export function memberCommands(program: Command, io: Io): void {
  const members = program.command('members').description('import and export memberships in bulk');
  members
    .command('import')
    .summary('import memberships')
    .description(
      'load memberships in one transaction: CSV, with a header that names conversation_id, client_id and, if given, role ' +
        '(default: member), or NDJSON with the same names. Conversations must be registered first, or ' +
        '--create-conversations given. Of lines about the same membership the first counts. Exit code 3 if some lines were ' +
        'rejected and the others loaded, 1 if nothing was loaded',
    )
    .argument('<file>', 'the file; - for standard input', parseText)
    .requiredOption(...APP_ID)
    .addOption(format('needed where the file is not called .csv, .ndjson or .jsonl'))
    .option('--create-conversations', 'register conversations that are not registered, with the default rules')
    .option(
      '--rejects <file>',
      'the file that is made, never overwritten, for lines that are not loaded, with their numbers and the reasons ' +
        '(default: <file>.rejected.ndjson; for standard input members.rejected.ndjson)',
      parseText,
    )
    .addHelpText(
      'after',
      details({
        stdin: 'Where the file is "-": the memberships, in the format that --format names.',
        reads: DATABASE,
        example: 'im-signature members import --app-id shop members.csv',
      }),
    )
    .action((file: string, options: ImportOptions) => importMembers(io, file, options));
  members
    .command('export')
    .summary('export memberships')
    .description('write memberships, by conversation and client, to standard output')
    .requiredOption(...APP_ID)
    .option(CONVERSATION_ID[0], 'only those in this conversation', CONVERSATION_ID[2])
    .addOption(format('the format of the lines').default('csv'))
    .addHelpText('after', details({ reads: DATABASE, example: 'im-signature members export --app-id shop' }))
    .action((options: ExportOptions) => exportMembers(io, options));
}

function format(description: string): Option {
  return new Option('--format <format>', description).choices(['csv', 'ndjson']);
}

async function exportMembers(io: Io, { appId, conversationId, format }: ExportOptions): Promise<void> {
  await withAdmin(io, async ({ apps, dataSource, withOwnConnection }) => {
    await apps.require(appId);
    if (conversationId !== undefined && (await summarise(dataSource, appId, conversationId)) === undefined) {
      throw new Error(
        `no conversation "${conversationId}" is registered in the app "${appId}"; leave --conversation-id out to export all`,
      );
    }
    const { stdout } = io.streams;
    await withOwnConnection(async (client) => {
      const lines = await readMembers(client, appId, conversationId, format);
      // When the reader of the output stops, the connection ends while rows are still arriving.
      lines.on('error', () => undefined);
      // Errors of the output are reported in main.ts, for every command alike.
      let outputError: unknown;
      stdout.once('error', (error) => (outputError = error));
      await pipeline(lines, stdout, { end: false }).catch((error: unknown) => {
        if (error !== outputError) throw error;
      });
    });
  });
}
