import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { parse } from 'csv-parse/sync';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { MAX_LINE_BYTES, readExport } from '../../../src/conversations/leancloud/read.js';
import { Tally } from '../../../src/conversations/leancloud/rows.js';
import { conversation, exportArchive, exportedClass, exportOf, memberInfo } from '../../support/leancloud-export.js';

let folder: string;

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'im-signature-export-'));
});

afterAll(() => rm(folder, { recursive: true }));

interface Row extends Record<string, string> {
  what: string;
  line: string;
  kind: string;
  conversation_id: string;
  client_id: string;
  role: string;
  reject: string;
}

async function read(files: Readonly<Record<string, string | Buffer>>): Promise<{ rows: Row[]; tally: Tally }> {
  const paths: string[] = [];
  for (const [name, text] of Object.entries(files)) {
    paths.push(join(folder, name));
    await writeFile(join(folder, name), text);
  }
  const tally = new Tally();
  let csv = '';
  for await (const rows of readExport(paths, tally, () => undefined)) csv += rows;
  const columns = ['what', 'object', 'file', 'line', 'kind', 'conversation_id', 'client_id', 'role', 'reject'];
  return { rows: parse(csv, { columns }), tally };
}

const readConversations = (...lines: unknown[]): ReturnType<typeof read> =>
  read({ '_Conversation.0.jsonl': exportedClass('_Conversation', lines) });

const ID = fc
  .string({ unit: fc.oneof(fc.constantFrom('"', ',', ' ', '\\', '😀'), fc.string({ unit: 'grapheme', maxLength: 1 })) })
  .filter((text) => /^[^:\p{Cc}\p{Cs}]{1,64}$/u.test(text));

