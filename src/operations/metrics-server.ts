import { once } from 'node:events';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { Injectable, Logger, type OnApplicationBootstrap, type OnApplicationShutdown } from '@nestjs/common';
import { Settings } from '../config/settings.js';
import { Metrics } from './metrics.js';
import { PORT_FAULTS } from './start-error.js';

/** Enough for some Prometheus servers. */
const MAX_CONNECTIONS = 32;
/** Milliseconds for a request to come. */
const RECEIVE_TIMEOUT_MS = 5_000;

/** Answers `/metrics` on a port of its own, where one is set: what it says is not for clients. */
@Injectable()
export class MetricsServer implements OnApplicationBootstrap, OnApplicationShutdown {
  private readonly logger = new Logger('Metrics');
  private server: Server | undefined;

  constructor(
    private readonly settings: Settings,
    private readonly metrics: Metrics,
  ) {}

  async onApplicationBootstrap(): Promise<void> {
    const { host, metricsPort } = this.settings;
    if (metricsPort === undefined) return;
    this.metrics.define();
    const timeouts = { headersTimeout: RECEIVE_TIMEOUT_MS, requestTimeout: RECEIVE_TIMEOUT_MS };
    const server = (this.server = createServer(timeouts, ({ url }, response) => {
      if (url !== '/metrics') {
        response.writeHead(404).end('Metrics are at /metrics.\n');
        return;
      }
      this.metrics.text().then(
        (text) => response.setHeader('Content-Type', this.metrics.contentType).end(text),
        (error: unknown) => {
          this.logger.error(error);
          response.writeHead(503).end();
        },
      );
    }));
    server.maxConnections = MAX_CONNECTIONS;
    try {
      await once(server.listen(metricsPort, host), 'listening');
    } catch (error) {
      const { code = '', message } = error as NodeJS.ErrnoException;
      // Any other fault is that of HOST.
      if (!PORT_FAULTS.has(code)) throw error;
      throw new Error(`METRICS_PORT: cannot listen (${message}); choose another METRICS_PORT`, { cause: error });
    }
    const { address, family, port } = server.address() as AddressInfo;
    this.logger.log(`Metrics on http://${family === 'IPv6' ? `[${address}]` : address}:${port}/metrics`);
  }

  onApplicationShutdown(): void {
    this.server?.close();
    this.server?.closeAllConnections();
  }
}
