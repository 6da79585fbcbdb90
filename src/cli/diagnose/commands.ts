import { Argument, type Command } from 'commander';
import { type ActionName, ACTIONS } from '../../signature/actions.js';
import { withAdmin } from '../admin.js';
import { DATABASE, details } from '../help.js';
import type { Io, OutputOptions } from '../io.js';
import { APP_ID, JSON_OUTPUT } from '../options.js';
import { signingParts } from '../signing-parts.js';

type DiagnoseOptions = OutputOptions &
  Record<'appId' | 'clientId' | 'timestamp' | 'nonce' | 'signature', string> &
  Partial<Record<'conversationId' | 'members' | 'appKey', string>>;

/** `diagnose`: why the IM server refused a signature. */
export function diagnoseCommand(program: Command, io: Io): void {
  program
    .command('diagnose')
    .summary('say why a signature was refused')
    .description('say whether a signature is right, or which mistake explains it; exit code 1 unless it is right')
    .addArgument(new Argument('<action>', 'the operation').choices(Object.keys(ACTIONS)))
    .requiredOption(...APP_ID)
    // Not checked as ids: what is wrong with them is what is asked.
    .requiredOption('--client-id <id>', 'the client')
    .option('--conversation-id <id>', 'the conversation')
    .option('--members <ids>', 'the member ids in the order in which the SDK sends them, joined with ":"')
    .requiredOption('--timestamp <text>', 'as it was sent')
    .requiredOption('--nonce <text>', 'as it was sent')
    .requiredOption('--signature <text>', 'as it was sent')
    .option('--app-key <key>', 'the App Key, to see whether it was taken for the Master Key')
    .option(...JSON_OUTPUT)
    .addHelpText(
      'after',
      details({
        reads: DATABASE,
        example:
          'im-signature diagnose login --app-id shop --client-id alice --timestamp 1795419134251 --nonce 6SsDAr3k --signature ced0f384…',
      }),
    )
    .action((action: ActionName, options: DiagnoseOptions) => diagnose(io, action, options));
}

async function diagnose(io: Io, action: ActionName, options: DiagnoseOptions): Promise<void> {
  const { appId, clientId, conversationId = '', members = '', timestamp, nonce, signature, appKey } = options;
  await withAdmin(io, async (admin) => {
    const { CheckerService } = await import('../../checker/checker.service.js');
    const { explain } = await import('../../checker/texts.js');
    const { splitMembers } = await import('../../signature/signature-request.js');
    const { registry } = await signingParts(admin);
    const checker = new CheckerService(registry);
    const claim = { action, appId, clientId, conversationId, members: splitMembers(members) };
    const diagnosis = await checker.diagnose({ ...claim, timestamp, nonce, signature }, appKey);
    if (diagnosis.verdict !== 'right') io.exitCode = 1;
    const explanations = explain(diagnosis);
    if (options.json) {
      io.printJson({ ...diagnosis, explanations });
      return;
    }
    for (const sentence of explanations) io.print(sentence);
    io.print(`To be signed: ${diagnosis.message}`);
  });
}
