/**
 * The time a keeper takes to say who it is, also on a busy machine; a program that takes longer is another
 * one.
 */
export const GREETING_LIMIT_MS = 5_000;

/** In characters; a program that writes a longer line is not a keeper. */
export const MAX_GREETING = 100_000;

const KEEPER = 'im-signature-keeper';

/** What a keeper says about itself, one JSON line for each change, the first one at once. */
export type Greeting = { name: typeof KEEPER; dataDir: string } & KeeperState;

export type KeeperState =
  | { state: 'starting' }
  | { state: 'ready'; port: number }
  | { state: 'failed'; message: string }
  | { state: 'stopping' };

export function writeGreeting(dataDir: string, state: KeeperState): string {
  const greeting: Greeting = { name: KEEPER, dataDir, ...state };
  return `${JSON.stringify(greeting)}\n`;
}

/** The greeting in a line, or undefined when no keeper wrote it. */
export function readGreeting(line: string): Greeting | undefined {
  try {
    const greeting = JSON.parse(line) as Partial<Greeting> | null;
    return greeting?.name === KEEPER ? (greeting as Greeting) : undefined;
  } catch {
    return undefined;
  }
}
