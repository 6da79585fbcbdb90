import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { IdentityModule } from '../identity/identity.module.js';
import { HealthController } from './health.controller.js';
import { Health } from './health.js';
import { LogSink, standardOutput } from './log-sink.js';
import { MetricsServer } from './metrics-server.js';
import { Metrics } from './metrics.js';
import { RequestCells } from './request-cells.js';
import { RequestLog } from './request-log.js';
import { RequestObserver } from './request-observer.js';
import { ServiceLogger } from './service-logger.js';

@Module({
  imports: [AppsModule, IdentityModule],
  controllers: [HealthController],
  providers: [
    { provide: LogSink, useFactory: () => new LogSink(standardOutput()) },
    ServiceLogger,
    Health,
    RequestCells,
    RequestLog,
    RequestObserver,
    Metrics,
    MetricsServer,
  ],
})
export class OperationsModule {}
