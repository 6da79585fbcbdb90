import { pipeline } from 'node:stream/promises';
import { requireApp } from '../../apps/app-records.js';
import { summarise } from '../../conversations/conversation-summary.js';
import { exportMembers, type Format } from '../../conversations/members/export.js';
import { withOwnConnection } from '../../database/own-connection.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';

export interface ExportOptions {
  appId: string;
  conversationId?: string;
  format: Format;
}

export async function run(io: Io, { appId, conversationId, format }: ExportOptions): Promise<void> {
  await withAdmin(io, async ({ dataSource }) => {
    await requireApp(dataSource, appId);
    if (conversationId !== undefined && (await summarise(dataSource, appId, conversationId)) === undefined) {
      throw new Error(`no conversation "${conversationId}" is registered in the app "${appId}"`);
    }
    await withOwnConnection(dataSource, async (client) => {
      const lines = exportMembers(client, appId, conversationId, format);
      // The connection ends amid it when nobody reads any more.
      lines.on('error', () => undefined);
      // What is wrong with the output is told, or is not, where it is for every command: in main.ts.
      let outputFault: Error | undefined;
      io.streams.stdout.once('error', (error: Error) => {
        outputFault = error;
      });
      try {
        await pipeline(lines, io.streams.stdout, { end: false });
      } catch (error) {
        if (error !== outputFault) throw error;
      }
    });
  });
}
