import 'reflect-metadata';
import { Controller, Get, Header, Module, Req } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import type { FastifyRequest } from 'fastify';
import { answerTo } from './answer.js';

@Controller('signature/login')
class LoginController {
  @Get(':app_id/:client_id')
  @Header('Cache-Control', 'no-store')
  login(@Req() request: FastifyRequest): Record<string, string> {
    return answerTo(request.url);
  }
}

@Module({ controllers: [LoginController] })
class BenchModule {}

const app = await NestFactory.create<NestFastifyApplication>(BenchModule, new FastifyAdapter(), { logger: false });
await app.listen(0, '127.0.0.1');
process.stdout.write(`Ready on ${await app.getUrl()}\n`);
