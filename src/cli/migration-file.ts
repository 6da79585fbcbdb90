import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';

/** The migrations of this project, and where the build puts them. */
const SOURCE_FOLDER = join(import.meta.dirname, '../../../migrations');
const BUILT_FOLDER = join(import.meta.dirname, '../../migrations');

export type Value = string | number | boolean | null;
export type Row = Record<string, Value>;

export interface MigrationText {
  /** What it does, in the file's name: `register-app-shop`. */
  readonly slug: string;
  /** The apps it is about. */
  readonly about: readonly string[];
  /** The doc comment of its class. */
  readonly comment: string;
  /** Constants before the class. */
  readonly constants: string;
  readonly up: string;
  readonly down: string;
}

/** The part of a file's name that stands for an id, which may hold any character. */
export function slugOf(id: string): string {
  return id.replace(/[^A-Za-z0-9]+/g, '-').replace(/^-|-$/g, '') || 'id';
}

/**
 * Writes `<time>-<slug>.ts` into the migrations, and returns its path from the current folder.
 * Its time is later than that of every migration there is, so that it runs after them and no two have the same.
 */
export async function writeMigration(migration: MigrationText): Promise<string> {
  const times = (await migrationSources()).map((name) => Number.parseInt(name, 10));
  const time = Math.max(Date.now(), ...times.map((taken) => taken + 1));
  const path = join(SOURCE_FOLDER, `${time}-${migration.slug}.ts`);
  // Never over a file that is there; one write, so that nothing half-written stays behind.
  await writeFile(path, await formatted(textOf(migration, time), path), { flag: 'wx', flush: true });
  return relative(process.cwd(), path);
}

function textOf({ slug, about, comment, constants, up, down }: MigrationText, time: number): string {
  const name = slug.replace(/(?:^|-)([A-Za-z0-9])/g, (_, letter: string) => letter.toUpperCase());
  return `import type { MigrationInterface, QueryRunner } from 'typeorm';

${about.map(aboutLine).join('')}
${constants}
/** ${comment} */
export class ${name}${time} implements MigrationInterface {
  async up(queryRunner: QueryRunner): Promise<void> {
${up}  }

  async down(queryRunner: QueryRunner): Promise<void> {
${down}  }
}
`;
}

/** As the rest of the project is. Migrations are written in a checkout, which has the formatter among its development dependencies. */
async function formatted(text: string, path: string): Promise<string> {
  const { format, resolveConfig } = await import('prettier');
  return format(text, { ...(await resolveConfig(path)), filepath: path });
}

/** Migrations that are not built yet, which a run would silently leave out. In an image without sources there are none. */
export async function unbuiltMigrations(): Promise<string[]> {
  const built = new Set(await readdir(BUILT_FOLDER));
  return (await migrationSources()).filter((name) => !built.has(name.replace(/\.ts$/, '.js')));
}

/**
 * The file of a migration about an app that the database does not have yet, if there is one.
 *
 * @param applied the names of the classes of the migrations that it has.
 */
export async function unappliedAbout(appId: string, applied: readonly string[]): Promise<string | undefined> {
  for (const file of await unapplied(applied)) {
    const text = await readFile(join(SOURCE_FOLDER, file), 'utf8');
    if (text.includes(aboutLine(appId))) return join('migrations', file);
  }
  return undefined;
}

/** The files of all migrations that the database does not have yet, in their order. */
export async function unapplied(applied: readonly string[]): Promise<string[]> {
  return (await migrationSources()).filter(
    (file) => !applied.some((name) => name.endsWith(file.slice(0, 13))),
  );
}

/** By this line a migration is found again that is about an app. */
function aboutLine(appId: string): string {
  return `// About the app ${literal(appId)}.\n`;
}

async function migrationSources(): Promise<string[]> {
  try {
    return (await readdir(SOURCE_FOLDER)).filter((name) => /^\d{13}-.*\.ts$/.test(name)).sort();
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw error;
  }
}

/** A constant of a migration. */
export function constant(name: string, value: Row | readonly object[]): string {
  return `const ${name} = ${literal(value)};\n`;
}

/** A value as source text; the formatter gives it the project's quotes. */
function literal(value: unknown): string {
  // JSON is JavaScript, and may hold all of Unicode but these two, which end a line there.
  return JSON.stringify(value, null, 2).replace(
    /[\u2028\u2029]/g,
    (c) => `\\u${c.charCodeAt(0).toString(16)}`,
  );
}
