import type { Diagnosis, Time } from '../diagnose.js';
import type { MistakeCode } from '../mistakes.js';
import type { EN, Texts } from './texts.en.js';

export const ZH: Texts & { readonly page: Readonly<Record<keyof typeof EN.page, string>> } = {
  page: {
    title: '签名为什么被拒绝？',
    intro:
      '请按发送给即时通讯服务端的内容填写这次操作，以及被拒绝的签名。本服务会指出是哪个错误造成的，但不会给出正确的签名。',
    paste: '把本服务的答复（JSON）粘贴到任意一栏，即可填好所有栏。',
    action: '操作',
    app_id: 'App id',
    client_id: 'Client id',
    conversion_id: '对话 id',
    members: '成员',
    members_hint: '按发送的顺序：每行一个，或一个 JSON 数组。',
    commas: 'id 中可以有逗号。这里是多个 id 吗？',
    split: '按逗号拆分',
    timestamp: '时间戳',
    timestamp_hint: '与发送的完全一致。',
    nonce: 'Nonce',
    signature: '签名',
    signature_hint: '被拒绝的那个签名。',
    app_key: 'App Key（可选）',
    app_key_hint: '用来判断是否误把它当成了 Master Key。不要在任何地方填写 Master Key。',
    submit: '检查签名',
    message_title: '应当签名的内容',
    message_intro: '对以下文本（UTF-8）用应用的 Master Key 计算 HMAC-SHA1，写成小写十六进制。',
  },
  actions: {
    login: '登录，以及续期会话',
    conversion: '开启对话',
    invite: '向对话添加成员，或自己加入',
    kick: '从对话移除成员，或自己退出',
    query: '通过 REST 读取对话的历史消息',
    'client-block-conversations': '客户端自己屏蔽某个对话',
    'client-unblock-conversations': '客户端自己取消屏蔽某个对话',
    'conversation-block-clients': '把客户端拉入对话的黑名单',
    'conversation-unblock-clients': '把客户端移出对话的黑名单',
  },
  parts: {
    app_id: 'App id',
    client_id: 'Client id',
    conversion_id: '对话 id',
    members: '成员',
    empty: '空',
    timestamp: '时间戳',
    nonce: 'Nonce',
    action: '操作',
  },
  missing: '尚未填写',
  noMembers: '这里没有成员，冒号保留',
  members: (count, resorted) =>
    `${count} 个 id${count === 1 ? '' : '，按 UTF-16 码元升序排列，用“:”连接'}${resorted ? '；与发送的顺序不同' : ''}`,
  verdicts: { right: '正确', late: '正确，但时间不对', mistaken: '有误', unexplained: '有误，原因不明' },
  asking: '正在检查……',
  refused: '服务没有检查这个签名',
  unreachable: '服务没有答复。网络是否连通？',
};

/** As the service words them in English (`../texts.ts`). */
const MISTAKES: Readonly<Record<MistakeCode, string>> = {
  another_action:
    '签的是另一个操作的消息。每种操作的消息各不相同，登录的签名不能用于对话，invite 的签名也不能用于 kick。',
  action_word:
    '消息末尾的操作名不对。应当使用协议中的名称，例如 invite 和 kick，而不是 add 和 remove；login、conversion 和 query 的消息末尾没有操作名。',
  own_id: '签名中的成员与发送的成员相差一个自己的 client id：一边有，另一边没有。',
  members_order: '签名时，成员没有按 UTF-16 码元升序排列。不要按发送的顺序、数值、语言或码点排序。',
  members_repeated: '签名时去掉了重复的成员 id，而发送的成员中仍有重复。两边必须一致。',
  members_separator: '签名时，成员 id 不是用“:”连接的，而是用了逗号等其他字符，或写成了 JSON。',
  members_missing: '签名的消息中没有成员 id，发送的操作中却有。',
  timestamp_unit: '签名所用的时间戳与发送的时间戳单位或位数不同，例如一个是秒，一个是毫秒。',
  timestamp_fraction: '时间戳带有小数，而 SDK 只能发送整数，小数会丢失。请使用整数毫秒（请求签名时带上 ?format=sdk）。',
  timestamp_text: '时间戳不是单纯的数字，例如带有空格、引号或单位。',
  nonce_order: '消息中 nonce 与时间戳的顺序颠倒了。只有 query 是 nonce 在前，其他操作都是时间戳在前。',
  nonce_text:
    '签名所用的 nonce 与发送的不同（空格、URL 编码、大小写或 Base64 末尾的“=”有变化），或者含有不允许的字符。',
  ids_exchanged: 'id 的位置颠倒了：client id 与对话 id，或者 app id 与 client id。',
  id_text:
    '签名所用的 id 与发送的不同（URL 编码、大小写、首尾空格、引号或 Unicode 规范化有变化），或者不符合 id 的规则：1 到 64 个字符，不含“:”和控制字符。',
  encoding: '计算签名时，消息没有编码为 UTF-8，而是用了 Latin-1 或 UTF-16。',
  another_version: '签名用的是该应用 Master Key 的另一个版本：已被轮换的旧密钥，或尚未启用的新密钥。',
  app_key: '签名用的是 App Key，应当使用 Master Key。',
  key_text:
    'Master Key 的用法不对：密钥首尾多了换行、空格或“,master”，大小写变了，密钥与消息的位置颠倒了，或者用的是普通哈希而不是 HMAC。',
  another_app: '签名用的是另一个应用的 app id 或 Master Key。',
  signature_missing:
    '没有签名，只有空白或 undefined、null 之类的文本。常见的原因：签名工厂是同步的，却在其中发起了异步调用。',
  signature_form: '签名的写法不对。应当是 40 位小写十六进制数字。',
  hash: '签名用的是另一种哈希算法，应当使用 HMAC-SHA1。',
};

const TIMES: Readonly<Record<Exclude<Time, 'in time'>, string>> = {
  'too old': '时间戳已超过 6 小时。这样的签名即使正确，也会被拒绝。',
  ahead: '时间戳比当前时间超前 5 分钟以上。请检查生成时间戳的机器的时钟。',
  unreadable: '时间戳既不能读作秒，也不能读作毫秒。',
};

const RIGHT = '签名正确：对这次操作，即时通讯服务端算出的签名与它相同。';
const UNEXPLAINED = [
  '这个签名不对，而且没有哪个已知的错误，或哪两个一起，能得出这个签名。',
  '它可能属于另一次请求：时间戳、nonce 和签名必须取自同一个答复。也可能用的是别的密钥。',
  '如果签名时的时间戳带有小数，请按签名时的写法填写。',
];

export function explain({ verdict, mistakes, time }: Diagnosis): string[] {
  return [
    ...(verdict === 'unexplained' ? UNEXPLAINED : []),
    ...mistakes.map((code) => MISTAKES[code]),
    ...(verdict === 'right' ? [RIGHT] : []),
    ...(time === 'in time' ? [] : [TIMES[time]]),
  ];
}

/** By their codes, those that a user may meet here; others are shown as the service words them. */
export const REFUSALS: Readonly<Partial<Record<string, string>>> = {
  invalid_app_id: 'App id 不符合 id 的规则：1 到 64 个字符，不含“:”和控制字符。',
  body_too_large: '填写的内容太长。',
  app_not_found: '本服务中没有这个应用。请检查 app id。',
  app_disabled: '这个应用已停用。',
  rate_limited: '请求过于频繁，请稍后再试。',
  unavailable: '服务暂时不可用，请稍后再试。',
};
