import { expect, it } from 'vitest';
import { DURATION_BOUNDS, OTHER_APPS, RequestCells } from '../../src/operations/request-cells.js';

it('apps are counted one by one up to a bound, and the others together', () => {
  const cells = new RequestCells();
  for (let i = 0; i < 10_000; i++) cells.count('login', `app-${i}`, undefined, 0.001);
  cells.count('login', 'app-0', 'client_banned', 0.001);
  cells.count('login', 'app-9999', 'client_banned', 0.001);
  expect(cells.apps.size).toBe(101);
  expect(cells.apps.get('app-0')).toMatchObject({ signed: 1, refused: 1 });
  expect(cells.apps.get(OTHER_APPS)).toMatchObject({ signed: 9_900, refused: 1 });
});

it('a duration counts in the first bucket whose bound it does not exceed', () => {
  const cells = new RequestCells();
  for (const seconds of [0, 0.0005, 0.00051, 5, 5.1, 60]) cells.count('login', undefined, undefined, seconds);
  expect(cells.actions.get('login')?.durations).toEqual([
    2,
    1,
    ...Array<number>(DURATION_BOUNDS.length - 3).fill(0),
    1,
    2,
  ]);
});
