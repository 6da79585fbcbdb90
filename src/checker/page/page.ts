import type { Diagnosis } from '../diagnose.js';
import {
  ACTION_NAMES,
  type ActionName,
  type FieldName,
  type Fields,
  needsMembers,
  partsOf,
  readAnswer,
  readMembers,
  takesConversation,
  takesMembers,
} from './message.js';
import { EN, type Verdict } from './texts.en.js';
import { explain, REFUSALS, ZH } from './texts.zh.js';

/** What `POST /signature/diagnose` answers. */
type Answer = Diagnosis & { readonly explanations: readonly string[] };
/** Problem details. */
interface Refusal {
  readonly title: string;
  readonly detail?: string;
  readonly code?: string;
}
type Outcome = 'none' | 'asking' | 'unreachable' | { readonly answer: Answer } | { readonly refusal: Refusal };

const FIELD_NAMES: readonly FieldName[] = [
  'app_id',
  'client_id',
  'conversion_id',
  'members',
  'timestamp',
  'nonce',
  'signature',
  'app_key',
];
const MARKS: Readonly<Record<Verdict, string>> = { right: '✓', late: '!', mistaken: '✗', unexplained: '?' };

const form = byId('form') as HTMLFormElement;
const action = byId('action') as HTMLSelectElement;
const fields = Object.fromEntries(FIELD_NAMES.map((name) => [name, byId(name)])) as Record<FieldName, HTMLInputElement>;
const language = byId('language');
const commas = byId('commas');
const verdictSection = byId('verdict');

let texts = /^zh/i.test(navigator.languages.find((name) => /^(?:en|zh)\b/i.test(name)) ?? '') ? ZH : EN;
let outcome: Outcome = 'none';
/** Of the questions asked: an answer to an earlier one, or to fields that have changed since, is not shown. */
let question = 0;

function byId(id: string): HTMLElement {
  const found = document.getElementById(id);
  if (found === null) throw new Error(id);
  return found;
}

function element(name: string, text = '', attributes: Record<string, string> = {}, ...children: Node[]): HTMLElement {
  const made = document.createElement(name);
  made.textContent = text;
  for (const [attribute, value] of Object.entries(attributes)) made.setAttribute(attribute, value);
  made.append(...children);
  return made;
}

function operation(): Fields {
  return {
    action: action.value as ActionName,
    app_id: fields.app_id.value,
    client_id: fields.client_id.value,
    conversion_id: fields.conversion_id.value,
    members: readMembers(fields.members.value),
    timestamp: fields.timestamp.value,
    nonce: fields.nonce.value,
  };
}

function showLanguage(): void {
  const isChinese = texts === ZH;
  document.documentElement.lang = isChinese ? 'zh-CN' : 'en';
  for (const place of document.querySelectorAll<HTMLElement>('[data-text]')) {
    place.textContent = texts.page[place.dataset.text as keyof typeof EN.page];
  }
  language.textContent = isChinese ? 'English' : '中文';
  language.lang = isChinese ? 'en' : 'zh-CN';
  const chosen = action.value || 'login';
  action.replaceChildren(
    ...ACTION_NAMES.map((name) => element('option', `${name}: ${texts.actions[name]}`, { value: name })),
  );
  action.value = chosen;
  showMessage();
  showOutcome();
}

function showMessage(): void {
  const given = operation();
  const show = (name: FieldName, isTaken: boolean): void => {
    fields[name].disabled = !isTaken;
    byId(`${name}_field`).hidden = !isTaken;
  };
  show('conversion_id', takesConversation(given.action));
  show('members', takesMembers(given.action));
  fields.members.required = needsMembers(given.action);
  commas.hidden = given.members.length !== 1 || !/[,，]/.test(given.members[0] ?? '');

  const parts = partsOf(given);
  byId('message').replaceChildren(
    ...parts.flatMap(({ name, text }, index) => [
      index === 0 ? '' : ':',
      element('span', text, { class: `part ${name}`, 'data-number': String(index + 1) }),
    ]),
  );
  byId('legend').replaceChildren(
    ...parts.map(({ name, text }) =>
      element(
        'li',
        '',
        {},
        element('b', texts.parts[name], { class: `part ${name}` }),
        element('span', noteOf(name, text, given)),
      ),
    ),
  );
}

