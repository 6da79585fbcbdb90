import { Client, type ClientConfig } from 'pg';

/**
 * A connection that does not outlive a query which got no answer in time. pg gives up the query but keeps the connection,
 * and the pool would hand it, still stuck, to the next request, and the next.
 */
export class ImpatientClient extends Client {
  constructor(config?: string | ClientConfig) {
    super(config);
    const query = this.query.bind(this) as (...args: unknown[]) => unknown;
    this.query = ((...args: unknown[]) => {
      const result = query(...args);
      if (result instanceof Promise) {
        result.catch((error: unknown) => {
          if (error instanceof Error && error.message === 'Query read timeout') void this.end();
        });
      }
      return result;
    }) as Client['query'];
  }
}