describe('an export of LeanCloud', () => {
  it('is read exactly, whatever is in its ids', async () => {
    const talk = fc.record({ id: ID, members: fc.uniqueArray(ID, { maxLength: 4 }) });
    await fc.assert(
      fc.asyncProperty(fc.array(talk, { maxLength: 5 }), async (talks) => {
        const objects = talks.map(({ id, members }) => conversation(id, members, { c: members[0] }));
        const { rows, tally } = await read({ 'property.tar.gz': await exportOf(objects) });
        expect(tally).toMatchObject({ conversations: talks.length, members: talks.flatMap((t) => t.members).length });
        const found = rows.map(({ what, conversation_id, client_id, role }) =>
          what === 'conversation' ? conversation_id : [client_id, role],
        );
        const expected = talks.flatMap(({ id, members }) => [
          id,
          ...members.map((member, i) => [member, i === 0 ? 'owner' : '']),
        ]);
        expect(found).toEqual(expected);
      }),
      { numRuns: 50 },
    );
  });

  it.each([
    ['ordinary', {}],
    ['ordinary', { tr: false, sys: false, unique: null }],
    ['unique', { unique: true, uniqueId: 'abc' }],
    ['chat room', { tr: true }],
    ['service', { sys: true, m: undefined }],
  ])('has a conversation that is %s: %j', async (kind, fields) => {
    const { rows } = await readConversations(conversation('c1', ['alice'], fields));
    expect(rows[0]).toMatchObject({ what: 'conversation', kind, conversation_id: 'c1', reject: '' });
  });

  it('has members of ordinary conversations only, and an owner who is one of them', async () => {
    const { rows, tally } = await readConversations(
      conversation('c1', ['alice', 'bob', 'alice'], { c: 'bob' }),
      conversation('c2', ['alice'], { c: 'zoe' }),
      conversation('c3', null, { c: '' }),
      conversation('room', ['alice', 'bob'], { tr: true, c: 'zoe' }),
    );
    expect(rows.map(({ what, kind, client_id, role }) => [what, kind, client_id, role])).toEqual([
      ['conversation', 'ordinary', '', ''],
      ['member', '', 'alice', ''],
      ['member', '', 'bob', 'owner'],
      ['conversation', 'ordinary', '', 'absent'],
      ['member', '', 'alice', ''],
      ['conversation', 'ordinary', '', ''],
      ['conversation', 'chat room', '', ''],
    ]);
    expect(tally).toMatchObject({ conversations: 4, members: 4, repeatedMembers: 1, ignoredMembers: 2 });
  });

  it.each([
    ['nonsense', /^is no JSON$/, 'unknown'],
    ['["c1"]', /^is no JSON object$/, 'unknown'],
    ['{"m":["a"]}', /^objectId is missing$/, 'unknown'],
    ['{"objectId":7,"m":["a"]}', /^objectId is no text$/, 'unknown'],
    ['{"objectId":"a:b","m":["a"]}', /^objectId contains ":"/, ''],
    ['{"objectId":1234567890123456789, "m":["a"]}', /^objectId is no text$/, 'unknown'],
    ['{"objectId":"c1","m":"a"}', /^m is no array$/, ''],
    ['{"objectId":"c1","c":7}', /^c is no text$/, ''],
    ['{"objectId":"c1","tr":"true"}', /^tr is neither true nor false$/, ''],
    ['{"objectId":"c1","sys":1}', /^sys is neither true nor false$/, ''],
    ['{"objectId":"c1","unique":"yes"}', /^unique is neither true nor false$/, ''],
  ])('has the line %s, which is rejected with its number and the reason', async (line, reason, kind) => {
    const { rows, tally } = await readConversations('', line, conversation('c2', []));
    expect(rows).toHaveLength(2);
    expect(rows[0]).toMatchObject({ what: 'conversation', line: '3', kind });
    const reject = JSON.parse(rows[0]?.reject ?? '') as Record<string, string>;
    expect(reject.reason).toMatch(reason);
    expect(reject.text).toBe(line);
    expect(tally.conversations).toBe(2);
  });

  it.each([
    ['{"clientId":"a","role":"Owner"}', /^cid is missing$/],
    ['{"cid":"c1","clientId":"a\\u0000","role":"Owner"}', /^clientId contains a control character$/],
    ['{"cid":"c1","clientId":"a","role":"owner"}', /^role is none of Owner, Manager and Member$/],
    ['{"cid":"c1","clientId":"a","role":"constructor"}', /^role is none of/],
    ['{"cid":"c1","clientId":"a"}', /^role is none of/],
  ])('has the role %s, which is rejected', async (line, reason) => {
    const { rows, tally } = await read({
      'roles.tar.gz': await exportOf([], [line, memberInfo('c1', 'b', 'Manager')]),
    });
    expect((JSON.parse(rows[0]?.reject ?? '') as { reason: string }).reason).toMatch(reason);
    expect(rows[1]).toMatchObject({ what: 'role', conversation_id: 'c1', client_id: 'b', role: 'manager' });
    expect(tally.roles).toBe(2);
  });

  it('has members that are no ids: each is rejected, the others are not', async () => {
    const wrong = ['a:b', '', 7, null, 'x'.repeat(65), '\ud800', 'a\n'];
    const { rows, tally } = await readConversations(conversation('c1', ['alice', ...wrong, 'bob']));
    const members = rows.filter(({ what }) => what === 'member');
    expect(members.filter(({ reject }) => reject === '').map(({ client_id }) => client_id)).toEqual(['alice', 'bob']);
    const rejects = members.filter(({ reject }) => reject !== '').map(({ reject }) => JSON.parse(reject) as object);
    expect(rejects).toHaveLength(wrong.length);
    expect(rejects[0]).toEqual({
      reason: expect.stringMatching(/^a member in m contains ":"/) as string,
      conversation_id: 'c1',
      id: 'a:b',
    });
    expect(tally).toMatchObject({ members: wrong.length + 2, badIds: 5 });
  });

  it('has an answer of the REST API, in a file whose name says the class', async () => {
    const results = [conversation('r1', ['alice']), 5, conversation('r2', ['bob'])];
    const answer = JSON.stringify({ results, cursor: 'abc' });
    const { rows } = await read({ '_Conversation.json': `${answer}\n${answer}` });
    expect(rows.map(({ what, line, conversation_id }) => `${what} ${line} ${conversation_id}`.trim())).toEqual([
      ...['conversation 1 r1', 'member', 'conversation 1', 'conversation 1 r2', 'member'],
      ...['conversation 2 r1', 'member', 'conversation 2', 'conversation 2 r2', 'member'],
    ]);
  });

  it('has a class that the first line says, whatever the file is called, and may be compressed alone', async () => {
    const text = exportedClass('_Conversation', [conversation('c1', ['alice'])]);
    const { rows } = await read({
      'talks.txt': `\ufeff${text.replaceAll('\n', '\r\n')}`,
      'Todo.0.jsonl.gz': gzipSync(text),
    });
    expect(rows.map(({ what }) => what)).toEqual(['conversation', 'member', 'conversation', 'member']);
  });

  it('has other classes in its archive, whose lines are counted', async () => {
    const { rows, tally } = await read({
      'all.tar.gz': await exportArchive({
        '_User.0.jsonl': exportedClass('_User', [{ objectId: 'u1' }, 'nonsense']),
        '_Conversation.0.jsonl': exportedClass('_Conversation', []),
        'Todo.0.jsonl': `${exportedClass('To\u001b\u202edo', [{}]).replace('\u001b', '\\u001b')}\n`,
        'Empty.0.jsonl': '',
        'README.md': '# Our export\n\nAsk Bob.\n',
      }),
    });
    expect(rows).toEqual([]);
    expect([...tally.otherClasses]).toEqual([
      ['_User', 2],
      // Nothing that a terminal would take for a command or for the direction of the text.
      ['To\ufffd\ufffddo', 1],
      ['README', 2],
    ]);
  });

  it('has lines of at most 64 MiB; a longer one is rejected, and the next is read', async () => {
    const long = Buffer.alloc(MAX_LINE_BYTES + 1, 'x');
    const next = Buffer.from(`\n${JSON.stringify(conversation('c1', []))}`);
    const { rows } = await read({ '_Conversation.0.jsonl': Buffer.concat([long, next]) });
    expect(rows.map(({ conversation_id }) => conversation_id)).toEqual(['', 'c1']);
    const { reason, text } = JSON.parse(rows[0]?.reject ?? '') as Record<string, string>;
    expect(reason).toMatch(/^has 67108865 bytes, 67108864 are allowed/);
    expect(text).toHaveLength(200);
    await rm(join(folder, '_Conversation.0.jsonl'));
  });
});