/** What to know about a part of the message. */
function noteOf(name: ReturnType<typeof partsOf>[number]['name'], text: string, given: Fields): string {
  switch (name) {
    case 'empty':
      return texts.noMembers;
    case 'members':
      if (text === '') return needsMembers(given.action) ? texts.missing : texts.noMembers;
      return texts.members(given.members.length, text !== given.members.join(':'));
    case 'timestamp':
      return text === '' ? texts.missing : dateOf(text);
    default:
      return text === '' ? texts.missing : '';
  }
}

/** Empty where a timestamp is none in seconds (10 digits) or milliseconds (13). */
function dateOf(timestamp: string): string {
  if (!/^\d{10}(?:\d{3}|\.\d+)?$/.test(timestamp)) return '';
  const number = Number(timestamp);
  return new Date(number < 1e11 ? number * 1000 : number).toISOString();
}

function showOutcome(): void {
  verdictSection.className = typeof outcome === 'object' && 'answer' in outcome ? verdictOf(outcome.answer) : '';
  verdictSection.replaceChildren(...outcomeElements());
}

function verdictOf({ verdict, time }: Answer): Verdict {
  return verdict === 'right' && time !== 'in time' ? 'late' : verdict;
}

function outcomeElements(): HTMLElement[] {
  if (outcome === 'none') return [];
  if (outcome === 'asking' || outcome === 'unreachable') return [element('p', texts[outcome])];
  if ('refusal' in outcome) {
    const { title, detail = '', code = '' } = outcome.refusal;
    const said = texts === ZH ? REFUSALS[code] : undefined;
    return [
      element('h2', texts.refused),
      ...(said === undefined ? [] : [element('p', said)]),
      element('p', detail === '' ? title : `${title}. ${detail}`, { lang: 'en' }),
    ];
  }
  const { answer } = outcome;
  const said = verdictOf(answer);
  const sentences = texts === ZH ? explain(answer) : answer.explanations;
  return [
    element(
      'h2',
      '',
      {},
      element('span', MARKS[said], { 'aria-hidden': 'true' }),
      new Text(` ${texts.verdicts[said]}`),
    ),
    element('ul', '', {}, ...sentences.map((sentence) => element('li', sentence))),
  ];
}

async function ask(): Promise<void> {
  const asked = ++question;
  outcome = 'asking';
  showOutcome();
  const { conversion_id, members, ...rest } = operation();
  const request = {
    ...rest,
    ...(takesConversation(rest.action) && { conversion_id }),
    ...(takesMembers(rest.action) && { members }),
    signature: fields.signature.value,
    ...(fields.app_key.value !== '' && { app_key: fields.app_key.value }),
  };
  const answered = await fetch('/signature/diagnose', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(request),
  })
    .then(async (response): Promise<Outcome> => {
      const body: unknown = await response.json();
      return response.ok ? { answer: body as Answer } : { refusal: body as Refusal };
    })
    .catch((): Outcome => 'unreachable');
  if (asked !== question) return;
  outcome = answered;
  showOutcome();
  verdictSection.focus();
}

form.addEventListener('submit', (event) => {
  event.preventDefault();
  void ask();
});
form.addEventListener('input', () => {
  question++;
  outcome = 'none';
  showMessage();
  showOutcome();
});
form.addEventListener('paste', (event) => {
  const answer = readAnswer(event.clipboardData?.getData('text') ?? '');
  if (answer === undefined) return;
  event.preventDefault();
  for (const name of FIELD_NAMES) fields[name].value = answer[name];
  action.value = answer.action;
  form.dispatchEvent(new Event('input'));
});
byId('split').addEventListener('click', () => {
  fields.members.value = fields.members.value.replace(/\s*[,，]\s*/g, '\n');
  form.dispatchEvent(new Event('input'));
  fields.members.focus();
});
language.addEventListener('click', () => {
  texts = texts === EN ? ZH : EN;
  showLanguage();
});
showLanguage();
