import { Global, Module } from '@nestjs/common';
import { ConfigModule, registerAs } from '@nestjs/config';
import { readSettings, Settings } from './settings.js';

/** Read when the application starts, after `.env` has been loaded into the environment; what is set already wins. */
const settings = registerAs('settings', () => readSettings(process.env));

@Global()
@Module({
  imports: [ConfigModule.forRoot({ load: [settings] })],
  providers: [{ provide: Settings, useExisting: settings.KEY }],
  exports: [Settings],
})
export class SettingsModule {}