describe('what is no export of conversations', () => {
  const archive = exportOf(Array.from({ length: 500 }, (_, i) => conversation(`c${i * i}`, [`m${i}`])));
  const cases: Record<string, [string, () => Promise<string | Buffer>, RegExp]> = {
    'an archive that is cut off': [
      'cut.tar.gz',
      async () => (await archive).subarray(0, -3000),
      /cut\.tar\.gz is cut off; export or copy it again$/,
    ],
    'an archive that lacks only its last byte': [
      'cut.tgz',
      async () => (await archive).subarray(0, -1),
      /cut\.tgz is cut off/,
    ],
    'a compressed file that is cut off': [
      '_Conversation.jsonl.gz',
      () => Promise.resolve(gzipSync('{"objectId":"c1"}').subarray(0, -4)),
      /_Conversation\.jsonl\.gz is cut off/,
    ],
    'an archive that is damaged': [
      'damaged.tar.gz',
      async () =>
        Buffer.concat([(await archive).subarray(0, 2000), Buffer.alloc(99, 7), (await archive).subarray(2099)]),
      /damaged\.tar\.gz is damaged, or not what its name says/,
    ],
    'a file that is called an archive': [
      'false.tar.gz',
      () => Promise.resolve('{"objectId":"c1"}'),
      /false\.tar\.gz is damaged, or not what its name says/,
    ],
    'a compressed file that is called an archive': [
      'single.tar.gz',
      () => Promise.resolve(gzipSync('{"objectId":"c1"}'.repeat(100))),
      /single\.tar\.gz is damaged, or not what its name says/,
    ],
    'an archive without conversations': [
      'users.tar.gz',
      () => exportArchive({ '_User.0.jsonl': exportedClass('_User', [{}]) }),
      /^there is no file of the class _Conversation$/,
    ],
    'a file of roles alone': [
      '_ConversationMemberInfo.0.jsonl',
      () => Promise.resolve(exportedClass('_ConversationMemberInfo', [])),
      /^there is no file of the class _Conversation$/,
    ],
    'a file of another class': [
      '_Conversation.1.jsonl',
      () => Promise.resolve(exportedClass('_User', [{}])),
      /_Conversation\.1\.jsonl is of the class _User, not _Conversation or _ConversationMemberInfo$/,
    ],
    'a file of another class, by its name': [
      'Todo.0.jsonl',
      () => Promise.resolve(''),
      /Todo\.0\.jsonl is of the class Todo, not/,
    ],
    'a file whose first line names no class': [
      '_Conversation.2.jsonl',
      () => Promise.resolve('#filetype:JSON-streaming {"type":"Class"}\n'),
      /_Conversation\.2\.jsonl begins with a line that names no class/,
    ],
    'a backup in BSON': [
      '_Conversation.bson.gz',
      () => Promise.resolve(''),
      /_Conversation\.bson\.gz is a backup, in BSON; name a file of the data export, which is JSON$/,
    ],
    'JSON that is spread over lines': [
      '_Conversation.json',
      () => Promise.resolve(JSON.stringify({ results: [conversation('c1', [])] }, null, 2)),
      /_Conversation\.json has its JSON over several lines; put it on one, with jq --compact-output/,
    ],
  };

  it.each(Object.keys(cases))('%s is refused, and named', async (name) => {
    const [file, content, fault] = cases[name] ?? ['', () => Promise.resolve(''), /^$/];
    await expect(content().then((bytes) => read({ [file]: bytes }))).rejects.toThrow(fault);
  });
});
