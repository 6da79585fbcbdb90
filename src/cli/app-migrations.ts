import type { App } from '../apps/app.entity.js';
import type { AppColumns } from './app-options.js';
import type { IdentityRow } from './identity-row.js';
import { constant, type MigrationText, type Row, slugOf } from './migration-file.js';

/** One version of a key as it is written. Without `active_from` it signs from the moment the migration runs. */
export interface KeyRow {
  readonly app_id: string;
  readonly version: number;
  readonly sealed_key: string;
  readonly active_from?: string;
}

export function registration(
  columns: Row & { app_id: string },
  key: KeyRow,
  identity?: IdentityRow,
): MigrationText {
  const rows = [
    ['apps', 'APP', columns],
    ['app_master_keys', 'KEY', { ...key }],
    ...(identity === undefined ? [] : [['app_identity', 'IDENTITY', identity] as const]),
  ] as const;
  return {
    slug: `register-app-${slugOf(columns.app_id)}`,
    about: [columns.app_id],
    comment: 'Registers an app. What is secret is sealed, and bound to the app.',
    constants: rows.map(([, name, row]) => constant(name, row)).join(''),
    up: rows.map(([table, name, row]) => insert(table, name, row)).join(''),
    down: rows
      .toReversed()
      .map(([table, name]) => remove(table, name, ['app_id']))
      .join(''),
  };
}

export function rotation(key: KeyRow): MigrationText {
  return {
    slug: `rotate-key-${slugOf(key.app_id)}`,
    about: [key.app_id],
    comment:
      'Adds a version to the master key of an app. The key is sealed, and bound to the app and the version.',
    constants: constant('KEY', { ...key }),
    up: insert('app_master_keys', 'KEY', { ...key }),
    down: remove('app_master_keys', 'KEY', ['app_id', 'version']),
  };
}

/** What is to become of how an app's tokens are verified; undefined on either side: no row. */
export interface IdentityChange {
  readonly before: IdentityRow | undefined;
  readonly after: IdentityRow | undefined;
}

/** Changes an app, and back to what it is now. */
export function change(
  verb: string,
  app: App,
  columns: AppColumns,
  identity?: IdentityChange,
): MigrationText {
  const names = Object.keys(columns) as (keyof AppColumns)[];
  const now = columnsNow(app);
  const before = Object.fromEntries(names.map((name) => [name, now[name]]));
  const parts = [
    ...(names.length === 0
      ? []
      : [
          {
            constants:
              constant('BEFORE', { app_id: app.appId, ...before }) +
              constant('AFTER', { app_id: app.appId, ...columns }),
            up: update(names, 'AFTER'),
            down: update(names, 'BEFORE'),
          },
        ]),
    ...(identity === undefined ? [] : [replacement(identity)]),
  ];
  return {
    slug: `${verb}-app-${slugOf(app.appId)}`,
    about: [app.appId],
    comment: `Changes ${[...names, ...(identity === undefined ? [] : ['the verification of tokens'])].join(', ')} of an app.`,
    constants: parts.map((part) => part.constants).join(''),
    up: parts.map((part) => part.up).join(''),
    down: parts
      .toReversed()
      .map((part) => part.down)
      .join(''),
  };
}

function replacement({ before, after }: IdentityChange): Pick<MigrationText, 'constants' | 'up' | 'down'> {
  const put = (name: string, row?: IdentityRow): string =>
    row === undefined ? '' : insert('app_identity', name, row);
  const take = (name: string, row?: IdentityRow): string =>
    row === undefined ? '' : remove('app_identity', name, ['app_id']);
  return {
    constants:
      (before === undefined ? '' : constant('IDENTITY_BEFORE', before)) +
      (after === undefined ? '' : constant('IDENTITY_AFTER', after)),
    up: take('IDENTITY_BEFORE', before) + put('IDENTITY_AFTER', after),
    down: take('IDENTITY_AFTER', after) + put('IDENTITY_BEFORE', before),
  };
}

/** Whether the app has these values now, so that there is nothing to change. */
export function isSoAlready(app: App, columns: AppColumns): boolean {
  const now = columnsNow(app);
  return (Object.keys(columns) as (keyof AppColumns)[]).every((name) => columns[name] === now[name]);
}

/** The columns as they are now, by their names in the database. */
export function columnsNow(app: App): Required<AppColumns> {
  return {
    name: app.name,
    disabled: app.disabled,
    identity: app.identity,
    timestamp_format: app.timestampFormat,
    membership: app.membership,
    max_members: app.maxMembers,
  };
}

/** A sealed value, and what it becomes; `version` of a master key, none of an HMAC secret. */
export interface Resealed {
  readonly app_id: string;
  readonly version?: number;
  readonly before: string;
  readonly after: string;
}

/** Seals anew, and back to the very values that are there now. */
export function resealing(
  from: string,
  to: string,
  keys: readonly Resealed[],
  secrets: readonly Resealed[],
): MigrationText {
  const places = [
    { name: 'KEYS', rows: keys, statement: SEAL_KEY, values: 'app_id, version' },
    { name: 'SECRETS', rows: secrets, statement: SEAL_SECRET, values: 'app_id' },
  ].filter(({ rows }) => rows.length > 0);
  const reseal = (old: string, fresh: string): string =>
    places
      .map(
        ({ name, statement, values }) => `    for (const { ${values}, before, after } of ${name}) {
      const result: unknown = await queryRunner.query(
        '${statement}',
        [${old}, ${fresh}, ${values}],
      );
      if ((result as [unknown, number])[1] !== 1) throw new Error(\`what is sealed for \${app_id} has changed\`);
    }
`,
      )
      .join('');
  return {
    slug: `reseal-${slugOf(from)}-${slugOf(to)}`,
    about: [...new Set([...keys, ...secrets].map((row) => row.app_id))],
    comment: `Seals with the key "${to}" what is sealed with the key "${from}".`,
    constants: places.map(({ name, rows }) => constant(name, rows)).join(''),
    up: reseal('before', 'after'),
    down: reseal('after', 'before'),
  };
}

const SEAL_KEY =
  'UPDATE app_master_keys SET sealed_key = $2 WHERE sealed_key = $1 AND app_id = $3 AND version = $4';
const SEAL_SECRET =
  'UPDATE app_identity SET sealed_hmac_secret = $2 WHERE sealed_hmac_secret = $1 AND app_id = $3';

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

function query(sql: string, values: string): string {
  return `await queryRunner.query('${sql}', ${values});\n`;
}
