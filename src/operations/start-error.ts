import { SettingsError } from '../config/settings.js';

/** What stopped a start or a command, as lines for who called it: what is wrong and, where it is known, how to mend it. */
export function startErrorLines(thrown: unknown): string[] {
  if (thrown instanceof SettingsError) return [...thrown.faults];
  const error: NodeJS.ErrnoException = thrown instanceof Error ? thrown : new Error(String(thrown));
  return [explain(error) ?? error.message];
}

function explain({
  code,
  message,
  syscall,
  path,
  detail,
}: NodeJS.ErrnoException & { detail?: string }): string | undefined {
  if (syscall === 'listen') return `PORT: cannot listen (${message})`;
  switch (code) {
    case '42P01':
      return 'the database has no tables of this service yet: run "npm run migrate"';
    // A foreign key is in the way: PostgreSQL names the row and the table that still refers to it.
    case '23001':
    case '23503':
      return `refused: ${detail ?? message}`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path ?? 'a file'} cannot be written (${code})`;
    default:
      return undefined;
  }
}
