import { pipeline } from 'node:stream/promises';
import { summarise } from '../../conversations/conversation-summary.js';
import { readMembers } from '../../conversations/members/export.js';
import type { Format } from '../../conversations/members/parse.js';
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
    const { stdout } = io.streams;
    await withOwnConnection(async (client) => {
      const lines = readMembers(client, appId, conversationId, format);
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
