import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { REFUSALS } from '../../src/conversations/decision.js';
import { parseRules } from '../../src/conversations/rules-test/parse.js';
import { ACTIONS } from '../../src/signature/actions.js';
import { type Admin, type Finished, makeAdmin } from '../support/admin.js';

const EXAMPLE = join(import.meta.dirname, '../../examples/rules.yaml');

let admin: Admin;
const folder = mkdtempSync(join(tmpdir(), 'im-signature-rules-'));

beforeAll(async () => {
  // Any other command would refuse such settings.
  admin = await makeAdmin({ DATABASE_URL: '', SECRETS_KEY: '' });
});

afterAll(async () => {
  await admin.remove();
  rmSync(folder, { recursive: true });
});

const file = (content: string | Buffer): string => {
  writeFileSync(join(folder, 'rules.yaml'), content);
  return join(folder, 'rules.yaml');
};
const testRules = (...args: string[]): Promise<Finished> => admin.im(['rules', 'test', ...args]);

describe('the example of rules', () => {
  it('is as expected, with a line for each test', async () => {
    const { code, stdout, stderr } = await testRules(EXAMPLE);
    expect({ code, stderr }).toEqual({ code: 0, stderr: '' });
    const { tests } = parseRules(readFileSync(EXAMPLE, 'utf8'), ACTIONS);
    const lines = stdout.trimEnd().split('\n');
    expect(lines.slice(0, -1)).toEqual(
      tests.map(({ name = '' }) => expect.stringMatching(`^✓ ${name}( \\(|$)`) as string),
    );
    expect(lines.at(-1)).toBe(`${tests.length} tests: ${tests.length} as expected`);
  });

  it('shows each action, and each refusal that its membership knows', () => {
    const { tests } = parseRules(readFileSync(EXAMPLE, 'utf8'), ACTIONS);
    expect(new Set(tests.map(({ operation }) => operation.action))).toEqual(new Set(Object.keys(ACTIONS)));
    const expected = REFUSALS.filter((refusal) => refusal !== 'conversation_unknown');
    expect(new Set(tests.map((test) => test.expected))).toEqual(new Set(['allowed', ...expected]));
  });
});

describe('the file that a page shows', () => {
  it.each(['docs/backend.md', 'docs/zh/backend.md'])(
    'in %s is judged as it says there, and told as there when a rule changes',
    async (page) => {
      const text = readFileSync(join(import.meta.dirname, '../..', page), 'utf8');
      const [, yaml = ''] = /^cat > rules\.yaml <<END\n(.*?)^END$/ms.exec(text) ?? [];
      const [, printed = ''] = /^```text\n(✓.*?)^```$/ms.exec(text) ?? [];
      const [, failure = ''] = /^```\n(✗.*?)^```$/ms.exec(text) ?? [];
      expect(await testRules(file(yaml))).toEqual({ code: 0, stdout: printed, stderr: '' });
      const path = file(yaml.replace('invite_rule: manager', 'invite_rule: member'));
      const { code, stdout } = await testRules(path);
      expect(code).toBe(1);
      expect(stdout).toContain(failure.replace('rules.yaml', path));
    },
  );
});

const FAILING = `conversations:
  c1: { invite_rule: manager, member_limit: 3, members: { alice: owner, bob: member } }
bans: [mallory]
tests:
  - name: a member may invite
    client: bob
    action: invite
    conversation: c1
    members: [carol, mallory]
    expect: allowed
  - { client: bob, action: invite, conversation: c1, members: [carol], expect: allowed }
  - { client: bob, action: query, conversation: c1, expect: allowed }
  - { client: bob, action: query, conversation: c2, expect: allowed }
  - { client: mallory, action: login, expect: allowed }
`;

