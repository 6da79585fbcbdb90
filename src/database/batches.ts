import { DeadlineError } from '../problems/deadline.js';

/** Milliseconds that a question waits for its batch. Later its request is refused before the answer, and an overload would not end. */
const MAX_WAIT = 500;

interface Waiting<Question, Answer> {
  readonly question: Question;
  readonly weight: number;
  /** By `performance.now()`. */
  readonly since: number;
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: unknown) => void;
}

export interface BatchOptions<Question, Answer> {
  /** Answers the questions of a batch, in their order. */
  readonly ask: (questions: readonly Question[]) => Promise<readonly Answer[]>;
  /** Whether one of its questions made a batch fail: then the others are asked again without it. */
  readonly isFaultOfOne: (error: unknown) => boolean;
  /** The most that the questions of a batch weigh together; a single one may weigh more. */
  readonly maxWeight: number;
  /** The most batches at a time; further questions wait. */
  readonly maxInFlight: number;
}

/** Collects the questions of one turn of the event loop into batches, so that concurrent requests share a query. */
export class Batches<Question, Answer> {
  private waiting: Waiting<Question, Answer>[] = [];
  private inFlight = 0;
  private scheduled = false;

  constructor(private readonly options: BatchOptions<Question, Answer>) {}

  /** @throws {DeadlineError} when no batch has room for the question within half a second. */
  ask(question: Question, weight = 1): Promise<Answer> {
    return new Promise((resolve, reject) => {
      this.waiting.push({ question, weight, since: performance.now(), resolve, reject });
      this.schedule();
    });
  }

  private schedule(): void {
    if (this.waiting.length === 0 || this.scheduled || this.inFlight >= this.options.maxInFlight) return;
    this.scheduled = true;
    setImmediate(() => {
      this.scheduled = false;
      const batch = this.nextBatch();
      if (batch.length === 0) return;
      this.inFlight++;
      void this.answer(batch).finally(() => {
        this.inFlight--;
        this.schedule();
      });
      this.schedule();
    });
  }

  private nextBatch(): Waiting<Question, Answer>[] {
    this.refuseLate();
    let weight = 0;
    const end = this.waiting.findIndex((one, i) => (weight += one.weight) > this.options.maxWeight && i > 0);
    return this.waiting.splice(0, end === -1 ? this.waiting.length : end);
  }

  private refuseLate(): void {
    const earliest = performance.now() - MAX_WAIT;
    const inTime = this.waiting.findIndex(({ since }) => since >= earliest);
    if (inTime === 0) return;
    const late = this.waiting.splice(0, inTime === -1 ? this.waiting.length : inTime);
    for (const { reject } of late) reject(new DeadlineError('free query slot'));
  }

  private async answer(batch: readonly Waiting<Question, Answer>[]): Promise<void> {
    try {
      const answers = await this.options.ask(batch.map(({ question }) => question));
      batch.forEach(({ resolve }, i) => {
        resolve(answers[i] as Answer);
      });
    } catch (error) {
      if (batch.length > 1 && this.options.isFaultOfOne(error)) {
        const half = Math.ceil(batch.length / 2);
        await Promise.all([this.answer(batch.slice(0, half)), this.answer(batch.slice(half))]);
        return;
      }
      for (const { reject } of batch) reject(error);
    }
  }
}
