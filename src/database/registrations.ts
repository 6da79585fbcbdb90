import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { MigrationInterface } from 'typeorm';

/** A row by the names of its columns, each value as JSON has it. */
export type Row = Readonly<Record<string, unknown>>;

/** What a migration does to a row: without `before` it is inserted, without `after` deleted. */
export interface RowChange {
  readonly table: string;
  /** How the row is called in the migration's text, such as APP. */
  readonly name: string;
  /** The columns of the primary key. */
  readonly key: readonly string[];
  readonly before?: Row | undefined;
  readonly after?: Row | undefined;
}

/** The text of a migration: constants before its class, and the statements of its two methods. */
export interface MigrationText {
  readonly constants: string;
  readonly up: string;
  readonly down: string;
}

export interface NewMigration extends MigrationText {
  /** What it does, in the file's name: `register-app-shop`. */
  readonly slug: string;
  /** The apps it is about. */
  readonly about: readonly string[];
  /** The doc comment of its class. */
  readonly comment: string;
}

/** The part of a file's name that stands for an id, which may hold any character. */
export function slugOf(id: string): string {
  return id.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'id';
}

/** The text of a migration that makes these changes, in their order, and takes them back. */
export function textOf(changes: readonly RowChange[]): MigrationText {
  const texts = changes.map(({ before, after, ...change }) =>
    before !== undefined && after !== undefined
      ? updateText(change, before, after)
      : insertText(change, before ?? after ?? {}, before === undefined),
  );
  return {
    constants: texts.map(({ constants }) => constants).join(''),
    up: texts.map(({ up }) => up).join(''),
    down: texts
      .toReversed()
      .map(({ down }) => down)
      .join(''),
  };
}

type Place = Pick<RowChange, 'table' | 'name' | 'key'>;

/** @param isNew false: the row is deleted, and inserted where that is taken back. */
function insertText({ table, name, key }: Place, all: Row, isNew: boolean): MigrationText {
  const row = Object.fromEntries(Object.entries(all).filter(([, value]) => value !== null));
  const columns = Object.keys(row);
  const places = columns.map((_, i) => `$${i + 1}`);
  const insert = statement(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places.join(', ')})`,
    `Object.values(${name})`,
  );
  const remove = statement(
    `DELETE FROM ${table} WHERE ${conditions(key)}`,
    `[${key.map((column) => `${name}.${column}`).join(', ')}]`,
  );
  return { constants: constant(name, row), up: isNew ? insert : remove, down: isNew ? remove : insert };
}

function updateText({ table, name, key }: Place, before: Row, after: Row): MigrationText {
  const changed = changedColumns(before, after);
  const pick = (row: Row): Row =>
    Object.fromEntries([...key, ...changed].map((column) => [column, row[column]]));
  const sets = changed.map((column, i) => `${column} = $${key.length + i + 1}`);
  const update = (row: string): string =>
    statement(`UPDATE ${table} SET ${sets.join(', ')} WHERE ${conditions(key)}`, `Object.values(${row})`);
  return {
    constants: constant(`${name}_BEFORE`, pick(before)) + constant(`${name}_AFTER`, pick(after)),
    up: update(`${name}_AFTER`),
    down: update(`${name}_BEFORE`),
  };
}

/** The columns whose values differ; a row that is not there has none. */
export function changedColumns(before: Row = {}, after: Row = {}): string[] {
  const columns = Object.keys({ ...before, ...after });
  return columns.filter((column) => JSON.stringify(before[column]) !== JSON.stringify(after[column]));
}

function conditions(key: readonly string[]): string {
  return key.map((column, i) => `${column} = $${i + 1}`).join(' AND ');
}

/** A statement in a method of a migration. */
export function statement(sql: string, values: string): string {
  return `    await queryRunner.query('${sql}', ${values});\n`;
}

/** A constant of a migration. */
export function constant(name: string, value: Row | readonly object[]): string {
  return `const ${name} = ${literal(value)};\n`;
}

/** A value as source text: JSON is JavaScript, but for two characters that end a line there. */
function literal(value: unknown): string {
  return JSON.stringify(value, null, 2).replace(
    /[\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16)}`,
  );
}

/**
 * Writes `<time>-<slug>.mjs` into a folder of registrations: JavaScript, so that it needs no build where it is applied.
 * Its time is later than that of every registration there is, so that it runs after them and no two have the same.
 *
 * @returns its path from the current folder.
 */
export async function writeRegistration(folder: string, migration: NewMigration): Promise<string> {
  const times = (await registrations(folder)).map((name) => Number.parseInt(name, 10));
  const time = Math.max(Date.now(), ...times.map((taken) => taken + 1));
  const path = join(folder, `${time}-${migration.slug}.mjs`);
  // Never over a file that is there; one write, so that nothing half-written stays behind.
  await writeFile(path, sourceOf(migration, time), { flag: 'wx', flush: true });
  return relative(process.cwd(), path);
}

function sourceOf({ slug, about, comment, constants, up, down }: NewMigration, time: number): string {
  const name = slug.replace(/(?:^|-)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return `// @ts-check
${about.map(aboutLine).join('')}
${constants}
/**
 * ${comment}
 *
 * @implements {import('typeorm').MigrationInterface}
 */
export class ${name}${time} {
  /** @param {import('typeorm').QueryRunner} queryRunner */
  async up(queryRunner) {
${up}  }

  /** @param {import('typeorm').QueryRunner} queryRunner */
  async down(queryRunner) {
${down}  }
}
`;
}

/** By this line a registration is found again that is about an app. */
function aboutLine(appId: string): string {
  return `// About the app ${literal(appId)}.\n`;
}

/** The classes of the registrations in a folder. @throws {Error} that names the file which cannot be loaded. */
export async function loadRegistrations(folder: string): Promise<(new () => MigrationInterface)[]> {
  const classes: (new () => MigrationInterface)[] = [];
  for (const file of await registrations(folder)) {
    try {
      const exported = (await import(pathToFileURL(join(folder, file)).href)) as Record<string, unknown>;
      const found = Object.values(exported).filter((value) => typeof value === 'function');
      classes.push(...(found as (new () => MigrationInterface)[]));
    } catch (error) {
      const [reason] = (error as Error).message.split('\n', 1);
      throw new Error(`${join(folder, file)} cannot be loaded: ${reason}`, { cause: error });
    }
  }
  return classes;
}

/** The registrations that the database does not have yet, in their order. @param applied the names of those that it has. */
export async function unapplied(folder: string, applied: readonly string[]): Promise<string[]> {
  return (await registrations(folder)).filter(
    (file) => !applied.some((name) => name.endsWith(file.slice(0, 13))),
  );
}

/** The first of them that is about an app, if there is one. */
export async function unappliedAbout(
  folder: string,
  appId: string,
  applied: readonly string[],
): Promise<string | undefined> {
  for (const file of await unapplied(folder, applied)) {
    if ((await readFile(join(folder, file), 'utf8')).includes(aboutLine(appId))) return file;
  }
  return undefined;
}

/** The files' names, in the order of their times. */
async function registrations(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => /^\d{13}-.*\.mjs$/.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}
