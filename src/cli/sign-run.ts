import { Bans } from '../conversations/bans.js';
import { ConversationRules } from '../conversations/conversation-rules.js';
import { now } from '../database/moment.js';
import { ACTIONS, type ActionName } from '../signature/actions.js';
import { requireMembers } from '../signature/members.js';
import { readAsked } from '../signature/signature-request.js';
import { SignatureService } from '../signature/signature.service.js';
import { withAdmin } from './admin-context.js';
import { print, printJson } from './output.js';

export interface SignOptions {
  appId: string;
  clientId: string;
  conversionId?: string;
  members?: string;
  format?: string;
  explain?: true;
}

export async function run(name: ActionName, options: SignOptions): Promise<void> {
  const asked = readAsked(
    name,
    {
      app_id: options.appId,
      client_id: options.clientId,
      conversion_id: options.conversionId,
      sorted_member_ids: options.members,
    },
    { format: options.format },
  );
  await withAdmin(async ({ registry, dataSource, feed }) => {
    const knownUntil = now();
    const app = await registry.find(asked.appId);
    await new Bans(dataSource, feed).refuseBanned(asked);
    requireMembers(name, asked.members, app.maxMembers);
    const signatures = new SignatureService(registry, new ConversationRules(dataSource, feed));
    const answer = await signatures.sign({ app, asked, knownUntil });
    if (options.explain) {
      const parts = {
        conversion_id: '',
        sorted_member_ids: '',
        ...answer,
        timestamp: String(answer.timestamp),
      };
      print(ACTIONS[name].message(parts));
    }
    printJson(answer);
  });
}
