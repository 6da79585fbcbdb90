import { Injectable, type OnApplicationBootstrap } from '@nestjs/common';
import { AppRegistry } from '../apps/app-registry.js';
import type { SigningApp } from '../apps/signing-app.js';
import { Clock, type ClockReading } from '../config/clock.js';
import { Settings } from '../config/settings.js';
import { MIGRATIONS_TABLE, READ_TABLES } from '../database/access.js';
import { DatabaseServer } from '../database/database-server.js';
import { allRowsOf, HiddenRowsError, LookUps, type Statement } from '../database/look-ups.js';
import { migrationStatus } from '../database/migrate.js';
import { ServerState } from '../http/server-state.js';
import { before, DeadlineError } from '../problems/deadline.js';
import { ProblemError } from '../problems/problem-error.js';
import { ServiceLogger } from './service-logger.js';

/** Milliseconds for which the last result is answered again. */
const MAX_AGE = 1_000;
/** Milliseconds for all that is asked; probes give up after a second by default (Kubernetes). */
const LIMIT = 900;
const PAGE = 1_000;
const UNREADABLE = 'The service may not read all of its tables.';

/** How many migrations are applied, of those whose names are the lines of $1; and the tables that the role may not read. */
const APPLIED: Statement = {
  name: 'applied-migrations',
  text: `
    SELECT (
      SELECT count(*)::integer FROM ${MIGRATIONS_TABLE} WHERE name = ANY (string_to_array($1, E'\\n'))
    ) AS applied, (
      SELECT string_agg(name, ', ') FROM unnest('{${READ_TABLES.join()}}'::text[]) AS name
      WHERE NOT coalesce(has_table_privilege(to_regclass(name), 'SELECT'), false)
    ) AS unreadable
    WHERE ${allRowsOf(...READ_TABLES)}`,
};

type Applied = Readonly<{ applied: number; unreadable: string | null }>;

/** The first ids after $1 of apps that are not disabled. */
const ENABLED: Statement = {
  name: 'enabled-apps',
  text: `
    SELECT ARRAY(SELECT app_id FROM apps WHERE NOT disabled AND app_id > $1 ORDER BY app_id LIMIT ${PAGE}) AS ids
    WHERE ${allRowsOf(...READ_TABLES)}`,
};

/** Why requests should go elsewhere, and for the log what lies behind it. */
type Fault = Readonly<{ reason: string; cause?: string }>;

/** Whether the service can sign: asked of PostgreSQL by way of the pool that requests use, at most once a second. */
@Injectable()
export class Health implements OnApplicationBootstrap {
  /** Of this build; later ones that are applied, too, are another build's. */
  private migrations: readonly string[] = [];
  /** An app whose key opened. */
  private opened: string | undefined;
  private checking: Promise<Fault | undefined> | undefined;
  private found: { readonly fault: Fault | undefined; readonly at: ClockReading } | undefined;
  private told = '';

  constructor(
    private readonly settings: Settings,
    private readonly server: DatabaseServer,
    private readonly lookUps: LookUps,
    private readonly registry: AppRegistry,
    private readonly state: ServerState,
    private readonly clock: Clock,
    private readonly logger: ServiceLogger,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const status = await migrationStatus(await this.server.url(), this.settings.migrationsDir);
    this.migrations = status.map(({ name }) => name);
  }

  /** Why requests should go to another process; empty: the service is ready. */
  async reasons(): Promise<string[]> {
    const { draining, shedding } = this.state;
    const fault = await this.fault();
    const reasons: string[] = [];
    if (draining) reasons.push('The service is about to end.');
    if (shedding) reasons.push('The service has more requests than it can answer in time.');
    if (fault !== undefined) reasons.push(fault.reason);
    this.tell(reasons.join(' '), fault?.cause);
    return reasons;
  }

  private async fault(): Promise<Fault | undefined> {
    if (this.found !== undefined && this.clock.elapsedSince(this.found.at) < MAX_AGE) return this.found.fault;
    this.checking ??= this.check().finally(() => (this.checking = undefined));
    return this.checking;
  }

  private async check(): Promise<Fault | undefined> {
    const fault = await before(performance.now() + LIMIT, 'check of the database', this.look()).catch(faultOf);
    this.found = { fault, at: this.clock.read() };
    return fault;
  }

  private async look(): Promise<Fault | undefined> {
    const names = this.migrations;
    const [row] = await this.lookUps.rows<Applied>(APPLIED, [names.join('\n')], 1);
    const lacking = names.length - (row?.applied ?? 0);
    if (lacking > 0) return { reason: `The database lacks ${lacking} migration(s) of this build.` };
    const unreadable = row?.unreadable ?? null;
    if (unreadable !== null) {
      return { reason: UNREADABLE, cause: `its role needs SELECT on ${unreadable}` };
    }
    return (await this.anyKeyOpens()) ? undefined : { reason: "SECRETS_KEY decrypts no app's master key." };
  }

  /** True, too, if no app is enabled. */
  private async anyKeyOpens(): Promise<boolean> {
    if (this.opened !== undefined && (await this.opens(this.opened))) return true;
    let last = '';
    for (;;) {
      const [row] = await this.lookUps.rows<{ ids: string[] }>(ENABLED, [last], 1);
      for (const id of row?.ids ?? []) {
        if (!(await this.opens(id))) continue;
        this.opened = id;
        return true;
      }
      const end = row?.ids.at(-1);
      if (end === undefined) return last === '';
      last = end;
    }
  }

  private async opens(appId: string): Promise<boolean> {
    let app: SigningApp;
    try {
      app = await this.registry.find(appId);
    } catch (error) {
      if (error instanceof ProblemError && error.code !== 'unavailable') return false;
      throw error;
    }
    try {
      app.masterKey(Date.now());
      return true;
    } catch {
      return false;
    }
  }

  /** Says when it changes. */
  private tell(reasons: string, cause: string | undefined): void {
    if (reasons === this.told) return;
    this.told = reasons;
    if (reasons === '') this.logger.write('info', 'Health', 'Ready again');
    else this.logger.write('warn', 'Health', `Not ready: ${reasons}`, { cause });
  }
}

/** What PostgreSQL says may name roles and addresses, so only the log has it. */
function faultOf(error: unknown): Fault {
  const chain = Array.from(causes(error));
  const messages = chain.map((one) => one.message);
  const cause = messages.at(-1) ?? String(error);
  if (messages.some((message) => message.includes('in recovery'))) {
    return { reason: 'PostgreSQL is in recovery, a standby.', cause };
  }
  if (chain.some((one) => one instanceof HiddenRowsError)) {
    return { reason: 'Row-level security hides rows from the service.', cause };
  }
  if (chain.some((one) => (one as { code?: string }).code === '42501')) {
    return { reason: UNREADABLE, cause };
  }
  if (chain.some((one) => one instanceof DeadlineError)) {
    return { reason: 'PostgreSQL does not answer in time.', cause };
  }
  return { reason: 'PostgreSQL cannot be used.', cause };
}

/** An error and what caused it, and so on. */
function* causes(error: unknown): Generator<Error> {
  for (let one = error; one instanceof Error; one = one.cause) yield one;
}
