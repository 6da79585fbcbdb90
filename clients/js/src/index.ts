export { type Client, createClient } from './client.js';
export { createSignatureFactories, type SignatureFactories } from './factories.js';
export type { Fetch, FetchResponse } from './fetch.js';
export type { Action, Operation } from './operation.js';
export { SignatureError } from './signature-error.js';
export { createSigner, type Signature, type SignerOptions } from './signer.js';
export { type Wechat, wechatFetch } from './wechat.js';
