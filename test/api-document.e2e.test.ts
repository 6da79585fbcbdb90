import { afterAll, beforeAll, expect, it } from 'vitest';
import { PROBLEMS } from '../src/problems/problem-error.js';
import { ACTIONS } from '../src/signature/actions.js';
import { startService, type TestService } from './support/service.js';

interface Operation {
  operationId: string;
  responses: Record<string, { description: string; content?: Record<string, { schema: { required?: string[] } }> }>;
}

interface ApiDocument {
  openapi: string;
  paths: Record<string, { get: Operation }>;
  components: { schemas: { Problem: { properties: { code: { enum: string[] } } } } };
}

let service: TestService;
let document: ApiDocument;

beforeAll(async () => {
  service = await startService();
  document = (await (await fetch(`${service.url}/openapi.json`)).json()) as ApiDocument;
});

afterAll(async () => {
  await service.close();
});

it('is OpenAPI 3.1 and describes each action once', () => {
  expect(document.openapi).toMatch(/^3\.1\./);
  const operations = Object.values(document.paths).flatMap((path) => Object.values(path));
  expect(operations.map(({ operationId }) => operationId)).toEqual(Object.keys(ACTIONS));
  expect(Object.keys(document.paths)).toContain(
    '/signature/invite/{app_id}/{client_id}/{conversion_id}/{sorted_member_ids}',
  );
});

it('lists every code with its status', () => {
  expect(document.components.schemas.Problem.properties.code.enum).toEqual(Object.keys(PROBLEMS));
  for (const path of Object.values(document.paths)) {
    for (const [code, { status }] of Object.entries(PROBLEMS)) {
      expect(path.get.responses[status]?.description).toContain(`\`${code}\``);
    }
  }
});

it.each([
  ['login', 'login/1/a'],
  ['conversion', 'conversion/1/a/b'],
  ['invite', 'invite/1/a/c/b'],
  ['kick', 'kick/1/a/c/b'],
])('names exactly the fields that %s answers', async (action, path) => {
  const operation = Object.values(document.paths)
    .flatMap((methods) => Object.values(methods))
    .find(({ operationId }) => operationId === action);
  const answer = (await (await fetch(`${service.url}/signature/${path}`)).json()) as object;
  expect(operation?.responses['200']?.content?.['application/json']?.schema.required).toEqual(Object.keys(answer));
});

it('has a page for people', async () => {
  const page = await fetch(`${service.url}/docs`);
  expect(page.status).toBe(200);
  expect(page.headers.get('content-type')).toMatch(/^text\/html/);
});
