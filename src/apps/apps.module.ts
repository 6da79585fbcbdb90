import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Settings } from '../config/settings.js';
import { LookUpsModule } from '../database/look-ups.module.js';
import { AppIdentity } from './app-identity.entity.js';
import { AppMasterKey } from './app-master-key.entity.js';
import { App } from './app.entity.js';
import { AppRegistry, SEALING_KEYS } from './app-registry.js';
import { keptSealingKeys } from './kept-sealing-key.js';

@Module({
  imports: [TypeOrmModule.forFeature([App, AppMasterKey, AppIdentity]), LookUpsModule],
  providers: [
    AppRegistry,
    {
      provide: SEALING_KEYS,
      inject: [Settings],
      useFactory: (settings: Settings) => settings.sealingKeys ?? keptSealingKeys(settings.dataDir),
    },
  ],
  exports: [AppRegistry, SEALING_KEYS],
})
export class AppsModule {}
