import { SettingsError } from '../config/settings-error.js';

/** Codes of a port that cannot be had; others are about the address. */
export const PORT_FAULTS: ReadonlySet<string> = new Set(['EADDRINUSE', 'EACCES']);

/** Why a start or a command failed, as lines for its caller: each names the fault and, where it is known, the remedy. */
export function startErrorLines(thrown: unknown): string[] {
  if (thrown instanceof SettingsError) return [...thrown.faults];
  return [explain(thrown instanceof Error ? thrown : new Error(String(thrown)))];
}

const VERBS: Record<string, string> = { open: 'opened', read: 'read', scandir: 'read' };

function explain(error: NodeJS.ErrnoException & { detail?: string }): string {
  const { code, message, syscall, path = 'a file', detail = message } = error;
  if (syscall === 'getaddrinfo') return `HOST: ${message}`;
  const setting = PORT_FAULTS.has(code ?? '') ? 'PORT' : 'HOST';
  if (syscall === 'listen') return `${setting}: cannot listen (${message}); choose another ${setting}`;
  switch (code) {
    case '42P01':
      return `${message}; run "im-signature migrate", which makes the tables, or says where they are`;
    // Rows of another table still refer to this one; the detail names them.
    case '23001':
    case '23503':
      return `refused: ${detail.replace(/\.$/, '')}; first delete the rows that refer to it`;
    case '42501':
      return `${message}; use the role that owns the tables`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} cannot be ${VERBS[syscall ?? ''] ?? 'written'} by user id ${process.getuid?.() ?? 'unknown'} (${code})`;
    default:
      return message;
  }
}
