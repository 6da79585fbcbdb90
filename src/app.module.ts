import { Module } from '@nestjs/common';
import { SettingsModule } from './config/settings.module.js';
import { DatabaseModule } from './database/database.module.js';
import { SignatureModule } from './signature/signature.module.js';

@Module({ imports: [SettingsModule, DatabaseModule, SignatureModule] })
export class AppModule {}
