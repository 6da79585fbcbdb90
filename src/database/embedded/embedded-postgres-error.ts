/** What could not be done and how to mend it, as one line for a console. It never holds the password. */
export class EmbeddedPostgresError extends Error {
  override readonly name = 'EmbeddedPostgresError';

  constructor(message: string, options?: ErrorOptions) {
    super(message.replaceAll(/\s*\n\s*/g, ' '), options);
  }
}

/** The code of a failed system call (`ENOENT`), or undefined when the error is something else. */
export function errorCode(error: unknown): string | undefined {
  return error instanceof Error ? (error as NodeJS.ErrnoException).code : undefined;
}

/** Any error as an `EmbeddedPostgresError`; one that is not ours yet gets the ways out that always exist. */
export function asEmbeddedPostgresError(error: unknown, dataDir: string): EmbeddedPostgresError {
  if (error instanceof EmbeddedPostgresError) return error;
  const reason = error instanceof Error ? error.message : String(error);
  return new EmbeddedPostgresError(
    `The embedded PostgreSQL cannot use the data folder ${dataDir}: ${reason}. ` +
      'Start as the owner of that folder, choose another DATA_DIR, or set DATABASE_URL.',
    { cause: error },
  );
}
