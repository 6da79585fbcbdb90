import type { Fetch } from './fetch.js';

/** What is used of WeChat's `wx`. */
export interface Wechat {
  request(options: {
    url: string;
    header: Record<string, string>;
    timeout: number;
    success: (answer: { statusCode: number; header: Record<string, unknown>; data: unknown }) => void;
    fail: (failure: { errMsg: string }) => void;
  }): unknown;
}

/** A `fetch` over `wx.request`, for mini programs. */
export function wechatFetch(wx: Wechat): Fetch {
  return (url, { headers, timeout }) =>
    new Promise((resolve, reject) => {
      wx.request({
        url,
        header: headers,
        timeout,
        success: ({ statusCode: status, header, data }) => {
          resolve({
            ok: status >= 200 && status < 300,
            status,
            headers: {
              // Each platform of WeChat writes the names in another case.
              get: (name) => {
                const key = Object.keys(header).find((one) => one.toLowerCase() === name);
                return key === undefined ? null : String(header[key]);
              },
            },
            // Parsed already, where it was JSON.
            text: () => Promise.resolve(typeof data === 'string' ? data : JSON.stringify(data)),
          });
        },
        fail: ({ errMsg }) => {
          reject(new Error(errMsg));
        },
      });
    });
}
