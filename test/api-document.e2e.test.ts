import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { Ajv2020, type ValidateFunction } from 'ajv/dist/2020.js';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { hmacSecretPurpose, seal } from '../src/apps/sealing.js';
import { isId } from '../src/problems/ids.js';
import { type Problem, type ProblemCode, type ProblemDetails, PROBLEMS } from '../src/problems/problem-error.js';
import { ACTIONS } from '../src/signature/actions.js';
import { inSeconds, secretKey, tokenFor } from './support/issuer.js';
import { startService, type TestService } from './support/service.js';
import { type Answer, hmac, messageOf } from './support/signature.js';

const REDOCLY = join(import.meta.dirname, '../node_modules/@redocly/cli/bin/cli.js');
const SECRET = 'a secret of the issuer, 32 bytes long';

interface Schema {
  readonly pattern?: string;
  readonly minLength?: number;
  readonly maxLength?: number;
  readonly example?: string;
  readonly enum?: readonly string[];
  readonly required?: readonly string[];
}

interface ResponseObject {
  readonly description: string;
  readonly headers: Readonly<Record<string, { required: boolean; schema: Schema }>>;
  readonly content: Readonly<Record<string, { schema: Schema; examples: Record<string, { value: ProblemDetails }> }>>;
}

interface Operation {
  readonly operationId: string;
  readonly tags: readonly string[];
  readonly description: string;
  readonly parameters: readonly { readonly name: string; readonly in: string; readonly schema: Schema }[];
  readonly responses: Readonly<Record<string, ResponseObject>>;
}

interface ApiDocument {
  readonly openapi: string;
  readonly paths: Readonly<Record<string, Readonly<Record<string, Operation>>>>;
}

let service: TestService;
let document: ApiDocument;
/** Those that sign. */
let operations: { path: string; operation: Operation }[];
let permissions: typeof operations;
const ajv = new Ajv2020({ strict: false, allErrors: true, formats: { int64: true } });

beforeAll(async () => {
  service = await startService();
  document = (await (await fetch(`${service.url}/openapi.json`)).json()) as ApiDocument;
  ajv.addSchema(document, 'api');
  operations = Object.entries(document.paths).flatMap(([path, methods]) => {
    return Object.values(methods).map((operation) => ({ path, operation }));
  });
  permissions = operations.filter(({ operation }) => operation.tags[0] === 'permissions');
  operations = operations.filter(({ operation }) => operation.tags[0] === 'signature');

  // What the examples of refusals ask for.
  await service.registerApp('small', 'a-key-in-plain-sight', { max_members: 1 });
  await service.registerApp('closed', 'a-key-in-plain-sight', { disabled: true });
  await service.registerApp('ruled', 'a-key-in-plain-sight', { membership: 'required' });
  await service.database.query(`UPDATE app_identity SET sealed_hmac_secret = $1 WHERE app_id = '3'`, [
    seal(SECRET, hmacSecretPurpose('3'), service.sealingKeys),
  ]);
  await service.database.query(`INSERT INTO client_bans (app_id, client_id) VALUES ('1', 'mallory')`);
  await service.database.query(`INSERT INTO client_cutoffs (app_id, client_id) VALUES ('3', 'carol')`);
  await service.database.query(
    `INSERT INTO conversations (app_id, conversation_id, join_rule, invite_rule, member_limit)
     VALUES ('ruled', 'private', 'invited', 'member', NULL), ('ruled', 'full', 'anyone', 'anyone', 1)`,
  );
  await service.database.query(`INSERT INTO conversation_members VALUES ('ruled', 'full', 'zoe')`);
  await service.database.query(`UPDATE apps SET membership = 'where-registered' WHERE app_id = '3'`);
  await service.database.query(`INSERT INTO conversations (app_id, conversation_id) VALUES ('3', 'private')`);
});

afterAll(async () => {
  await service.close();
});

