import { type Command, Option } from 'commander';
import { addBan } from '../../conversations/bans.js';
import { endTokens } from '../../conversations/cutoffs.js';
import { withAdmin } from '../admin.js';
import { replacedText, untilText } from '../ban/commands.js';
import { DATABASE, details } from '../help.js';
import type { Io } from '../io.js';
import { APP_ID, CLIENT_ID, type ForApp, parseDuration, UsageError } from '../options.js';

/** `ban`: in seconds, or true for a permanent one. */
type EndOptions = ForApp & { clientId?: string; all?: true; ban?: number | true };

/** `client …`: ends what a client was given. */
export function clientCommands(program: Command, io: Io): void {
  const client = program
    .command('client')
    .description('end what was given to clients, at once and without a migration');
  client
    .command('end')
    .summary('end the tokens of a client')
    .description(
      'refuse, from now on, the tokens that were issued to a client until now, and say what is left to do at the IM server',
    )
    .requiredOption(...APP_ID)
    .option(...CLIENT_ID)
    .addOption(new Option('--all', 'the tokens of all clients of the app').conflicts(['clientId', 'ban']))
    .addOption(
      new Option(
        '--ban [duration]',
        'ban the client, too: for a number of s, m, h, d or w; without it for ever',
      ).argParser(parseDuration),
    )
    .addHelpText(
      'after',
      details({ reads: DATABASE, example: 'im-signature client end --app-id shop --client-id bob --ban 1d' }),
    )
    .action((options: EndOptions) => end(io, options));
}

async function end(io: Io, { appId, clientId, all, ban }: EndOptions): Promise<void> {
  if (clientId === undefined && all === undefined) throw new UsageError('give --client-id, or --all for every client');
  await withAdmin(io, async ({ dataSource, apps }) => {
    const app = await apps.require(appId);
    const { cutoff, banned } = await dataSource.transaction(async (transaction) => ({
      cutoff: await endTokens(transaction, { appId, clientId }),
      banned:
        clientId === undefined || ban === undefined
          ? undefined
          : await addBan(transaction, { appId, clientId, seconds: ban === true ? undefined : ban }),
    }));
    // A token of the second itself still counts, since `iat` counts in seconds.
    const second = new Date(Math.floor(cutoff.getTime() / 1000) * 1000);
    const whose = clientId === undefined ? 'every client' : `"${clientId}"`;
    io.printSuccess(`tokens of ${whose} issued before ${second.toISOString()} count no more in the app "${appId}"`);
    if (banned !== undefined) io.printSuccess(`"${clientId ?? ''}" is banned from it ${untilText(banned.ban)}`);
    if (banned?.replaced !== undefined) io.print(replacedText(banned.replaced));
    if (app.identity === 'none') {
      io.printWarning(
        `the app "${appId}" asks for no token, so nothing is ended: anyone gets a signature as any client`,
      );
    }
    io.print(
      'Left to do at the IM server: connections stay open, and signatures given before are good for 6 hours. ' +
        `Take ${clientId === undefined ? 'each client' : 'the client'} offline there; its master key is asked for:\n` +
        `  POST /1.2/rtm/clients/${clientId === undefined ? '<client id>' : encodeURIComponent(clientId)}/kick\n` +
        `  X-LC-Id: ${appId}\n  X-LC-Key: <master key>,master\n  {"reason": "signed out"}`,
    );
  });
}
