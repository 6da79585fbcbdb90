import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Settings } from '../config/settings.js';
import { LookUpsModule } from '../database/look-ups.module.js';
import { APP_ENTITIES } from './app-records.js';
import { AppRegistry, SEALING_KEYS } from './app-registry.js';
import { loadOrCreateSealingKeys } from './sealing-key-file.js';

@Module({
  imports: [TypeOrmModule.forFeature(APP_ENTITIES), LookUpsModule],
  providers: [
    AppRegistry,
    {
      provide: SEALING_KEYS,
      inject: [Settings],
      useFactory: ({ sealingKeys, dataDir }: Settings) => sealingKeys ?? loadOrCreateSealingKeys(dataDir),
    },
  ],
  exports: [AppRegistry, SEALING_KEYS],
})
export class AppsModule {}
