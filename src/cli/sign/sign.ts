import { AppRegistry } from '../../apps/app-registry.js';
import { Clock } from '../../config/clock.js';
import { FactsReader } from '../../conversations/facts-reader.js';
import { LookUps } from '../../database/look-ups.js';
import { ACTIONS, type ActionName } from '../../signature/actions.js';
import { parseSignatureRequest } from '../../signature/signature-request.js';
import { type SignatureAnswer, SignatureService } from '../../signature/signature.service.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';

/** Nobody else waits for a command. */
const TIMEOUT_MS = 10_000;

export interface SignOptions {
  appId: string;
  clientId: string;
  conversionId?: string;
  members?: string;
  format?: string;
  explain?: true;
}

export async function run(io: Io, name: ActionName, options: SignOptions): Promise<void> {
  const request = parseSignatureRequest(
    name,
    {
      app_id: options.appId,
      client_id: options.clientId,
      conversion_id: options.conversionId,
      sorted_member_ids: options.members,
    },
    { format: options.format },
  );
  await withAdmin(io, async ({ dataSource, sealingKeys }) => {
    const lookUps = new LookUps(dataSource);
    const registry = new AppRegistry(dataSource, lookUps, new Clock(), sealingKeys);
    const signatures = new SignatureService(registry, new FactsReader(lookUps));
    const app = await registry.find(request.appId);
    const answer = JSON.parse(
      await signatures.sign(app, request, performance.now() + TIMEOUT_MS),
    ) as SignatureAnswer;
    if (options.explain) {
      const { conversion_id = '', sorted_member_ids = '', ...rest } = answer;
      const parts = { ...rest, conversion_id, sorted_member_ids, timestamp: String(answer.timestamp) };
      io.print(ACTIONS[name].message(parts));
    }
    io.printJson(answer);
  });
}
