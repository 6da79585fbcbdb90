import { buffer } from 'node:stream/consumers';
import { gzipSync } from 'node:zlib';
import { pack } from 'tar-stream';

/** A file of a class, as LeanCloud's data export has it. @param objects values, or lines as they stand. */
export function exportedClass(name: string, objects: readonly unknown[]): string {
  const lines = objects.map((object) => (typeof object === 'string' ? object : JSON.stringify(object)));
  return [`#filetype:JSON-streaming {"type":"Class","class":"${name}"}`, ...lines, ''].join('\n');
}

/** The whole export. @param files their texts by their names. */
export async function exportArchive(files: Readonly<Record<string, string>>): Promise<Buffer> {
  const archive = pack();
  archive.entry({ name: 'export/', type: 'directory' });
  for (const [name, text] of Object.entries(files)) archive.entry({ name: `export/${name}` }, text);
  archive.finalize();
  return gzipSync(await buffer(archive), { level: 1 });
}

/** The two classes of an export that are imported. */
export const exportOf = (conversations: readonly unknown[], roles: readonly unknown[] = []): Promise<Buffer> =>
  exportArchive({
    '_Conversation.0.jsonl': exportedClass('_Conversation', conversations),
    '_ConversationMemberInfo.0.jsonl': exportedClass('_ConversationMemberInfo', roles),
  });

/** An object with all the fields that LeanCloud gives one. */
export function conversation(objectId: string, m: unknown, fields: object = {}): object {
  const date = '2026-11-01T08:00:00.000Z';
  return {
    ...{ objectId, name: `Talk "${objectId}"`, m, lm: { __type: 'Date', iso: date }, createdAt: date, updatedAt: date },
    ...{ ACL: { '*': { read: true, write: true } }, attr: { m: ['not a member'] } },
    ...fields,
  };
}

export const memberInfo = (cid: string, clientId: string, role: string): object => ({
  ...{ objectId: `${cid}-${clientId}`, cid, clientId, role },
  createdAt: '2026-11-01T08:00:00.000Z',
});