/** Checks that the document describes an answer of an operation: its status, its headers, its body. */
async function expectDocumented(path: string, { responses }: Operation, response: Response): Promise<unknown> {
  const status = String(response.status);
  const body: unknown = await response.json();
  const documented = responses[status];
  expect(documented, `${response.url} answers ${status}: ${JSON.stringify(body)}`).toBeDefined();
  const type = response.headers.get('content-type')?.replace(/;.*/, '') ?? '';
  expect(Object.keys(documented?.content ?? {})).toContain(type);
  const pointer = [path, 'get', 'responses', status];
  expectValid([...pointer, 'content', type, 'schema'], body, response.url);
  for (const [name, { required }] of Object.entries(documented?.headers ?? {})) {
    const value = response.headers.get(name);
    if (required) expect(value, `${name} of ${response.url}`).not.toBeNull();
    if (value !== null) expectValid([...pointer, 'headers', name, 'schema'], value, response.url);
  }
  return body;
}

function expectValid(pointer: readonly string[], value: unknown, what: string): void {
  const escaped = pointer.map((part) => encodeURIComponent(part.replaceAll('~', '~0').replaceAll('/', '~1')));
  const validate = ajv.getSchema(`api#/paths/${escaped.join('/')}`) as ValidateFunction;
  expect(validate(value) || validate.errors, `${what}: ${JSON.stringify(value)}`).toBe(true);
}

describe('the API document', () => {
  it('is OpenAPI 3.1 and has an operation for each action, and for each list that may be left out', () => {
    expect(document.openapi).toMatch(/^3\.1\./);
    const ids = operations.map(({ operation }) => operation.operationId);
    expect(ids).toEqual(expect.arrayContaining(['conversionWithoutMembers', 'join', ...Object.keys(ACTIONS)]));
    const left = Object.values(ACTIONS).filter(({ members }) => members === 'may be empty');
    expect(ids).toHaveLength(Object.keys(ACTIONS).length + left.length);
  });

  it('passes the linter of Redocly', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'im-signature-api-'));
    try {
      const file = join(folder, 'openapi.json');
      await writeFile(file, JSON.stringify(document));
      // The project has no licence that it could name.
      const args = [REDOCLY, 'lint', file, '--format=json', '--skip-rule=info-license'];
      const env = { ...process.env, REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' };
      // With a fault it exits with 1, and its output says which.
      const { stdout } = await promisify(execFile)(process.execPath, args, { env, cwd: folder }).catch(
        (failed: unknown) => failed as { stdout: string },
      );
      expect((JSON.parse(stdout) as { problems: unknown[] }).problems).toEqual([]);
    } finally {
      await rm(folder, { recursive: true });
    }
  });

  it('has every code, in examples of its status', () => {
    const exemplified = operations.flatMap(({ operation }) =>
      Object.entries(operation.responses).flatMap(([status, { content }]) => {
        const examples = Object.entries(content['application/problem+json']?.examples ?? {});
        for (const [code, { value }] of examples) expect(value).toMatchObject({ code, status: Number(status) });
        return examples.map(([code]) => code);
      }),
    );
    const ofChecker = ['invalid_body', 'body_too_large'];
    const expected = Object.keys(PROBLEMS).filter((code) => !ofChecker.includes(code));
    expect(new Set(exemplified)).toEqual(new Set(expected));
  });

  it.each([
    ['401', ['WWW-Authenticate']],
    ['405', ['Allow']],
    ['429', ['Retry-After', 'RateLimit-Policy', 'RateLimit']],
    ['503', ['Retry-After']],
  ])('declares for %s, beside X-Request-Id, the headers %j', (status, names) => {
    for (const { operation } of operations) {
      expect(Object.keys(operation.responses[status]?.headers ?? {})).toEqual(['X-Request-Id', ...names]);
      expect(Object.keys(operation.responses['200']?.headers ?? {})).toEqual(['X-Request-Id', 'Signature-Key-Version']);
    }
  });

  it('lists for a login only what a login can meet', () => {
    const responses = operations.find(({ operation }) => operation.operationId === 'login')?.operation.responses ?? {};
    const codes = Object.values(responses).flatMap(({ content }) => {
      return Object.keys(content['application/problem+json']?.examples ?? {});
    });
    expect(codes.filter((code) => /member|conver|permitted/.test(code))).toEqual([]);
    expect(codes).toContain('client_banned');
  });

  it('accepts as ids exactly what the service does', () => {
    const { schema } = operations[0]?.operation.parameters[0] ?? {};
    const validate = ajv.compile(schema ?? false);
    const text = fc.string({ unit: 'binary', maxLength: 70 });
    const odd = fc.constantFrom('', ':', 'a:b', '\n', '\x7f', '\x80', '\x9f', '\xa0', '😀'.repeat(64), '😀'.repeat(65));
    fc.assert(
      fc.property(fc.oneof(text, odd), (value) => {
        expect(validate(value)).toBe(isId(value));
      }),
      { numRuns: 500 },
    );
  });
});

