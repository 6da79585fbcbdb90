import type { Admin } from './admin.js';

/** What the service answers a request with, on the connections of a command. */
export async function signingParts({ dataSource, sealingKeys }: Pick<Admin, 'dataSource' | 'sealingKeys'>) {
  const { AppRegistry } = await import('../apps/app-registry.js');
  const { Clock } = await import('../config/clock.js');
  const { FactsReader } = await import('../conversations/facts-reader.js');
  const { LookUps } = await import('../database/look-ups.js');
  const lookUps = new LookUps(dataSource);
  return { registry: new AppRegistry(dataSource, lookUps, new Clock(), sealingKeys), facts: new FactsReader(lookUps) };
}
