import { Injectable } from '@nestjs/common';
import type { ProblemCode } from '../problems/problem-error.js';
import { ACTIONS, type ActionName } from '../signature/actions.js';

/** Upper bounds in seconds: a warm answer takes 0.4 ms, and none may take longer than `REQUEST_TIMEOUT_MS`, 2 s. */
export const DURATION_BOUNDS = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5];
/** Apps that are counted one by one; the others are counted together. */
const MAX_APPS = 100;
/** No app has this id: it holds no ":". */
export const OTHER_APPS = ':other';

interface ActionCells {
  signed: number;
  readonly refused: Map<ProblemCode, number>;
  /** How many took at most so long, a cell for each bound and one for longer. */
  readonly durations: number[];
  seconds: number;
}
interface AppCells {
  signed: number;
  refused: number;
  /** By action and code, joined with a blank. */
  readonly shadowed: Map<string, number>;
}

/** What is counted of each request: plain numbers, which the metrics copy when they are asked for. */
@Injectable()
export class RequestCells {
  readonly actions: ReadonlyMap<ActionName, ActionCells> = new Map(
    Object.keys(ACTIONS).map((name) => [
      name as ActionName,
      { signed: 0, refused: new Map(), durations: Array<number>(DURATION_BOUNDS.length + 1).fill(0), seconds: 0 },
    ]),
  );
  readonly apps = new Map<string, AppCells>();
  /** Refusals where no action was asked for. */
  readonly elsewhere = new Map<ProblemCode, number>();

  /** @param app undefined where none was found. @param code undefined: signed. */
  count(action: ActionName, app: string | undefined, code: ProblemCode | undefined, seconds: number): void {
    const cells = this.actions.get(action);
    if (cells === undefined) return;
    if (code === undefined) cells.signed++;
    else add(cells.refused, code);
    let i = 0;
    while (seconds > (DURATION_BOUNDS[i] ?? Infinity)) i++;
    cells.durations[i] = (cells.durations[i] ?? 0) + 1;
    cells.seconds += seconds;
    if (app !== undefined) this.cellsOf(app)[code === undefined ? 'signed' : 'refused']++;
  }

  /** Counts a signature that would have been refused, were the app's rules enforced. */
  countShadowed(action: ActionName, app: string, code: ProblemCode): void {
    add(this.cellsOf(app).shadowed, `${action} ${code}`);
  }

  countElsewhere(code: ProblemCode): void {
    add(this.elsewhere, code);
  }

  private cellsOf(app: string): AppCells {
    let cells = this.apps.get(app);
    if (cells === undefined) {
      if (this.apps.size >= MAX_APPS) return this.apps.get(OTHER_APPS) ?? this.addApp(OTHER_APPS);
      cells = this.addApp(app);
    }
    return cells;
  }

  private addApp(app: string): AppCells {
    const cells = { signed: 0, refused: 0, shadowed: new Map<string, number>() };
    this.apps.set(app, cells);
    return cells;
  }
}

function add<Key>(counts: Map<Key, number>, key: Key): void {
  counts.set(key, (counts.get(key) ?? 0) + 1);
}
