import { ftruncateSync, openSync, rmSync, writeSync } from 'node:fs';

const MAX_BYTES = 5_000_000;
const GIST_LINES = 3;

/** What Postgres says, kept in a file that begins anew at each start and whenever it has grown too long. */
export class PostgresLog {
  private readonly descriptor: number;
  private bytes = 0;
  private last: string[] = [];

  constructor(file: string) {
    // Not truncated but replaced: nothing that was put there, such as a link, is written through.
    rmSync(file, { force: true });
    this.descriptor = openSync(file, 'ax', 0o600);
  }

  add(line: string): void {
    this.last = [...this.last.slice(-50), line.replace(/^\S+ \S+ \S+ \[\d+\] /, '')];
    try {
      if (this.bytes > MAX_BYTES) {
        ftruncateSync(this.descriptor);
        this.bytes = 0;
      }
      // At once, so that the last words are there when the keeper ends.
      this.bytes += writeSync(this.descriptor, `${line}\n`);
    } catch {
      // A full disk must not end the keeper: then nothing would stop Postgres.
    }
  }

  /** The lines that tell best what went wrong, as one. */
  gist(): string {
    const telling = this.last.filter((line) => /^(FATAL|PANIC|ERROR|HINT|DETAIL):|error/.test(line));
    const lines = telling.length > 0 ? telling : this.last;
    return lines.length > 0 ? lines.slice(-GIST_LINES).join(' ') : 'it said nothing';
  }

  /** Begins a new attempt, whose gist is its own. */
  forget(): void {
    this.last = [];
  }
}
