const VARIABLES = {
  DATABASE_URL: 'the database: postgres://user:password@host:5432/database',
  DATA_DIR: 'without it: the folder of the embedded database (default: .data)',
  SECRETS_KEY: 'the key that seals secrets at rest; required with DATABASE_URL',
  MIGRATIONS_DIR: 'the folder of the migrations that register and change apps',
} as const;

type Variable = keyof typeof VARIABLES;

/** The variables of a command that works with the database. */
export const DATABASE: readonly Variable[] = ['DATABASE_URL', 'DATA_DIR', 'SECRETS_KEY'];
/** The variables of a command that writes or applies migrations. */
export const MIGRATIONS: readonly Variable[] = [...DATABASE, 'MIGRATIONS_DIR'];

interface HelpDetails {
  /** What the command reads from standard input. */
  readonly stdin?: string;
  /** The environment variables that it reads. */
  readonly reads?: readonly Variable[];
  /** A call that works, from the program's name on. */
  readonly example: string;
}

/** What the help of a command says below its options: `command.addHelpText('after', details({ … }))`. */
export function details({ stdin, reads = [], example }: HelpDetails): string {
  const width = Math.max(...reads.map((name) => name.length));
  const variables = reads.map((name) => `\n  ${name.padEnd(width)}  ${VARIABLES[name]}`).join('');
  const inFiles = reads
    .filter((name) => name === 'DATABASE_URL' || name === 'SECRETS_KEY')
    .map((name) => `${name}_FILE`);
  const files = inFiles.length === 0 ? '' : `\n  or ${inFiles.join(', ')}: a file that holds the value`;
  return [
    stdin === undefined ? '' : `\nStandard input:\n  ${stdin.replaceAll('\n', '\n  ')}\n`,
    variables === '' ? '' : `\nEnvironment, or a file .env in the current folder:${variables}${files}\n`,
    `\nExample:\n  ${example}`,
  ].join('');
}
