import { Column, Entity, JoinColumn, ManyToOne, PrimaryColumn, type Relation } from 'typeorm';
import { App } from './app.entity.js';

/** One version of an app's master key. */
@Entity({ name: 'app_master_keys' })
export class AppMasterKey {
  @PrimaryColumn({ name: 'app_id', type: 'text' }) appId!: string;
  @PrimaryColumn({ type: 'integer' }) version!: number;
  /** Null: erased. */
  @Column({ name: 'sealed_key', type: 'text', nullable: true }) sealedKey!: string | null;
  @Column({ name: 'active_from', type: 'timestamptz' }) activeFrom!: Date;
  @ManyToOne(() => App, (app) => app.masterKeys) @JoinColumn({ name: 'app_id' }) app!: Relation<App>;
}
