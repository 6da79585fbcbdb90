import type { TestContext } from 'vitest';
import type { Reporter, TestModule } from 'vitest/node';

/** A row of the table of faults; its texts hold no line breaks. */
export interface Row {
  readonly fault: string;
  readonly promise: string;
  readonly measured: string;
}

declare module 'vitest' {
  interface TaskMeta {
    row?: Row;
  }
}

/** Gives the test its row in the table that `npm run test:resilience` prints. The name of the test is the promise. */
export function measured({ task }: TestContext, figures: string): void {
  task.meta.row = { fault: task.suite?.name ?? '', promise: task.name, measured: figures };
}

/** Prints the rows of all tests as a Markdown table, after everything else. */
export default class TableReporter implements Reporter {
  onTestRunEnd(modules: readonly TestModule[]): void {
    const tests = modules.flatMap((module) => [...module.children.allTests()]);
    const rows = tests.flatMap((test) => {
      const { row } = test.meta();
      const state = test.result().state === 'passed' ? '' : '**not kept**: ';
      return row === undefined ? [] : [`| ${row.fault} | ${row.promise} | ${state}${row.measured} |`];
    });
    process.stdout.write(['', '| fault | promise | measured |', '| --- | --- | --- |', ...rows, ''].join('\n'));
  }
}
