import { SignatureError } from '../../clients/js/src/index.js';

export async function refusalOf(promise: Promise<unknown>): Promise<SignatureError> {
  const error: unknown = await promise.catch((reason: unknown) => reason);
  if (!(error instanceof SignatureError)) throw new Error(`no refusal: ${JSON.stringify(error)}`, { cause: error });
  return error;
}
