import type { Readable, Writable } from 'node:stream';
import { styleText } from 'node:util';
import Table from 'cli-table3';

type Tty<Stream> = Stream & { readonly isTTY?: boolean | undefined };
type Streams = Readonly<{ stdin: Tty<Readable>; stdout: Tty<Writable>; stderr: Tty<Writable> }>;

/** `json`: print JSON for scripts instead of text for people. */
export type OutputOptions = Partial<Record<'json', true>>;

/** Lines between columns and below the names, none around. */
const TABLE_LINES = {
  ...{ top: '', 'top-mid': '', 'top-left': '', 'top-right': '' },
  ...{ bottom: '', 'bottom-mid': '', 'bottom-left': '', 'bottom-right': '' },
  ...{ left: '', 'left-mid': '', right: '', 'right-mid': '' },
  ...{ middle: ' │ ', 'mid-mid': '─┼─' },
};

/** A text that others wrote, so that nothing in it steers the terminal. */
export function harmless(text: string): string {
  return text.replace(/[\p{Cc}\p{Bidi_Control}]/gu, ' ');
}

type Cell = string | number | boolean | null | undefined;

/** What a command reads and writes: the process's own streams and environment, or those of a test. */
export class Io {
  /** 1 where a command has done its work, and found something wrong; 3 where it has done a part of it. */
  exitCode: 0 | 1 | 3 = 0;

  constructor(
    readonly streams: Streams,
    readonly env: NodeJS.ProcessEnv,
  ) {}

  print(text: string): void {
    this.streams.stdout.write(`${text}\n`);
  }

  printSuccess(text: string): void {
    this.print(this.colour('green', text));
  }

  /** Prints beside the output, which may be JSON or go to a file. */
  printWarning(text: string): void {
    this.streams.stderr.write(`${this.colour('yellow', `warning: ${text}`, this.streams.stderr)}\n`);
  }

  /** What comes after a registration is written. @param file its path. */
  printWritten(file: string, revert = 'Revert it: im-signature migrate --revert.'): void {
    this.printSuccess(`wrote ${file}`);
    this.print(`Next: read it, commit it and have it reviewed. Apply it: im-signature migrate. ${revert}`);
  }

  printJson(value: unknown): void {
    this.print(JSON.stringify(value, null, 2));
  }

  /** Prints rows under the names of their fields, or as JSON. @param view a row as people see it. */
  printTable<Row extends object>(
    rows: readonly Row[],
    { json }: OutputOptions = {},
    view: (row: Row) => object = (row) => row,
  ): void {
    if (json) {
      this.printJson(rows);
      return;
    }
    const [first, ...others] = rows.map((row) => Object.entries(view(row)) as [string, Cell][]);
    if (first === undefined) {
      this.print('none');
      return;
    }
    const head = first.map(([name]) => this.colour('bold', name));
    const style = { head: [], border: [], compact: true, 'padding-left': 0, 'padding-right': 0 };
    const table = new Table({ head, style, chars: TABLE_LINES });
    for (const row of [first, ...others]) table.push(row.map(([, value]) => this.cell(value)));
    this.print(table.toString());
  }

  warning(text: string): string {
    return this.colour('yellow', text);
  }

  private cell(value: Cell): string {
    if (value === true) return this.warning('yes');
    return value === null || value === undefined || value === false ? '' : String(value);
  }

  /** Colours only where a person sees them (https://no-color.org). */
  private colour(style: Parameters<typeof styleText>[0], text: string, stream = this.streams.stdout): string {
    return stream.isTTY && !this.env.NO_COLOR ? styleText(style, text) : text;
  }
}
