import type { App } from '../apps/app.entity.js';
import type { Io } from './io.js';

/** Warns where no rule of an app's conversations counts. */
export function warnIfNotEnforced(io: Io, { appId, membership }: App): void {
  if (membership !== 'off') return;
  io.printWarning(
    `nothing of this is enforced: the membership of the app "${appId}" is off; switch it on with ${switchOn(appId)}`,
  );
}

/** The command after which the rules of an app's registered conversations count. */
export function switchOn(appId: string): string {
  const word = /^[\w.@-]+$/.test(appId) ? appId : `'${appId.replaceAll("'", `'\\''`)}'`;
  return `im-signature app set --app-id ${word} --membership where-registered`;
}
