import { Module } from '@nestjs/common';
import { CheckerModule } from './checker/checker.module.js';
import { SettingsModule } from './config/settings.module.js';
import { DatabaseModule } from './database/database.module.js';
import { HttpModule } from './http/http.module.js';
import { OperationsModule } from './operations/operations.module.js';
import { SignatureModule } from './signature/signature.module.js';

@Module({ imports: [SettingsModule, DatabaseModule, HttpModule, SignatureModule, CheckerModule, OperationsModule] })
export class AppModule {}
