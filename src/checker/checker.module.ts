import { Module } from '@nestjs/common';
import { AppsModule } from '../apps/apps.module.js';
import { CheckerService } from './checker.service.js';
import { DiagnoseController } from './diagnose.controller.js';

@Module({ imports: [AppsModule], controllers: [DiagnoseController], providers: [CheckerService] })
export class CheckerModule {}
