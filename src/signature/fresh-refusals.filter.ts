import { type ArgumentsHost, Catch, type ExceptionFilter } from '@nestjs/common';
import type { AppRequest } from '../apps/app.guard.js';
import { Problem } from '../operations/problem.js';
import { ProblemFilter } from '../operations/problem.filter.js';
import { isFresh, staleLookUps } from './freshness.js';

/** Refuses by what holds now: a refusal on look-ups that are too old is none, and the caller is to ask again. */
@Catch(Problem)
export class FreshRefusalsFilter implements ExceptionFilter {
  private readonly problems = new ProblemFilter();

  catch(problem: Problem, host: ArgumentsHost): void {
    const { knownUntil } = host.switchToHttp().getRequest<Partial<AppRequest>>();
    const stale = problem.code !== 'unavailable' && knownUntil !== undefined && !isFresh(knownUntil);
    this.problems.catch(stale ? staleLookUps(problem) : problem, host);
  }
}
