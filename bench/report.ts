import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { fileURLToPath } from 'node:url';
import { chartOf } from './chart.js';
import { GENERATOR } from './load.js';
import { SERVER_CORE } from './processes.js';
import type { Scenario } from './scenarios.js';

/** One load on one server. CPU is in microseconds per request, p50 and p99 are in milliseconds, memory is in MB. */
export interface Measurement {
  readonly subject: string;
  readonly scenario: string;
  readonly perSecond: number;
  readonly cpu: number;
  readonly postgresCpu: number;
  readonly p50: number;
  readonly p99: number;
  readonly memory: number;
  readonly errors: number;
  readonly checked: number;
}

export interface Run {
  readonly scenarios: readonly Scenario[];
  readonly measurements: readonly Measurement[];
  readonly rounds: number;
  readonly seconds: number;
  /** PostgreSQL's version. */
  readonly postgres: string;
}

/** Everything between these lines of bench/RESULTS.md is replaced by a run; what was made of it stands after them. */
const BEGIN = '<!-- run -->';
const END = '<!-- /run -->';
const RESULTS = fileURLToPath(new URL('../../bench/RESULTS.md', import.meta.url));
const CHART = fileURLToPath(new URL('../../bench/results.svg', import.meta.url));

export function printTable(run: Run): void {
  process.stdout.write(`${tableOf(run)}\n`);
}

export function writeResults(run: Run): void {
  const text = readFileSync(RESULTS, 'utf8');
  const [before = ''] = text.split(BEGIN);
  const [, after = ''] = text.split(END);
  const table = tableOf(run);
  writeFileSync(RESULTS, `${before}${BEGIN}\n\n${environment(run)}\n\n${table}\n\n${END}${after}`);
  writeFileSync(CHART, chartOf(table));
}

function environment({ rounds, seconds, postgres }: Run): string {
  const commit = execFileSync('git', ['describe', '--always', '--dirty'], { encoding: 'utf8' }).trim();
  const placed = SERVER_CORE === undefined ? 'all on the same cores' : 'the server on a core of its own';
  return [
    `- ${new Date().toISOString().slice(0, 10)}, commit ${commit}, Node ${process.version}, PostgreSQL ${postgres}, ${GENERATOR}`,
    `- ${cpus().length} cores (${cpus()[0]?.model ?? 'unknown'}), ${placed}`,
    `- ${rounds} rounds of ${seconds} s each, servers in turn; medians, and of the ratio the least and the greatest`,
  ].join('\n');
}

function tableOf({ scenarios, measurements }: Run): string {
  const header = [
    'scenario',
    'server',
    'CPU us/request',
    'ratio to bare',
    'goal',
    'requests/s',
    'PostgreSQL us/request',
    'p50 ms',
    'p99 ms',
    'MB',
    'errors',
    'checked',
  ];
  const rows = scenarios.flatMap((scenario) => {
    const of = measurements.filter((one) => one.scenario === scenario.name);
    return [...new Set(of.map(({ subject }) => subject))].map((subject) => {
      const mine = of.filter((one) => one.subject === subject);
      const bare = of.filter((one) => one.subject === 'bare');
      // Measured one after the other in the same round, so that what else the machine does weighs on both.
      const ratios = mine.map((one, round) => one.cpu / (bare[round]?.cpu ?? NaN));
      const sum = (pick: (one: Measurement) => number): number => mine.map(pick).reduce((a, b) => a + b, 0);
      return [
        scenario.name,
        subject,
        median(mine.map((one) => one.cpu)).toFixed(1),
        subject === 'bare'
          ? '1'
          : `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)} to ${Math.max(...ratios).toFixed(2)})`,
        subject === 'im-signature' ? (scenario.goal ?? '').toString() : '',
        median(mine.map((one) => one.perSecond)).toFixed(0),
        subject === 'im-signature' ? median(mine.map((one) => one.postgresCpu)).toFixed(1) : '',
        median(mine.map((one) => one.p50)).toFixed(2),
        median(mine.map((one) => one.p99)).toFixed(2),
        Math.max(...mine.map((one) => one.memory)).toString(),
        sum((one) => one.errors).toString(),
        sum((one) => one.checked).toString(),
      ];
    });
  });
  const line = (cells: readonly string[]): string => `| ${cells.join(' | ')} |`;
  return [
    ...scenarios.map(({ name, about }) => `- **${name}**: ${about}`),
    '',
    line(header),
    line(header.map(() => '---')),
    ...rows.map(line),
  ].join('\n');
}

function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1
    ? (sorted[middle] ?? NaN)
    : ((sorted[middle - 1] ?? NaN) + (sorted[middle] ?? NaN)) / 2;
}