describe('each operation', () => {
  /** A client resolves "." and ".." in a path before it sends anything, escaped or not. */
  const isDots = (text: string): boolean => text === '.' || text === '..';
  /** Texts that a parameter's schema allows. */
  const valuesOf = ({ name, schema }: Operation['parameters'][number]): fc.Arbitrary<string> => {
    // Only apps that are registered can sign.
    if (name === 'app_id') return fc.constant(schema.example ?? '');
    return fc
      .stringMatching(new RegExp(schema.pattern ?? '', 'u'), { maxLength: 200 })
      .filter((text) => !isDots(text))
      .map((text) => (name === 'sorted_member_ids' ? text.split(':').sort().join(':') : text));
  };
  const urlOf = (path: string, values: Record<string, string>): string =>
    service.url + path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(values[name] ?? ''));

  it('answers any values that its parameters allow, as documented', async () => {
    for (const { path, operation } of operations) {
      const parameters = operation.parameters.filter((parameter) => parameter.in === 'path');
      const values = fc.record(
        Object.fromEntries(parameters.map((parameter) => [parameter.name, valuesOf(parameter)])),
      );
      const formats = operation.parameters.find(({ name }) => name === 'format')?.schema.enum ?? [];
      const format = fc.constantFrom('', ...formats.map((value) => `?format=${value}`));
      await fc.assert(
        fc.asyncProperty(values, format, async (asked, query) => {
          const response = await fetch(urlOf(path, asked) + query);
          const answer = (await expectDocumented(path, operation, response)) as Answer;
          expect(response.status, JSON.stringify(answer)).toBe(200);
          expect(answer).toMatchObject(asked);
          expect(Object.keys(answer)).toEqual(operation.responses['200']?.content['application/json']?.schema.required);
        }),
        { numRuns: 25 },
      );
    }
  });

  it('answers anything else as documented, too', async () => {
    const text = fc.string({ unit: 'binary', minLength: 1, maxLength: 70 }).filter((value) => !isDots(value));
    const value = fc.oneof(text, fc.constantFrom('1', '3', 'ruled', 'small', 'closed', 'a', 'b:a', 'mallory', 'full'));
    for (const { path, operation } of operations) {
      const names = operation.parameters.filter((parameter) => parameter.in === 'path').map(({ name }) => name);
      const values = fc.record(Object.fromEntries(names.map((name) => [name, value])));
      await fc.assert(
        fc.asyncProperty(values, fc.webQueryParameters(), async (asked, query) => {
          await expectDocumented(path, operation, await fetch(`${urlOf(path, asked)}?${query}`));
        }),
        { numRuns: 50 },
      );
    }
  });

  it('shows examples of answers that the key of the demo apps signs, over the message of its description', () => {
    for (const { operation } of operations) {
      const examples = Object.values(operation.responses['200']?.content['application/json']?.examples ?? {});
      expect(examples).toHaveLength(2);
      for (const { value } of examples) {
        const answer = value as unknown as Answer;
        const { nonce = '', timestamp = '' } = answer;
        expect(answer.signature).toBe(hmac(messageOf(answer), 'demo-master-key'));
        const parts = { app_id: '1', client_id: 'alice', conversion_id: 'c1', sorted_member_ids: 'bob:carol' };
        const [, message = ''] = /`(.*)`/.exec(operation.description) ?? [];
        const filled = message.replace(/[a-z_]+/g, (part) => String({ ...parts, timestamp, nonce }[part] ?? part));
        expect(filled).toBe(messageOf(answer));
      }
    }
  });
});