describe('a decision that is not the expected one', () => {
  it('is told with its line, what was expected, what is decided, and the roles and rules that it rests on', async () => {
    const path = file(FAILING);
    const { code, stdout, stderr } = await testRules(path);
    expect({ code, stderr }).toEqual({ code: 1, stderr: '' });
    expect(stdout).toBe(`✗ ${path}:5:5: a member may invite
    expected allowed, decided member_banned
    bob: member; carol: no member; mallory: banned
    c1: join_rule invited, invite_rule manager, kick_rule manager, member_limit 3, members 2
    membership where-registered
✗ ${path}:11:5: bob: invite carol in c1: allowed
    expected allowed, decided not_permitted
    bob: member; carol: no member
    c1: join_rule invited, invite_rule manager, kick_rule manager, member_limit 3, members 2
    membership where-registered
✓ bob: query in c1: allowed
✓ bob: query in c2: allowed (c2 is not registered)
✗ ${path}:14:5: mallory: login: allowed
    expected allowed, decided client_banned
    mallory: banned
5 tests: 2 as expected, 3 not
`);
  });

  it('is told to programs, too', async () => {
    const path = file(FAILING);
    const { code, stdout } = await testRules(path, '--json');
    expect(code).toBe(1);
    const told = JSON.parse(stdout) as { tests: unknown[] };
    expect(told).toMatchObject({ file: path, membership: 'where-registered', as_expected: false });
    expect(told.tests).toHaveLength(5);
    expect(told.tests.slice(1, 3)).toEqual([
      {
        name: null,
        line: 11,
        column: 5,
        client_id: 'bob',
        action: 'invite',
        conversation_id: 'c1',
        members: ['carol'],
        expected: 'allowed',
        decided: 'not_permitted',
        as_expected: false,
        conversation: {
          join_rule: 'invited',
          invite_rule: 'manager',
          kick_rule: 'manager',
          member_limit: 3,
          member_count: 2,
        },
        clients: [
          { client_id: 'bob', role: 'member', banned: false },
          { client_id: 'carol', role: null, banned: false },
        ],
      },
      expect.objectContaining({ decided: 'allowed', as_expected: true }),
    ]);
    expect((await testRules(EXAMPLE, '--json')).code).toBe(0);
  });

  it('names some of a long list', async () => {
    const ids = Array.from({ length: 500 }, (_, i) => `c${i}`).join(', ');
    const test = `{ client: me, action: invite, conversation: c1, members: [${ids}], expect: conversation_unknown }`;
    const { stdout } = await testRules(file(`membership: required\nbans: [c0]\ntests:\n  - ${test}\n`));
    expect(stdout).toContain('me: invite c0, c1, c2, c3, c4, c5, c6, c7, c8, c9, and 490 more in c1');
    expect(stdout).toContain('c8: not banned; and 491 more\n');
  });
});

describe('what a file says', () => {
  it('does not turn the line of a terminal or a log around', async () => {
    const test =
      '{ name: "n\u202ex", client: "a\u202eb", action: query, conversation: "c\u2066d", expect: client_banned }';
    expect((await testRules(file(`tests:\n  - ${test}\n`))).stdout).not.toMatch(/\p{Bidi_Control}/u);
  });
});

describe('a file that cannot be judged', () => {
  it('is refused with a line for each fault, at its place, with --json, too', async () => {
    const path = file(`membership: off\ntest: []\n`);
    for (const args of [[path], [path, '--json']]) {
      expect(await testRules(...args)).toEqual({
        code: 1,
        stdout: '',
        stderr:
          `im-signature: cannot test rules: ${path}:1:1: the file needs the field tests\n` +
          `im-signature: cannot test rules: ${path}:2:1: the file has no field "test"; it has membership, conversations, bans, tests\n`,
      });
    }
  });

  it('is refused where it is no file, or not UTF-8', async () => {
    mkdirSync(join(folder, 'folder'));
    expect(await admin.fails(['rules', 'test', join(folder, 'none')])).toMatch(/\/none cannot be read \(ENOENT\)$/m);
    expect(await admin.fails(['rules', 'test', join(folder, 'folder')])).toMatch(
      /\/folder cannot be read \(EISDIR\)$/m,
    );
    const latin1 = file(Buffer.from('bans: [a]\n# caf\u00e9\n', 'latin1'));
    expect(await admin.fails(['rules', 'test', latin1])).toMatch(/rules\.yaml:2:6: is not UTF-8$/m);
  });

  it('may begin with a byte order mark, and have the line breaks of Windows', async () => {
    const path = file(`\ufeff${readFileSync(EXAMPLE, 'utf8').replaceAll('\n', '\r\n')}`);
    expect((await testRules(path)).code).toBe(0);
    expect((await testRules(file(`\ufeffx: y\r\ntests: []\r\n`))).stderr).toContain('rules.yaml:1:1: the file has no');
  });

  it.each([[[]], [[EXAMPLE, EXAMPLE]], [[EXAMPLE, '--app-id', 'shop']]])(
    'called with %j is called wrongly',
    async (args) => {
      const { code, stdout, stderr } = await testRules(...args);
      expect({ code, stdout }).toEqual({ code: 2, stdout: '' });
      expect(stderr).toMatch(/^im-signature: cannot test rules: .*; see "im-signature rules test --help"\n$/);
    },
  );
});
