import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { escapeLiteral } from 'pg';
import type { MigrationInterface } from 'typeorm';

/** A row by column names. */
export type Row = Readonly<Record<string, unknown>>;

/** A value that PostgreSQL computes. */
export class Sql {
  constructor(readonly text: string) {}
}

/** An SQL statement, and the one that reverts it. With `otherwise`, each of them must change one row, or fails with that text. */
export type Change = Readonly<{ up: string; down: string; otherwise?: string | undefined }>;

export interface NewRegistration {
  /** A part of the file's name: `register-app-shop`. */
  readonly slug: string;
  readonly appIds: readonly string[];
  readonly comment: string;
  /** Whether it opens its app to everyone. */
  readonly opens?: boolean | undefined;
  readonly changes: readonly Change[];
}

const OTHER_VALUE = 'the row does not have the value that this migration replaces';

/** An id, which may hold any character, as a part of a file's name. */
export function slugOf(id: string): string {
  return id.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'id';
}

/**
 * The change from one state of a row to another: an insert without `before`, a delete without `after`.
 *
 * @param key the columns of the primary key.
 * @param exact whether an update fails where the row does not have the values of `before`.
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
  const update = (from: Row, to: Row) =>
    `UPDATE ${table}\nSET ${equal(to, changed, ', ')}\n${where}${exact ? ` AND ${equal(from, changed, ' AND ')}` : ''}`;
  return { up: update(before, after), down: update(after, before), otherwise: exact ? OTHER_VALUE : undefined };
}

/** A value in SQL: text quoted, an array as `text[]`, an object as JSON. */
export function literal(value: unknown): string {
  if (value === null || value === undefined) return 'NULL';
  if (value instanceof Sql) return value.text;
  if (typeof value === 'string') return escapeLiteral(value).trim();
  if (Array.isArray(value)) return `ARRAY[${value.map(literal).join(', ')}]::text[]`;
  return typeof value === 'object' ? literal(JSON.stringify(value)) : JSON.stringify(value);
}

/**
 * Writes `<time>-<slug>.mjs`: JavaScript, so that applying it needs no build, and later than all others, so that it runs last.
 *
 * @returns its path, relative if it is in the current folder.
 */
export async function writeRegistration(folder: string, registration: NewRegistration): Promise<string> {
  const last = (await registrations(folder)).at(-1) ?? '0';
  const time = Math.max(Date.now(), Number.parseInt(last, 10) + 1);
  const path = join(folder, `${time}-${registration.slug}.mjs`);
  try {
    await writeFile(path, sourceOf(registration, time), { flag: 'wx', flush: true });
  } catch (error) {
    const { code = '' } = error as NodeJS.ErrnoException;
    const who = `user id ${process.getuid?.() ?? 'unknown'} cannot write to the folder of registrations, ${folder} (${code})`;
    const inContainer = 'a container takes --user "$(id -u)", and its folder must not be mounted read-only';
    throw new Error(`${who}; let that user write there: ${inContainer}`, { cause: error });
  }
  const near = relative(process.cwd(), path);
  return near.startsWith('..') ? path : near;
}

function sourceOf({ slug, appIds, comment, opens = false, changes }: NewRegistration, time: number): string {
  let [up, down] = ['', ''];
  for (const change of changes) {
    up += queryOf(change.up, change.otherwise);
    down = queryOf(change.down, change.otherwise) + down;
  }
  const name = slug.replace(/(?:^|-)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return `${opens ? appIds.map(openLine).join('') : ''}// @ts-check
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
${up}  }

  /** @param {QueryRunner} queryRunner */
  async down(queryRunner) {
${down}  }
}
${changes.some(({ otherwise }) => otherwise !== undefined) ? REQUIRE_ONE : ''}`;
}

const REQUIRE_ONE = `
/**
 * @param {[unknown[], number]} result of an UPDATE
 * @param {string} otherwise
 */
function requireOne([, count], otherwise) {
  if (count !== 1) throw new Error(otherwise);
}
`;

function queryOf(sql: string, otherwise: string | undefined): string {
  const text = sql.replace(/[\\`]|\$\{/g, '\\$&').replaceAll('\r', '\\r');
  const query = `await queryRunner.query(\`\n${text}\`)`;
  return `    ${otherwise === undefined ? query : `requireOne(${query}, '${otherwise}')`};\n`;
}

/** Marks a registration as one that changes this app. */
function aboutLine(appId: string): string {
  return `// About the app ${quoted(appId)}.\n`;
}

function openLine(appId: string): string {
  return `// WARNING: opens the app ${quoted(appId)} to everyone: anyone gets a signature as any client.\n`;
}

/** In one line of a comment. */
function quoted(id: string): string {
  return JSON.stringify(id).replace(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
}

/** The classes of the registrations in a folder. @throws {Error} that names a file which cannot be loaded. */
export async function loadRegistrations(folder: string): Promise<(new () => MigrationInterface)[]> {
  const classes: (new () => MigrationInterface)[] = [];
  for (const file of await registrations(folder)) {
    const path = join(folder, file);
    try {
      const exported = Object.values((await import(pathToFileURL(path).href)) as Record<string, unknown>);
      const [migration, ...others] = exported.filter((value) => typeof value === 'function') as typeof classes;
      // By the class's name the database knows it, by the file's the commands.
      const isOne = migration?.name.endsWith(file.slice(0, 13)) === true && others.length === 0;
      const { up, down } = (migration?.prototype ?? {}) as Partial<MigrationInterface>;
      if (!isOne || up === undefined || down === undefined) {
        throw new Error(`it must export one class with up and down, whose name ends with ${file.slice(0, 13)}`);
      }
      classes.push(migration);
    } catch (error) {
      const [reason] = (error as Error).message.split('\n', 1);
      throw new Error(`${path} cannot be loaded: ${reason}; mend it, or put it back from git`, { cause: error });
    }
  }
  return classes;
}

/** The first file that is not among the `applied` migrations, of those that change the app where an id is given. */
export async function firstUnapplied(folder: string, applied: readonly string[], appId?: string) {
  for (const file of await registrations(folder)) {
    if (isAmong(applied, file)) continue;
    if (appId === undefined || (await changes(folder, file, appId))) return file;
  }
  return undefined;
}

/** Whether one of the migrations that are named changes the app. */
export async function isAbout(folder: string, names: readonly string[], appId: string): Promise<boolean> {
  for (const file of await registrations(folder)) {
    if (isAmong(names, file) && (await changes(folder, file, appId))) return true;
  }
  return false;
}

const isAmong = (names: readonly string[], file: string) => names.some((name) => name.endsWith(file.slice(0, 13)));

async function changes(folder: string, file: string, appId: string): Promise<boolean> {
  // A checkout of git on Windows ends lines with CR LF.
  return (await readFile(join(folder, file), 'utf8')).replaceAll('\r', '').includes(aboutLine(appId));
}

/** The names of the files, in the order of their times. */
export async function registrations(folder: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => /^\d{13}-.*\.mjs$/.test(name)).sort();
}
