import { spawnSync } from 'node:child_process';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const FOLDER = join(import.meta.dirname, '../../deploy/systemd');
const UNIT = join(FOLDER, 'im-signature.service');
const isInstalled = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!isInstalled) process.stdout.write('systemd-analyze is not installed: the unit is not checked\n');

it.runIf(isInstalled)('systemd knows each setting of the unit', () => {
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', UNIT], { encoding: 'utf8' });
  // It warns of what it does not know.
  expect(stderr).toBe('');
  expect(status).toBe(0);
});

it.runIf(isInstalled)('systemd takes the secrets from files', () => {
  const folder = mkdtempSync(join(tmpdir(), 'im-signature-systemd-'));
  const unit = join(folder, 'im-signature.service');
  cpSync(UNIT, unit);
  cpSync(join(FOLDER, 'credentials.conf'), join(folder, 'im-signature.service.d', 'credentials.conf'));
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', unit], { encoding: 'utf8' });
  rmSync(folder, { recursive: true });
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
