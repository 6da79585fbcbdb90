import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { escapeLiteral } from 'pg';
import type { MigrationInterface } from 'typeorm';

/** A row by the names of its columns. */
export type Row = Readonly<Record<string, unknown>>;

/** An SQL statement, and the one that reverts it. */
export interface Change {
  readonly up: string;
  readonly down: string;
  /** Whether each of them must change one row. */
  readonly exact?: boolean;
}

export interface NewRegistration {
  /** The part of the file's name that says what it does: `register-app-shop`. */
  readonly slug: string;
  /** The apps that it changes. */
  readonly appIds: readonly string[];
  readonly comment: string;
  /** In the order in which they are applied. */
  readonly changes: readonly Change[];
}

/** An id, which may hold any character, as a part of a file's name. */
export function slugOf(id: string): string {
  return id.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'id';
}

/**
 * The change from one state of a row to another.
 *
 * @param key the columns of the primary key.
 * @param before undefined: the row is inserted.
 * @param after undefined: the row is deleted.
 * @param exact whether an update fails where it does not find the values that it replaces.
 * @returns undefined when the states are equal.
 */
export function changeOf(
  table: string,
  key: readonly string[],
  before?: Row,
  after?: Row,
  exact = false,
): Change | undefined {
  const row = after ?? before;
  if (row === undefined) return undefined;
  const equal = (state: Row, columns: readonly string[], separator: string) =>
    columns.map((column) => `${column} = ${literal(state[column])}`).join(separator);
  const where = `WHERE ${equal(row, key, ' AND ')}`;
  if (before === undefined || after === undefined) {
    const columns = Object.keys(row).filter((column) => row[column] !== null);
    const values = columns.map((column) => literal(row[column]));
    const insert = `INSERT INTO ${table} (${columns.join(', ')})\nVALUES (${values.join(', ')})`;
    const remove = `DELETE FROM ${table} ${where}`;
    return before === undefined ? { up: insert, down: remove } : { up: remove, down: insert };
  }
  const changed = Object.keys(after).filter((column) => literal(before[column]) !== literal(after[column]));
  if (changed.length === 0) return undefined;
  const update = (old: Row, fresh: Row) =>
    `UPDATE ${table}\nSET ${equal(fresh, changed, ', ')}\n${where}${exact ? ` AND ${equal(old, changed, ' AND ')}` : ''}`;
  return { up: update(before, after), down: update(after, before), exact };
}

/** A value in SQL; an array is one of texts, an object is JSON. */
function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (typeof value === 'string') return escapeLiteral(value).trim();
  if (Array.isArray(value)) return `ARRAY[${value.map(literal).join(', ')}]::text[]`;
  return typeof value === 'object' ? literal(JSON.stringify(value)) : JSON.stringify(value);
}

/**
 * Writes `<time>-<slug>.mjs` into a folder of registrations: JavaScript, so that it needs no build where it is applied.
 * Its time is later than that of every registration in the folder, so that it runs after them and no two are equal.
 *
 * @returns its path from the current folder.
 */
export async function writeRegistration(folder: string, registration: NewRegistration): Promise<string> {
  const times = (await registrations(folder)).map((name) => Number.parseInt(name, 10));
  const time = Math.max(Date.now(), ...times.map((taken) => taken + 1));
  const path = join(folder, `${time}-${registration.slug}.mjs`);
  // One write, never over an existing file: nothing half-written stays behind.
  await writeFile(path, sourceOf(registration, time), { flag: 'wx', flush: true });
  return relative(process.cwd(), path);
}

function sourceOf({ slug, appIds, comment, changes }: NewRegistration, time: number): string {
  const name = slug.replace(/(?:^|-)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  const up = changes.map((change) => statement(change.up, change.exact));
  const down = changes.toReversed().map((change) => statement(change.down, change.exact));
  return `// @ts-check
${appIds.map(aboutLine).join('')}
/** @import { MigrationInterface, QueryRunner } from 'typeorm' */

/**
 * ${comment}
 *
 * @implements {MigrationInterface}
 */
export class ${name}${time} {
  /** @param {QueryRunner} queryRunner */
  async up(queryRunner) {
${up.join('')}  }

  /** @param {QueryRunner} queryRunner */
  async down(queryRunner) {
${down.join('')}  }
}
${changes.some(({ exact }) => exact) ? REQUIRE_ONE : ''}`;
}

const REQUIRE_ONE = `
/** @param {[unknown[], number]} result of an UPDATE */
function requireOne([, count]) {
  if (count !== 1) throw new Error('the value is not the one that this migration was written for');
}
`;

function statement(sql: string, exact = false): string {
  const text = sql.replace(/[\\`]|\$\{/g, '\\$&').replaceAll('\r', '\\r');
  const query = `await queryRunner.query(\`\n${text}\`)`;
  return `    ${exact ? `requireOne(${query})` : query};\n`;
}

/** Marks a registration as one that changes this app. */
function aboutLine(appId: string): string {
  return `// About the app ${JSON.stringify(appId).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`)}.\n`;
}

/** The classes of the registrations in a folder. @throws {Error} that names the file which cannot be loaded. */
export async function loadRegistrations(folder: string): Promise<(new () => MigrationInterface)[]> {
  const classes: (new () => MigrationInterface)[] = [];
  for (const file of await registrations(folder)) {
    const path = join(folder, file);
    try {
      const exported = Object.values((await import(pathToFileURL(path).href)) as Record<string, unknown>);
      classes.push(...(exported.filter((value) => typeof value === 'function') as typeof classes));
    } catch (error) {
      const [reason] = (error as Error).message.split('\n', 1);
      throw new Error(`${path} cannot be loaded: ${reason}`, { cause: error });
    }
  }
  return classes;
}

/**
 * The first registration that the database lacks.
 *
 * @param applied the names of the migrations that the database has.
 * @param appId only registrations that change this app count.
 */
export async function firstUnapplied(
  folder: string,
  applied: readonly string[],
  appId?: string,
): Promise<string | undefined> {
  for (const file of await registrations(folder)) {
    if (applied.some((name) => name.endsWith(file.slice(0, 13)))) continue;
    if (appId === undefined || (await readFile(join(folder, file), 'utf8')).includes(aboutLine(appId))) return file;
  }
  return undefined;
}

/** The files' names, in the order of their times. */
async function registrations(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^\d{13}-.*\.mjs$/.test(name)).sort();
}
