import { styleText } from 'node:util';
import Table from 'cli-table3';

export interface OutputOptions {
  /** Print JSON for scripts instead of text for people. */
  json?: true;
}

type Cell = string | number | boolean | null | undefined;

/** Colours only where a person sees them (https://no-color.org). */
function colour(style: Parameters<typeof styleText>[0], text: string): string {
  return process.stdout.isTTY && !process.env.NO_COLOR ? styleText(style, text) : text;
}

export function print(text: string): void {
  process.stdout.write(`${text}\n`);
}

export function printJson(value: unknown): void {
  print(JSON.stringify(value, null, 2));
}

/** Prints rows under the headings, or, for a script, the objects the rows were made from. */
export function printTable<Row>(
  rows: readonly Row[],
  columns: Record<string, (row: Row) => Cell>,
  { json }: OutputOptions,
): void {
  if (json) {
    printJson(rows);
    return;
  }
  const table = new Table({
    head: Object.keys(columns).map((name) => colour('bold', name)),
    style: { head: [], border: [], compact: true },
  });
  for (const row of rows) table.push(Object.values(columns).map((column) => text(column(row))));
  print(table.toString());
}

function text(cell: Cell): string {
  if (cell === true) return colour('yellow', 'yes');
  return cell === null || cell === undefined || cell === false ? '' : String(cell);
}

export const good = (message: string): void => {
  print(colour('green', message));
};

export const warning = (message: string): string => colour('yellow', message);

/** What to do with a migration that was written. */
export function printNext(file: string): void {
  good(`wrote ${file}`);
  print(
    'Next: read it, commit it and have it reviewed; "npm run migrate" applies it, and "im-signature migrate --revert" takes it back then.',
  );
}