it('/permissions answers as documented', async () => {
  expect(permissions).toHaveLength(1);
  for (const { path, operation } of permissions) {
    for (const asked of [
      '1/alice/c1?members=bob:carol',
      'ruled/alice/full',
      'closed/alice/c',
      '3/alice/c',
      '1/alice/c:1',
    ]) {
      await expectDocumented(path, operation, await fetch(`${service.url}/permissions/${asked}`));
    }
  }
});

describe('each example of a refusal', () => {
  /** How the example comes about, where its path alone does not lead to it. */
  const tokens: Partial<Record<ProblemCode, () => Promise<string>>> = {
    identity_invalid: () => tokenFor(secretKey(`not ${SECRET}`), 'alice'),
    identity_expired: () => tokenFor(secretKey(SECRET), 'alice', { exp: inSeconds(-3600) }),
    identity_revoked: () => tokenFor(secretKey(SECRET), 'carol'),
    identity_mismatch: () => tokenFor(secretKey(SECRET), 'bob'),
    // Only the client itself is told which rule it was.
    not_permitted: () => tokenFor(secretKey(SECRET), 'alice'),
  };
  const requests = (code: ProblemCode): { query?: string; init?: RequestInit } => {
    const { asked = {} }: Problem['example'] = PROBLEMS[code].example;
    if (code === 'method_not_allowed') return { init: { method: 'POST' } };
    if (code === 'uri_too_long') return { query: `?x=${'x'.repeat(65_536)}` };
    return asked.format === undefined ? {} : { query: `?format=${asked.format}` };
  };

  async function expectExamples(chosen: (code: ProblemCode) => boolean): Promise<number> {
    let checked = 0;
    for (const { path, operation } of operations) {
      for (const { content } of Object.values(operation.responses)) {
        for (const { value } of Object.values(content['application/problem+json']?.examples ?? {})) {
          if (!chosen(value.code)) continue;
          const { query = '', init } = requests(value.code);
          const token = await tokens[value.code]?.();
          const headers = {
            'x-request-id': value.request_id,
            ...(token !== undefined && { authorization: `Bearer ${token}` }),
          };
          const response = await fetch(service.url + value.instance + query, { ...init, headers });
          expect(await expectDocumented(path, operation, response)).toEqual(value);
          checked++;
        }
      }
    }
    return checked;
  }

  it('is what the service answers', async () => {
    // Two answer what fetch does not send.
    const others: readonly ProblemCode[] = ['unavailable', 'request_timeout', 'expectation_failed', 'rate_limited'];
    expect(await expectExamples((code) => !others.includes(code))).toBeGreaterThan(operations.length * 14);
  });

  it.each([
    ['invite', 'invite_rule'],
    ['join', 'join_rule'],
    ['kick', 'kick_rule'],
    ['query', undefined],
  ])('of not_permitted for %s has the rule %s', (id, rule) => {
    const { responses } = operations.find(({ operation }) => operation.operationId === id)?.operation ?? {};
    expect(responses?.['403']?.content['application/problem+json']?.examples.not_permitted?.value.rule).toBe(rule);
  });

  it('is what the service answers while it cannot read its tables', async () => {
    await service.database.query('ALTER TABLE apps RENAME TO apps_away');
    try {
      expect(await expectExamples((code) => code === 'unavailable')).toBe(operations.length);
    } finally {
      await service.database.query('ALTER TABLE apps_away RENAME TO apps');
    }
  });
});

describe('/docs', () => {
  it('is a page for people, which fits a phone', async () => {
    const page = await fetch(`${service.url}/docs`);
    expect(page.status).toBe(200);
    expect(page.headers.get('content-type')).toMatch(/^text\/html/);
    expect(await page.text()).toContain('<meta name="viewport" content="width=device-width, initial-scale=1">');
  });

  it('takes a token', () => {
    expect(document).toHaveProperty('components.securitySchemes.bearer.scheme', 'bearer');
    for (const { operation } of operations) expect(operation).toHaveProperty('security', [{}, { bearer: [] }]);
  });
});
