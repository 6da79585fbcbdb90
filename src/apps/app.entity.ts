import { Column, Entity, OneToMany, PrimaryColumn, type Relation } from 'typeorm';
import { AppMasterKey } from './app-master-key.entity.js';

export type Identity = 'none' | 'jwt';
export type TimestampFormat = 'seconds.micros' | 'seconds' | 'milliseconds';

/** A registered app. Its rows are written by migrations. */
@Entity({ name: 'apps' })
export class App {
  @PrimaryColumn({ name: 'app_id', type: 'text' }) appId!: string;
  @Column({ type: 'text' }) name!: string;
  @Column({ type: 'boolean' }) disabled!: boolean;
  @Column({ type: 'text' }) identity!: Identity;
  @Column({ name: 'timestamp_format', type: 'text' }) timestampFormat!: TimestampFormat;
  @Column({ type: 'text' }) membership!: 'off' | 'where-registered' | 'required';
  @Column({ name: 'membership_mode', type: 'text' }) membershipMode!: 'shadow' | 'enforce';
  @Column({ name: 'max_members', type: 'integer' }) maxMembers!: number;
  @OneToMany(() => AppMasterKey, (key) => key.app) masterKeys!: Relation<AppMasterKey>[];
}
