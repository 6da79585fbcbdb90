import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { App } from './app.entity.js';

/** One version of an app's master key, sealed. */
@Entity({ name: 'app_master_keys' })
export class AppMasterKey {
  @PrimaryColumn({ name: 'app_id', type: 'text' })
  appId!: string;

  @PrimaryColumn({ type: 'integer' })
  version!: number;

  @Column({ name: 'sealed_key', type: 'text' })
  sealedKey!: string;

  @Column({ name: 'active_from', type: 'timestamptz' })
  activeFrom!: Date;

  @ManyToOne(() => App, (app) => app.masterKeys)
  @JoinColumn({ name: 'app_id' })
  app!: Relation<App>;
}

/**
 * The key in force at a moment: the one with the latest `active_from` not after it, the higher version where two are equal.
 *
 * @param now milliseconds since 1970.
 */
export function keyInForce<K extends Pick<AppMasterKey, 'activeFrom' | 'version'>>(
  keys: readonly K[],
  now: number,
): K | undefined {
  let inForce: K | undefined;
  for (const key of keys) {
    // A time beyond JavaScript's years is not a number, and compares with none.
    if (!(key.activeFrom.getTime() <= now)) continue;
    const later = inForce === undefined ? 1 : key.activeFrom.getTime() - inForce.activeFrom.getTime();
    if (inForce === undefined || later > 0 || (later === 0 && key.version > inForce.version)) inForce = key;
  }
  return inForce;
}
