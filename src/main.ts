import { END_SIGNALS } from './config/end-signals.js';
import { loadSettings } from './config/settings.js';
import { DatabaseServer } from './database/database-server.js';
import { startErrorLines } from './operations/start-error.js';

// When the reader of the log ends, the service goes on without one.
for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);

const interruption = new AbortController();
for (const signal of END_SIGNALS) process.once(signal, interruptStart);

try {
  const settings = loadSettings();
  // A mistake in the settings is told before the rest is loaded, which takes most of the start.
  const { startService } = await import('./service.js');
  await startService(settings, () => {
    for (const signal of END_SIGNALS) process.off(signal, interruptStart);
  });
} catch (error) {
  // What the start waited for has been taken away from it; the process ends when all is let go.
  if (interruption.signal.aborted) await new Promise(() => undefined);
  for (const line of startErrorLines(error)) process.stderr.write(`im-signature did not start. ${line}\n`);
  await DatabaseServer.release().catch(() => undefined);
  process.exit(1);
}

function interruptStart(_signal: NodeJS.Signals, number: number): void {
  interruption.abort();
  void DatabaseServer.release()
    .catch(() => undefined)
    // As shells report a process that a signal ended.
    .then(() => process.exit(128 + number));
}
