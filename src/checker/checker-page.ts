import { readdirSync, readFileSync } from 'node:fs';
import { extname, join } from 'node:path';
import { Controller, Get, Header, Param, Res } from '@nestjs/common';
import { ApiExcludeController } from '@nestjs/swagger';
import type { FastifyReply } from 'fastify';
import { Settings } from '../config/settings.js';
import { ProblemError } from '../problems/problem-error.js';

/** What `vite build` has made of the folder `page`. */
const FOLDER = join(import.meta.dirname, import.meta.filename.endsWith('.ts') ? '../../dist/src/checker/page' : 'page');
const TYPES: Readonly<Record<string, string>> = {
  '.html': 'text/html; charset=utf-8',
  '.js': 'text/javascript; charset=utf-8',
  '.css': 'text/css; charset=utf-8',
  '.svg': 'image/svg+xml',
};

/** The page of the checker: a few small files, held in memory. */
@ApiExcludeController()
@Controller('checker')
export class CheckerPageController {
  private readonly files = new Map(readdirSync(FOLDER).map((name) => [name, readFileSync(join(FOLDER, name))]));

  constructor(private readonly settings: Settings) {}

  @Get()
  @Header('Cache-Control', 'no-cache')
  page(@Res({ passthrough: true }) reply: FastifyReply): Buffer {
    return this.file('index.html', reply);
  }

  /** @throws {ProblemError} `route_not_found` */
  @Get(':file')
  @Header('Cache-Control', 'no-cache')
  file(@Param('file') name: string, @Res({ passthrough: true }) reply: FastifyReply): Buffer {
    if (!this.settings.checker) throw new ProblemError('route_not_found', 'The checker is switched off (CHECKER).');
    const file = this.files.get(name);
    if (file === undefined) throw new ProblemError('route_not_found', 'The page of the checker has no such file.');
    void reply.type(TYPES[extname(name)] ?? 'application/octet-stream');
    return file;
  }
}
