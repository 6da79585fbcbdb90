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
 * The key in force at a moment: the one with the latest `active_from` not after it, the higher version where two are equal. Before
 * all of them it is the first, so that a clock that is behind leaves no app without a key. Undefined only where there is no key.
 *
 * @param now milliseconds since 1970.
 */
export function keyInForce<K extends Pick<AppMasterKey, 'activeFrom' | 'version'>>(
  keys: readonly K[],
  now: number,
): K | undefined {
  let inForce: K | undefined;
  let first: K | undefined;
  for (const key of keys) {
    const earlier = first === undefined ? -1 : begins(key) - begins(first);
    if (first === undefined || earlier < 0 || (earlier === 0 && key.version < first.version)) first = key;
    if (begins(key) > now) continue;
    const later = inForce === undefined ? 1 : begins(key) - begins(inForce);
    if (inForce === undefined || later > 0 || (later === 0 && key.version > inForce.version)) inForce = key;
  }
  return inForce ?? first;
}

/** A time beyond JavaScript's years is no number: it is later than any. */
function begins({ activeFrom }: Pick<AppMasterKey, 'activeFrom'>): number {
  const time = activeFrom.getTime();
  return Number.isNaN(time) ? Number.MAX_VALUE : time;
}
