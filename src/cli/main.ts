#!/usr/bin/env node
import { Io } from './io.js';
import { run } from './program.js';

// A reader that closes the pipe early, as head(1) does, does not fail the command.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code === 'EPIPE') return;
  process.stderr.write(`im-signature: cannot write the output: ${error.code ?? error.message}\n`);
  process.exitCode = 1;
});

process.stderr.on('error', () => undefined);

const code = await run(process.argv.slice(2), new Io(process, process.env));
if (code !== 0) process.exitCode = code;
