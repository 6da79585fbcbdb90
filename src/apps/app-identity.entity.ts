import type { JSONWebKeySet } from 'jose';
import { Column, Entity, PrimaryColumn } from 'typeorm';

/** How the tokens of one app are verified. Exactly one of `jwksUri`, `jwks` and `sealedHmacSecret` is set. */
@Entity({ name: 'app_identity' })
export class AppIdentity {
  @PrimaryColumn({ name: 'app_id', type: 'text' }) appId!: string;
  @Column({ type: 'text', nullable: true }) issuer!: string | null;
  @Column({ type: 'text', nullable: true }) audience!: string | null;
  @Column({ name: 'client_id_claim', type: 'text' }) clientIdClaim!: string;
  @Column({ type: 'text', array: true }) algorithms!: string[];
  @Column({ name: 'jwks_uri', type: 'text', nullable: true }) jwksUri!: string | null;
  @Column({ type: 'jsonb', nullable: true }) jwks!: JSONWebKeySet | null;
  @Column({ name: 'sealed_hmac_secret', type: 'text', nullable: true }) sealedHmacSecret!: string | null;
}
