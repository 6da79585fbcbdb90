import { describe, expect, it, vi } from 'vitest';
import { Batches, type BatchOptions } from '../../src/database/batches.js';

/** Batches that answer each number with ten times as much, and the batches so far. */
function makeBatches(options: Partial<BatchOptions<number, number>> = {}) {
  const asked: (readonly number[])[] = [];
  const waiting: (() => void)[] = [];
  const batches = new Batches<number, number>({
    ask: (questions) => {
      asked.push(questions);
      return new Promise((resolve) => {
        waiting.push(() => {
          resolve(questions.map((question) => 10 * question));
        });
      });
    },
    isFaultOfOne: () => false,
    maxWeight: 100,
    maxInFlight: 10,
    ...options,
  });
  /** Answers the batches in flight. */
  const answer = (): void => {
    for (const go of waiting.splice(0)) go();
  };
  return { batches, asked, answer };
}

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

describe('questions', () => {
  it('of one turn of the event loop share a batch, and each gets its own answer', async () => {
    const { batches, asked, answer } = makeBatches();
    const answers = Promise.all([3, 1, 2].map((question) => batches.ask(question)));
    await turn();
    answer();
    expect(await answers).toEqual([30, 10, 20]);
    expect(asked).toEqual([[3, 1, 2]]);
  });

  it('that weigh too much together are split in order, and a single one may weigh more than the maximum', async () => {
    const { batches, asked } = makeBatches({ maxWeight: 5 });
    void [2, 3, 1, 9, 1].map((weight) => batches.ask(weight, weight));
    while (asked.length < 4) await turn();
    expect(asked).toEqual([[2, 3], [1], [9], [1]]);
  });

  it('wait while the maximum of batches is in flight, and then share one', async () => {
    const { batches, asked, answer } = makeBatches({ maxInFlight: 1 });
    const first = batches.ask(1);
    await turn();
    const others = [batches.ask(2)];
    await turn();
    others.push(batches.ask(3));
    await turn();
    expect(asked).toEqual([[1]]);
    answer();
    expect(await first).toBe(10);
    while (asked.length < 2) await turn();
    answer();
    expect(await Promise.all(others)).toEqual([20, 30]);
    expect(asked).toEqual([[1], [2, 3]]);
  });
});

describe('under an overload', () => {
  it('questions that waited half a second are refused, and the newer ones are asked', async () => {
    const now = vi.spyOn(performance, 'now').mockReturnValue(0);
    const { batches, asked, answer } = makeBatches({ maxInFlight: 1 });
    const first = batches.ask(1);
    await turn();
    const late = batches.ask(2);
    now.mockReturnValue(400);
    const newer = batches.ask(3);
    now.mockReturnValue(600);
    answer();
    expect(await first).toBe(10);
    await expect(late).rejects.toMatchObject({ code: 'unavailable' });
    while (asked.length < 2) await turn();
    answer();
    expect(await newer).toBe(30);
    expect(asked).toEqual([[1], [3]]);

    const all = [batches.ask(4), batches.ask(5)];
    now.mockReturnValue(1_200);
    expect((await Promise.allSettled(all)).map(({ status }) => status)).toEqual(['rejected', 'rejected']);
    const next = batches.ask(6);
    while (asked.length < 3) await turn();
    answer();
    expect(await next).toBe(60);
    now.mockRestore();
  });
});

describe('a batch that fails', () => {
  const failing = (bad: number, isFaultOfOne: boolean) => {
    const asked: (readonly number[])[] = [];
    const batches = new Batches<number, number>({
      ask: (questions) => {
        asked.push(questions);
        return questions.includes(bad)
          ? Promise.reject(new Error('bad'))
          : Promise.resolve(questions.map((question) => 10 * question));
      },
      isFaultOfOne: () => isFaultOfOne,
      maxWeight: 100,
      maxInFlight: 1,
    });
    return { batches, asked };
  };

  it.each([0, 3, 6])('because of one question fails only that question (%i)', async (bad) => {
    const { batches } = failing(bad, true);
    const outcomes = await Promise.allSettled([0, 1, 2, 3, 4, 5, 6].map((question) => batches.ask(question)));
    expect(outcomes.map(({ status }) => status === 'fulfilled')).toEqual(
      [0, 1, 2, 3, 4, 5, 6].map((question) => question !== bad),
    );
    expect(await batches.ask(9)).toBe(90);
  });

  it('because of the server fails all its questions, without asking again', async () => {
    const { batches, asked } = failing(3, false);
    const outcomes = await Promise.allSettled([1, 2, 3].map((question) => batches.ask(question)));
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'rejected']);
    expect(asked).toHaveLength(1);
    expect(await batches.ask(9)).toBe(90);
  });
});
