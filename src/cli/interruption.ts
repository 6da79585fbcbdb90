import type { Client } from 'pg';
import type { DataSource } from 'typeorm';
import { END_SIGNALS } from '../config/end-signals.js';

/** Aborts the work on Ctrl-C, SIGTERM and the loss of the terminal; the same signal once more ends the process. */
export async function interruptible<T>(work: (signal: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController();
  const abort = (): void => {
    controller.abort();
  };
  for (const signal of END_SIGNALS) process.once(signal, abort);
  try {
    return await work(controller.signal);
  } finally {
    for (const signal of END_SIGNALS) process.off(signal, abort);
  }
}

/**
 * Has PostgreSQL stop its work for the connection, which could go on for long. To be called in a transaction: between two of them a
 * pooler may give the connection's process to others.
 */
export async function cancelOnAbort(client: Client, dataSource: DataSource, signal: AbortSignal): Promise<void> {
  const { rows } = await client.query<{ pid: number }>('SELECT pg_backend_pid() AS pid');
  signal.addEventListener('abort', () => {
    // If this fails, the rollback waits until the server is done.
    dataSource.query('SELECT pg_cancel_backend($1)', [rows[0]?.pid]).catch(() => undefined);
  });
}
