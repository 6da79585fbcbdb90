import type { App } from '../apps/app.entity.js';
import { constant, literal, type MigrationText, type Row, slugOf } from './migration-file.js';

/** Columns of `apps` that an administrator sets. */
export type AppColumns = Partial<
  Record<'name' | 'identity' | 'timestamp_format' | 'membership', string> &
    Record<'disabled', boolean> &
    Record<'max_members', number>
>;

/** One version of a key as it is written. Without `active_from` it signs from the moment the migration runs. */
export interface KeyRow {
  readonly app_id: string;
  readonly version: number;
  readonly sealed_key: string;
  readonly active_from?: string;
}

export function registration(appId: string, columns: AppColumns, key: KeyRow): MigrationText {
  return {
    slug: `register-app-${slugOf(appId)}`,
    comment: 'Registers an app. The key is sealed, and bound to the app and the version.',
    constants: constant('APP', { app_id: appId, ...columns }) + constant('KEY', { ...key }),
    up: insert('apps', 'APP', { app_id: appId, ...columns }) + insert('app_master_keys', 'KEY', { ...key }),
    down: remove('app_master_keys', 'APP', ['app_id']) + remove('apps', 'APP', ['app_id']),
  };
}

export function rotation(key: KeyRow): MigrationText {
  return {
    slug: `rotate-key-${slugOf(key.app_id)}`,
    comment:
      'Adds a version to the master key of an app. The key is sealed, and bound to the app and the version.',
    constants: constant('KEY', { ...key }),
    up: insert('app_master_keys', 'KEY', { ...key }),
    down: remove('app_master_keys', 'KEY', ['app_id', 'version']),
  };
}

/** Changes columns of an app, and back to what they are now. */
export function change(verb: string, app: App, columns: AppColumns): MigrationText {
  const names = Object.keys(columns) as (keyof AppColumns)[];
  const now = columnsNow(app);
  const before = Object.fromEntries(names.map((name) => [name, now[name]]));
  return {
    slug: `${verb}-app-${slugOf(app.appId)}`,
    comment: `Changes ${names.join(', ')} of an app.`,
    constants:
      constant('BEFORE', { app_id: app.appId, ...before }) +
      constant('AFTER', { app_id: app.appId, ...columns }),
    up: update(names, 'AFTER'),
    down: update(names, 'BEFORE'),
  };
}

/** Whether the app has these values now, so that there is nothing to change. */
export function isSoAlready(app: App, columns: AppColumns): boolean {
  const now = columnsNow(app);
  return (Object.keys(columns) as (keyof AppColumns)[]).every((name) => columns[name] === now[name]);
}

function columnsNow(app: App): Required<AppColumns> {
  return {
    name: app.name,
    disabled: app.disabled,
    identity: app.identity,
    timestamp_format: app.timestampFormat,
    membership: app.membership,
    max_members: app.maxMembers,
  };
}

export interface Resealed {
  readonly app_id: string;
  readonly version: number;
  readonly before: string;
  readonly after: string;
}

export function resealing(from: string, to: string, resealed: readonly Resealed[]): MigrationText {
  const entries = resealed.map(
    (row) =>
      `  {\n${Object.entries(row)
        .map(([key, value]: [string, string | number]) => `    ${key}: ${literal(value)},\n`)
        .join('')}  },\n`,
  );
  const reseal = (
    old: string,
    fresh: string,
  ): string => `    for (const { app_id, version, ${old}, ${fresh} } of KEYS) {
      const result: unknown = await queryRunner.query(
        'UPDATE app_master_keys SET sealed_key = $4 WHERE app_id = $1 AND version = $2 AND sealed_key = $3',
        [app_id, version, ${old}, ${fresh}],
      );
      if ((result as [unknown, number])[1] !== 1) throw new Error(\`key \${version} of \${app_id} has changed\`);
    }
`;
  return {
    slug: `reseal-${slugOf(from)}-${slugOf(to)}`,
    comment: `Seals every master key that is sealed with the key "${from}" with the key "${to}" instead.`,
    constants: `const KEYS = [\n${entries.join('')}];\n`,
    up: reseal('before', 'after'),
    down: reseal('after', 'before'),
  };
}

function insert(table: string, name: string, row: Row): string {
  const columns = Object.keys(row);
  const places = columns.map((_, index) => `$${index + 1}`);
  return query(
    `INSERT INTO ${table} (${columns.join(', ')}) VALUES (${places.join(', ')})`,
    `Object.values(${name})`,
  );
}

function update(columns: readonly string[], name: string): string {
  const sets = columns.map((column, index) => `${column} = $${index + 2}`);
  return query(`UPDATE apps SET ${sets.join(', ')} WHERE app_id = $1`, `Object.values(${name})`);
}

function remove(table: string, name: string, columns: readonly string[]): string {
  const conditions = columns.map((column, index) => `${column} = $${index + 1}`);
  const values = columns.map((column) => `${name}.${column}`);
  return query(`DELETE FROM ${table} WHERE ${conditions.join(' AND ')}`, `[${values.join(', ')}]`);
}

/** The most columns a line may have, as `.prettierrc.json` says. */
const LINE = 110;

/** A statement, broken where the formatter breaks it when it is too long: before a call, or inside an array. */
function query(sql: string, values: string): string {
  const line = `    await queryRunner.query('${sql}', ${values});\n`;
  if (line.length <= LINE + 1) return line;
  if (values.startsWith('[')) {
    const items = values.slice(1, -1).split(', ');
    return `    await queryRunner.query('${sql}', [\n${items.map((item) => `      ${item},\n`).join('')}    ]);\n`;
  }
  return `    await queryRunner.query(\n      '${sql}',\n      ${values},\n    );\n`;
}
