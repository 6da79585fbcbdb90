import { pipeline } from 'node:stream/promises';
import { summarise } from '../../conversations/conversation-summary.js';
import { type Format, readMembers } from '../../conversations/members/export.js';
import { withAdmin } from '../admin.js';
import type { Io } from '../io.js';
import type { ForApp } from '../options.js';

export interface ExportOptions extends ForApp {
  conversationId?: string;
  format: Format;
}

export async function exportMembers(io: Io, { appId, conversationId, format }: ExportOptions): Promise<void> {
  await withAdmin(io, async ({ apps, dataSource, withOwnConnection }) => {
    await apps.require(appId);
    if (conversationId !== undefined && (await summarise(dataSource, appId, conversationId)) === undefined) {
      throw new Error(`no conversation "${conversationId}" is registered in the app "${appId}"`);
    }
    await withOwnConnection(async (client) => {
      const lines = readMembers(client, appId, conversationId, format);
      // The connection ends in the middle of it when the reader stops reading.
      lines.on('error', () => undefined);
      // Faults of the output are reported in main.ts, for every command alike.
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
