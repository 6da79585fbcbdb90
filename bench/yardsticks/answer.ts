import { createHmac, randomBytes } from 'node:crypto';
import { MASTER_KEY } from '../master-key.js';

/** The same answer as the service's, for the same path, with no check at all. */
export function answerTo(path: string): Record<string, string> {
  const [, , action = '', app_id = '', client_id = '', ...rest] = path.split('/').map(decodeURIComponent);
  const timestamp = `${Math.floor(Date.now() / 1000)}.${String(Date.now() % 1000).padStart(3, '0')}000`;
  const nonce = randomBytes(6).toString('base64url');
  const sign = (...parts: string[]): string => createHmac('sha1', MASTER_KEY).update(parts.join(':')).digest('hex');
  if (action === 'login') {
    const signature = sign(app_id, client_id, '', timestamp, nonce);
    return { app_id, client_id, timestamp, nonce, signature };
  }
  const [conversion_id = '', sorted_member_ids = ''] = rest;
  const signature = sign(app_id, client_id, conversion_id, sorted_member_ids, timestamp, nonce, action);
  return { app_id, client_id, conversion_id, sorted_member_ids, action, timestamp, nonce, signature };
}
