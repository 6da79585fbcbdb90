import { Injectable } from '@nestjs/common';
import { HttpAdapterHost } from '@nestjs/core';
import type { FastifyAdapter } from '@nestjs/platform-fastify';
import { collectDefaultMetrics, Counter, Gauge, type Histogram, Registry } from 'prom-client';
import { AppRegistry } from '../apps/app-registry.js';
import { BUILD } from '../config/build.js';
import { Settings } from '../config/settings.js';
import { LookUps } from '../database/look-ups.js';
import type { SignatureServer } from '../http/server.js';
import { ServerState } from '../http/server-state.js';
import { TokenVerifier } from '../identity/token-verifier.js';
import { PROBLEM_CODES } from '../problems/problem-document.js';
import { Health } from './health.js';
import { LogSink } from './log-sink.js';
import { DURATION_BOUNDS, RequestCells } from './request-cells.js';
import { RequestLog } from './request-log.js';

const PREFIX = 'im_signature_';
/** Of prom-client's own: by their names counters, and yet gauges. */
const MISNAMED = ['nodejs_active_handles_total', 'nodejs_active_requests_total', 'nodejs_active_resources_total'];

/** Series of a metric: the values of its labels, and a number. */
type Series = Iterable<readonly [labels: Record<string, string>, value: number]>;

/** What Prometheus is told: each scrape copies the numbers that the rooms count. */
@Injectable()
export class Metrics {
  private readonly registry = new Registry();

  constructor(
    private readonly settings: Settings,
    private readonly adapterHost: HttpAdapterHost<FastifyAdapter>,
    private readonly cells: RequestCells,
    private readonly registryOfApps: AppRegistry,
    private readonly verifier: TokenVerifier,
    private readonly lookUps: LookUps,
    private readonly state: ServerState,
    private readonly health: Health,
    private readonly sink: LogSink,
    private readonly requestLog: RequestLog,
  ) {}

  get contentType(): string {
    return this.registry.contentType;
  }

  async text(): Promise<string> {
    return this.registry.metrics();
  }

  /** Called once, where metrics are asked for: some have a cost of their own. */
  define(): void {
    collectDefaultMetrics({ register: this.registry });
    for (const name of MISNAMED) this.registry.removeSingleMetric(name);
    this.defineRequests();
    this.defineCaches();
    this.defineDatabase();
    this.defineProcess();
  }

  private defineRequests(): void {
    const { actions, apps, elsewhere } = this.cells;
    this.counter('signatures_total', 'Signatures made, by action.', ['action'], () =>
      Array.from(actions, ([action, { signed }]) => [{ action }, signed]),
    );
    this.counter('refusals_total', 'Refusals; the action is empty where none was asked for.', ['action', 'code'], () =>
      [...Array.from(actions, ([action, { refused }]) => [action, refused] as const), ['', elsewhere] as const].flatMap(
        ([action, refused]) => PROBLEM_CODES.map((code) => [{ action, code }, refused.get(code) ?? 0] as const),
      ),
    );
    this.counter(
      'app_signatures_total',
      'Signatures made, by app; ":other": the apps after the first 100.',
      ['app'],
      () => Array.from(apps, ([app, { signed }]) => [{ app }, signed]),
    );
    this.counter('app_refusals_total', 'Refusals of requests for an enabled app, by app.', ['app'], () =>
      Array.from(apps, ([app, { refused }]) => [{ app }, refused]),
    );
    this.counter(
      'shadow_refusals_total',
      'Signatures that would have been refused, were the rules of the app enforced.',
      ['app', 'action', 'code'],
      () =>
        Array.from(apps, ([app, { shadowed }]) =>
          Array.from(shadowed, ([asked, count]) => {
            const [action = '', code = ''] = asked.split(' ');
            return [{ app, action, code }, count] as const;
          }),
        ).flat(),
    );
    this.registry.registerMetric(durations(actions));
  }

  private defineCaches(): void {
    const { counts: apps } = this.registryOfApps;
    const { counts: tokens, fetches } = this.verifier;
    this.counter('cache_lookups_total', 'Look-ups in a cache.', ['cache', 'outcome'], () => [
      [{ cache: 'apps', outcome: 'hit' }, apps.hits],
      [{ cache: 'apps', outcome: 'miss' }, apps.misses],
      [{ cache: 'tokens', outcome: 'hit' }, tokens.cached],
      [{ cache: 'tokens', outcome: 'miss' }, tokens.verified + tokens.refused + tokens.failed],
    ]);
    this.gauge('cache_entries', 'Entries in a cache.', ['cache'], () => [
      [{ cache: 'apps' }, this.registryOfApps.size],
      [{ cache: 'tokens' }, this.verifier.size],
    ]);
    this.counter(
      'token_verifications_total',
      'Tokens: known from the cache, verified, refused, or not to be verified now ("failed").',
      ['outcome'],
      () => Object.entries(tokens).map(([outcome, value]) => [{ outcome }, value]),
    );
    this.counter('issuer_key_fetches_total', "Fetches of issuers' keys.", ['outcome'], () =>
      Object.entries(fetches).map(([outcome, value]) => [{ outcome }, value]),
    );
  }

