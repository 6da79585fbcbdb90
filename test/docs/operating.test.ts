import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { parse } from 'yaml';
import { readSettings } from '../../src/config/settings.js';

const read = (file: string) => readFileSync(join(import.meta.dirname, '../..', file), 'utf8');

/** The variables that the service asks its environment for. */
function variables(): Set<string> {
  const asked = new Set<string>();
  readSettings(
    new Proxy<NodeJS.ProcessEnv>(
      {},
      {
        get: (_, name) => {
          asked.add(String(name));
          return undefined;
        },
      },
    ),
  );
  return asked;
}

/** What stands as code in the first column of a page's tables. */
function rowsOf(page: string): Set<string> {
  return new Set(
    [...read(page).matchAll(/^\| (`[^|]+) \|/gm)].flatMap(([, cell = '']) =>
      [...cell.matchAll(/`([^`]+)`/g)].map(([, code = '']) => code),
    ),
  );
}

describe('an operator finds every setting', () => {
  it.each(['docs/operating.md', 'docs/zh/operating.md'])('in %s', (page) => {
    const rows = rowsOf(page);
    expect([...variables()].filter((variable) => !rows.has(variable))).toEqual([]);
  });

  it('and compose hands them on, and those of an outgoing proxy, but those that it decides itself', () => {
    const { 'x-service': service } = parse(read('docker-compose.yml'), { merge: true }) as {
      'x-service': { environment: Record<string, string | null> };
    };
    const decided = ['HOST', 'PORT', 'DATABASE_URL_FILE', 'DATA_DIR', 'SECRETS_KEY_FILE', 'MIGRATIONS_DIR', 'NODE_ENV'];
    expect(Object.keys(service.environment).toSorted()).toEqual(
      [...variables(), 'NODE_USE_ENV_PROXY', 'HTTPS_PROXY', 'NO_PROXY']
        .filter((variable) => !decided.includes(variable))
        .toSorted(),
    );
  });
});

describe('an operator finds what each alert means', () => {
  const { groups } = parse(read('deploy/prometheus/rules.yml')) as { groups: { rules: { alert: string }[] }[] };
  it('in docs/operating.md', () => {
    const alerts = groups.flatMap(({ rules }) => rules.map(({ alert }) => alert));
    const rows = [...rowsOf('docs/operating.md')].filter((row) => row.startsWith('ImSignature'));
    expect(rows.toSorted()).toEqual(alerts.toSorted());
  });
});
