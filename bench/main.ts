import { randomBytes, randomUUID } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { Client } from 'pg';
import { parseSecretsKey } from '../src/config/secrets-key.js';
import { holdEmbeddedPostgres } from '../src/database/embedded/embedded-postgres.js';
import { migrate } from '../src/database/migrate.js';
import { type Load, load } from './load.js';
import {
  cpuMicroseconds,
  parentOf,
  residentMegabytes,
  type Server,
  startServer,
  treeCpuMicroseconds,
} from './processes.js';
import { type Measurement, printTable, writeResults } from './report.js';
import { checkSamples } from './samples.js';
import { makeScenarios, type Scenario, seed } from './scenarios.js';

const { values: options } = parseArgs({
  options: {
    rounds: { type: 'string', default: '7' },
    seconds: { type: 'string', default: '2' },
    only: { type: 'string', multiple: true },
  },
});
const SECONDS = Number(options.seconds);
/** Loads of this length until the code is compiled that answers, which takes some thousand requests, or so many loads. */
const WARM_UP_SECONDS = 3;
const WARM_UP_REQUESTS = 10_000;
const MAX_WARM_UPS = 5;
/** Before each measurement: the others had the core, and its caches, meanwhile. */
const RETURN_SECONDS = 1;
/** Rounds of a run that bench/RESULTS.md keeps. */
const MIN_ROUNDS = 5;

interface Subject {
  readonly name: string;
  readonly scenario: Scenario;
  readonly server: Server;
  /** Where in the scenario's requests the next load begins, so that none comes twice. */
  offset: number;
}

const folder = mkdtempSync(join(tmpdir(), 'im-signature-bench-'));
// As root, PostgreSQL runs under another account, which has to reach its data.
chmodSync(folder, 0o755);
const embedded = process.env.DATABASE_URL === undefined ? await holdEmbeddedPostgres(folder) : undefined;
const serverUrl = process.env.DATABASE_URL ?? embedded?.url ?? '';
const name = `im_signature_bench_${randomUUID().replaceAll('-', '')}`;
await administer(`CREATE DATABASE ${name} ENCODING 'UTF8' TEMPLATE template0`);
try {
  await bench();
} finally {
  await administer(`DROP DATABASE ${name} WITH (FORCE)`);
  await embedded?.release();
  rmSync(folder, { recursive: true });
}

async function bench(): Promise<void> {
  const url = new URL(serverUrl);
  url.pathname = `/${name}`;
  const key = randomBytes(32).toString('base64');
  await migrate(url.href, folder);
  const database = new Client({ connectionString: url.href });
  await database.connect();
  await seed(database, parseSecretsKey(key));
  const postgres = await postmasterOf(database);
  const { rows } = await database.query<{ version: string }>("SELECT current_setting('server_version') AS version");
  await database.end();

  const scenarios = makeScenarios(folder).filter(
    (scenario) => options.only === undefined || options.only.includes(scenario.name),
  );
  const subjects = await startSubjects(scenarios, { DATABASE_URL: url.href, SECRETS_KEY: key, PORT: '0' });
  const measurements: Measurement[] = [];
  try {
    for (const subject of subjects) await warmUp(subject);
    for (let round = 1; round <= Number(options.rounds); round++) {
      for (const subject of subjects) {
        process.stderr.write(`round ${round}: ${subject.scenario.name}, ${subject.name}\n`);
        measurements.push(await measure(subject, postgres));
      }
    }
  } finally {
    await Promise.all(subjects.map(({ server }) => server.stop()));
  }
  const run = {
    scenarios,
    measurements,
    rounds: Number(options.rounds),
    seconds: SECONDS,
    postgres: rows[0]?.version ?? '',
  };
  printTable(run);
  // A run that is too short, or looks at a part only, is for whoever tries something out.
  if (options.only === undefined && run.rounds >= MIN_ROUNDS) writeResults(run);
}

/** Each scenario has processes of its own, so that none runs on what another has warmed up or filled. */
async function startSubjects(scenarios: readonly Scenario[], env: Record<string, string>): Promise<Subject[]> {
  const subjects: Subject[] = [];
  const start = async (name: string, scenario: Scenario, file: string): Promise<void> => {
    subjects.push({ name, scenario, server: await startServer(file, env), offset: 0 });
  };
  for (const scenario of scenarios) {
    await start('bare', scenario, 'bench/yardsticks/bare.js');
    await start('im-signature', scenario, 'src/main.js');
    if (scenario.name !== 'open') continue;
    await start('nest', scenario, 'bench/yardsticks/nest.js');
    await start('express', scenario, 'bench/yardsticks/express.js');
  }
  return subjects;
}

async function warmUp(subject: Subject): Promise<void> {
  for (let i = 0, requests = 0; i < MAX_WARM_UPS && requests < WARM_UP_REQUESTS; i++) {
    requests += (await loadFor(WARM_UP_SECONDS, subject)).requests;
  }
}

async function measure(subject: Subject, postgres: number | undefined): Promise<Measurement> {
  const { name, scenario, server } = subject;
  await loadFor(RETURN_SECONDS, subject);
  const cpu = (): [number, number] => [
    cpuMicroseconds(server.pid),
    postgres === undefined ? NaN : treeCpuMicroseconds(postgres),
  ];
  const [before, postgresBefore] = cpu();
  const loaded = new AbortController();
  const [result, checked] = await Promise.all([
    loadFor(SECONDS, subject).finally(() => {
      loaded.abort();
    }),
    checkSamples(server.url, scenario, loaded.signal),
  ]);
  const [after, postgresAfter] = cpu();
  const requests = result.requests + checked;
  return {
    subject: name,
    scenario: scenario.name,
    perSecond: requests / result.seconds,
    cpu: (after - before) / requests,
    postgresCpu: (postgresAfter - postgresBefore) / requests,
    p50: result.p50,
    p99: result.p99,
    memory: residentMegabytes(server.pid),
    errors: result.errors,
    checked,
  };
}

async function loadFor(seconds: number, subject: Subject): Promise<Load> {
  const result = await load(subject.server.url, subject.scenario, seconds, subject.offset);
  subject.offset += result.requests;
  return result;
}

/** The process whose children PostgreSQL's backends are; undefined when it runs on another machine. */
async function postmasterOf(database: Client): Promise<number | undefined> {
  const { rows } = await database.query<{ pid: number; local: boolean }>(
    "SELECT pg_backend_pid() AS pid, coalesce(inet_server_addr() << inet '127.0.0.0/8', true) AS local",
  );
  return rows[0]?.local === true ? parentOf(rows[0].pid) : undefined;
}

async function administer(sql: string): Promise<void> {
  const client = new Client({ connectionString: serverUrl });
  await client.connect();
  try {
    await client.query(sql);
  } finally {
    await client.end();
  }
}