  private defineDatabase(): void {
    const { lookUps } = this;
    const byStatement = (name: string, help: string, field: 'queries' | 'failures' | 'questions' | 'seconds'): void => {
      this.counter(name, help, ['statement'], () =>
        Array.from(lookUps.counts, ([statement, counts]) => [{ statement }, counts[field]]),
      );
    };
    byStatement('database_queries_total', 'Queries of the request path; each is for a batch of requests.', 'queries');
    byStatement('database_query_failures_total', 'Queries that failed or took too long.', 'failures');
    byStatement('database_questions_total', 'Questions that the queries asked, one a request.', 'questions');
    byStatement('database_query_seconds_total', 'Time of the queries, with that for a connection.', 'seconds');
    this.gauge('database_connections', 'Connections of the pool.', ['state'], () => {
      const { total, idle } = lookUps.connections;
      return [
        [{ state: 'busy' }, total - idle],
        [{ state: 'idle' }, idle],
      ];
    });
    this.gauge('database_connections_max', 'Connections that the pool may have.', [], () => [
      [{}, this.settings.databasePoolSize],
    ]);
    this.gauge('database_connections_waiting', 'Queries that wait for a connection.', [], () => [
      [{}, lookUps.connections.waiting],
    ]);
    this.gauge('database_refusing', '1 while queries are refused at once, since PostgreSQL did not answer.', [], () => [
      [{}, Number(lookUps.isRefusing)],
    ]);
  }

  private defineProcess(): void {
    const { version, commit = '', node } = BUILD;
    this.gauge('build_info', 'What runs; always 1.', ['version', 'commit', 'node'], () => [
      [{ version, commit, node }, 1],
    ]);
    this.gauge('ready', '1 while /health/ready says so.', [], async () => [
      [{}, Number((await this.health.reasons()).length === 0)],
    ]);
    this.gauge('draining', '1 while the service is about to end.', [], () => [[{}, Number(this.state.draining)]]);
    this.gauge('shedding', '1 while requests are refused because there are too many.', [], () => [
      [{}, Number(this.state.shedding)],
    ]);
    this.counter('shed_total', 'Requests refused because there were too many; also among the refusals.', [], () => [
      [{}, this.state.shed],
    ]);
    this.gauge('http_requests_under_way', 'Requests for a signature that have no answer yet.', [], () => [
      [{}, this.state.underWay],
    ]);
    this.gauge('http_connections', 'Open connections of clients.', [], () => {
      const { sockets } = this.adapterHost.httpAdapter.getHttpServer<SignatureServer>();
      return [[{}, sockets.size]];
    });
    this.counter('event_loop_seconds_total', 'Time of the event loop.', ['state'], () => {
      const { active, idle } = performance.eventLoopUtilization();
      return [
        [{ state: 'active' }, active / 1000],
        [{ state: 'idle' }, idle / 1000],
      ];
    });
    this.counter('log_lines_lost_total', 'Lines of the log that could not be written.', [], () => [
      [{}, this.sink.lost],
    ]);
    this.counter('log_refusals_counted_total', 'Refusals that have no line of their own in the log.', [], () => [
      [{}, this.requestLog.counted],
    ]);
  }

  private counter(name: string, help: string, labelNames: string[], series: () => Series): void {
    const counter: Counter = new Counter({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.registry],
      collect() {
        counter.reset();
        for (const [labels, value] of series()) counter.inc(labels, value);
      },
    });
  }

  private gauge(name: string, help: string, labelNames: string[], series: () => Series | Promise<Series>): void {
    const gauge: Gauge = new Gauge({
      name: PREFIX + name,
      help,
      labelNames,
      registers: [this.registry],
      async collect() {
        const all = await series();
        gauge.reset();
        for (const [labels, value] of all) gauge.set(labels, value);
      },
    });
  }
}

/** What the registry asks of a histogram: prom-client's own has no way to take over what was counted elsewhere. */
function durations(actions: RequestCells['actions']): Histogram {
  const name = `${PREFIX}request_duration_seconds`;
  const help = 'From the head of a request to its answer, refusals included.';
  const get = () => {
    const values = Array.from(actions, ([action, { durations, seconds }]) => {
      let count = 0;
      const buckets = durations.map((cell, i) => ({
        metricName: `${name}_bucket`,
        labels: { action, le: DURATION_BOUNDS[i] ?? '+Inf' },
        value: (count += cell),
      }));
      const sum = { metricName: `${name}_sum`, labels: { action }, value: seconds };
      return [...buckets, sum, { metricName: `${name}_count`, labels: { action }, value: count }];
    });
    return Promise.resolve({ name, help, type: 'histogram', values: values.flat() });
  };
  return { name, get } as unknown as Histogram;
}
