import { Global, Module } from '@nestjs/common';
import { ConfigModule, registerAs } from '@nestjs/config';
import { Clock } from './clock.js';
import { loadSettings, Settings } from './settings.js';

/** Loaded when the application starts, not when this file is imported. */
const settings = registerAs('settings', () => loadSettings());

@Global()
@Module({
  imports: [ConfigModule.forRoot({ load: [settings], ignoreEnvFile: true })],
  providers: [{ provide: Settings, useExisting: settings.KEY }, Clock],
  exports: [Settings, Clock],
})
export class SettingsModule {}
