import type { App } from '../apps/app.entity.js';
import type { Io } from './io.js';

/** Warns where the rules of an app's conversations refuse nothing. */
export function warnIfNotEnforced(io: Io, { appId, membership, membershipMode }: App): void {
  if (membership === 'off') {
    io.printWarning(
      `nothing of this is enforced: the membership of the app "${appId}" is off; switch it on with ${switchOn(appId)}`,
    );
  } else if (membershipMode === 'shadow') {
    io.printWarning(
      `nothing of this is enforced yet: the membership mode of the app "${appId}" is shadow; enforce it with ${enforce(appId)}`,
    );
  }
}

/** The command after which the rules of an app's registered conversations count. */
export function switchOn(appId: string): string {
  return `${setApp(appId)} --membership where-registered`;
}

/** The command that ends shadow mode. */
export function enforce(appId: string): string {
  return `${setApp(appId)} --membership-mode enforce`;
}

function setApp(appId: string): string {
  const word = /^[\w.@-]+$/.test(appId) ? appId : `'${appId.replaceAll("'", `'\\''`)}'`;
  return `im-signature app set --app-id ${word}`;
}
