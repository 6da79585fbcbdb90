import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { loadSealingKeys } from '../config/secrets-key.js';
import { Settings } from '../config/settings.js';
import { APP_ENTITIES } from './app-records.js';
import { AppRegistry, SEALING_KEYS } from './app-registry.js';

const sealingKeys = {
  provide: SEALING_KEYS,
  inject: [Settings],
  useFactory: (settings: Settings) => loadSealingKeys(settings),
};

@Module({
  imports: [TypeOrmModule.forFeature(APP_ENTITIES)],
  providers: [AppRegistry, sealingKeys],
  exports: [AppRegistry, SEALING_KEYS],
})
export class AppsModule {}
