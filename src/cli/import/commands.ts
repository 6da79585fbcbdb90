import type { Command } from 'commander';
import { DATABASE, details } from '../help.js';
import type { Io } from '../io.js';
import { APP_ID, parseText } from '../options.js';
import { importLeancloud, type LeancloudOptions } from './leancloud.js';

/** `import …`: what other platforms export. */
export function importCommands(program: Command, io: Io): void {
  program
    .command('import')
    .description('import what another platform exports')
    .command('leancloud')
    .summary("import a LeanCloud export's conversations")
    .description(
      "make the conversations and memberships of an app those of LeanCloud's data export, in one transaction. Ordinary " +
        'conversations are registered with the default rules; the rules of registered ones are kept. Chat rooms and service ' +
        'conversations are counted and not registered. A later run with a newer export brings what differs. Exit code 3 if some ' +
        'objects were rejected and the others loaded, 1 if nothing was loaded',
    )
    .argument(
      '<files...>',
      'the export: an archive (.tar.gz), or files of the classes _Conversation and _ConversationMemberInfo (.jsonl, .json, also .gz)',
      (file, files: readonly string[] | undefined) => [...(files ?? []), parseText(file)],
    )
    .requiredOption(...APP_ID)
    .option('--dry-run', 'read everything and say what would be done; write nothing')
    .option('--remove', 'remove members, and conversations with their members, that the export does not have')
    .option(
      '--rejects <file>',
      'the file for what is not loaded, with file, line and reason; it replaces that of the last import, and no other file ' +
        '(default: <first file>.rejected.ndjson)',
      parseText,
    )
    .addHelpText(
      'after',
      details({ reads: DATABASE, example: 'im-signature import leancloud --app-id shop --dry-run export.tar.gz' }),
    )
    .action((files: string[], options: LeancloudOptions) => importLeancloud(io, files, options));
}
