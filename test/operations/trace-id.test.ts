import { expect, it } from 'vitest';
import { traceId } from '../../src/operations/trace-id.js';

const ID = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';

it.each([`00-${ID}-${PARENT}-01`, `00-${ID}-${PARENT}-00`, `01-${ID}-${PARENT}-01`, `cc-${ID}-${PARENT}-01-more`])(
  'the trace id of a well-formed traceparent is taken: %s',
  (header) => {
    expect(traceId(header)).toBe(ID);
  },
);

it.each([
  undefined,
  '',
  ID,
  `ff-${ID}-${PARENT}-01`,
  `00-${ID}-${PARENT}-01-more`,
  `01-${ID}-${PARENT}-01more`,
  `00-${ID.toUpperCase()}-${PARENT}-01`,
  `00-${'0'.repeat(32)}-${PARENT}-01`,
  `00-${ID}-${'0'.repeat(16)}-01`,
  `00-${ID}-${PARENT}-1`,
  `00-${ID}-${PARENT}-01, 00-${ID}-${PARENT}-01`,
  `00-${ID}-${PARENT}-01\n`,
])('a traceparent that is not well-formed is left out: %j', (header) => {
  expect(traceId(header)).toBeUndefined();
});
