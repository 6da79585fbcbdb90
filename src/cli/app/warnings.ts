import type { Admin } from '../admin.js';
import type { Io } from '../io.js';

/** Says which key will seal, before a secret is asked for. */
export function nameSealingKey(io: Io, { sealingKeys, sealingKeysVariable, embeddedKeyFile }: Admin): void {
  const [id = ''] = sealingKeys.keys();
  if (embeddedKeyFile === undefined) {
    io.print(`Sealing with the key "${id}" of ${sealingKeysVariable}.`);
    return;
  }
  io.printWarning(
    `sealing with the key "${id}" of the embedded database (${embeddedKeyFile}): good for trying out, but no other environment ` +
      'can open it. For production stop here, make a key with "im-signature secrets new", set it as SECRETS_KEY, and ' +
      'give every environment that shares this registration the same one.',
  );
}

export function warnOpenToEveryone(io: Io, appId: string): void {
  io.printWarning(
    `the app "${appId}" will be open to everyone: with --identity none anyone gets a signature as any client. ` +
      'To have callers prove who they are, use --identity jwt.',
  );
}
