import { Controller, Get, Header } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import { ProblemError } from '../problems/problem-error.js';
import { Health } from './health.js';

/** For probes of load balancers and orchestrators. */
@ApiExcludeController()
@Controller('health')
export class HealthController {
  constructor(private readonly health: Health) {}

  /** Whether the process answers; a restart is the cure where it does not. */
  @Get('live')
  @Header('Cache-Control', 'no-store')
  live() {
    return { status: 'live' };
  }

  /** Whether requests should come to this process. @throws {ProblemError} `unavailable` with the reasons why not. */
  @Get('ready')
  @Header('Cache-Control', 'no-store')
  async ready() {
    const reasons = await this.health.reasons();
    if (reasons.length > 0) throw new ProblemError('unavailable', reasons.join(' '));
    return { status: 'ready' };
  }
}
