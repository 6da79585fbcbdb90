import { get } from 'node:http';
import type { Wechat } from '../../clients/js/src/index.js';

type Options = Parameters<Wechat['request']>[0];

/** How a platform of WeChat writes the names of headers; developers meet all of them. */
export type HeaderCase = (name: string) => string;

/**
 * A double of `wx.request`: calls back with any status, parses what is JSON and leaves the rest as text, and fails with `errMsg`
 * alone. It returns a task, not a promise, and it never throws.
 */
export function wechat(headerCase: HeaderCase = (name) => name): Wechat & { readonly requests: Options[] } {
  const requests: Options[] = [];
  const request = (options: Options): { abort: () => void } => {
    requests.push(options);
    const { url, header, timeout, success, fail } = options;
    const failed = (cause: string): void => {
      fail({ errMsg: `request:fail ${cause}` });
    };
    const sent = get(url, { headers: { 'content-type': 'application/json', ...header }, timeout }, (answer) => {
      let text = '';
      answer.setEncoding('utf8');
      answer.on('data', (part: string) => (text += part));
      answer.on('error', ({ message }) => {
        failed(message);
      });
      answer.on('end', () => {
        const named = Object.entries(answer.headers).map(([name, value]) => [headerCase(name), value] as const);
        success({ statusCode: answer.statusCode ?? 0, header: Object.fromEntries(named), data: parsed(text) });
      });
    });
    sent.on('timeout', () => sent.destroy(new Error('timeout')));
    sent.on('error', ({ message }) => {
      failed(message);
    });
    return { abort: () => sent.destroy() };
  };
  return { request, requests };
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return text;
  }
}
