import { Module } from '@nestjs/common';
import { TypeOrmModule } from '@nestjs/typeorm';
import { Settings } from '../config/settings.js';
import { ChangeFeedModule } from '../database/change-feed.module.js';
import { AppMasterKey } from './app-master-key.entity.js';
import { App } from './app.entity.js';
import { AppGuard } from './app.guard.js';
import { AppRegistry, SEALING_KEYS } from './app-registry.js';
import { keptSealingKeys } from './kept-sealing-key.js';

@Module({
  imports: [TypeOrmModule.forFeature([App, AppMasterKey]), ChangeFeedModule],
  providers: [
    AppRegistry,
    AppGuard,
    {
      provide: SEALING_KEYS,
      inject: [Settings],
      useFactory: (settings: Settings) => settings.sealingKeys ?? keptSealingKeys(settings.dataDir),
    },
  ],
  exports: [AppRegistry, AppGuard, SEALING_KEYS],
})
export class AppsModule {}
