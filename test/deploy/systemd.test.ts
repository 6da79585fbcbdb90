import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, it } from 'vitest';

const UNIT = join(import.meta.dirname, '../../deploy/systemd/im-signature.service');
const isInstalled = spawnSync('systemd-analyze', ['--version']).status === 0;
if (!isInstalled) process.stdout.write('systemd-analyze is not installed: the unit is not checked\n');

it.runIf(isInstalled)('systemd knows each setting of the unit', () => {
  const { status, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', UNIT], { encoding: 'utf8' });
  // It warns of what it does not know.
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
