/** When a ban ends, as a part of SELECT: a Date would not do, since PostgreSQL's years go on after those of JavaScript. */
export const ENDS = 'EXTRACT(epoch FROM banned_until)::float8 * 1000 AS ends';

export interface Ends {
  /** Milliseconds since 1970; null: never. */
  readonly ends: number | null;
}

/** The last moment that a Date can hold, in the year 275760. */
const LAST_DATE = 8.64e15;

/** When a ban ends, in milliseconds since 1970: `Infinity` where it never does, and where no Date can say when. */
export function endOf({ ends }: Ends): number {
  return ends === null || ends > LAST_DATE ? Infinity : ends;
}

/** To be read after "is banned". */
export function untilWhen(end: number): string {
  return end === Infinity ? 'permanently' : `until ${isoOf(end)}`;
}

/** As far back as a Date goes; before that, any moment is as long past. */
export function isoOf(end: number): string {
  return new Date(Math.max(end, -LAST_DATE)).toISOString();
}

/** How long a time is, in its two largest units: `2 d 5 h`. */
export function durationText(seconds: number): string {
  const parts: [number, string][] = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3_600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'min'],
    [seconds % 60, 's'],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0 s';
  return parts
    .slice(first, first + 2)
    .filter(([count]) => count > 0)
    .map(([count, unit]) => `${count} ${unit}`)
    .join(' ');
}
