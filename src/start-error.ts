import { SettingsError } from './config/settings.js';

/** What stopped the start, as lines for the operator: what is wrong and, where it is known, how to mend it. */
export function startErrorLines(thrown: unknown): string[] {
  if (thrown instanceof SettingsError) return [...thrown.faults];
  const error = thrown instanceof Error ? thrown : new Error(String(thrown));
  return [explain(error) ?? error.message];
}

/** Codes of Node and PostgreSQL (appendix A of its manual) that a wrong setting causes. */
function explain({ code, message, syscall }: NodeJS.ErrnoException): string | undefined {
  if (syscall === 'listen') return `PORT: cannot listen (${message})`;
  switch (code) {
    case 'ECONNREFUSED':
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'ETIMEDOUT':
    case 'EHOSTUNREACH':
      return `DATABASE_URL: PostgreSQL does not answer there (${code})`;
    case '28P01':
    case '28000':
    case '3D000':
      return `DATABASE_URL: PostgreSQL refuses it (${message})`;
    default:
      return undefined;
  }
}
