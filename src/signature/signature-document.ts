import { createSecretKey } from 'node:crypto';
import { applyDecorators } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiHeader,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import { exampleOfNotPermitted, type Operation, possibleRefusals } from '../conversations/decision.js';
import { ID_PATTERN, MAX_ID_LENGTH } from '../problems/ids.js';
import {
  DOCUMENTED_CODES,
  ProblemDocument,
  problemResponses,
  REQUEST_ID_HEADER,
  REQUEST_ID_RESPONSE_HEADER,
} from '../problems/problem-document.js';
import type { ProblemCode } from '../problems/problem-error.js';
import { type Action, ACTIONS, type ActionName, type Parameter, sign } from './actions.js';

const ID = { type: 'string', minLength: 1, maxLength: MAX_ID_LENGTH, pattern: `^${ID_PATTERN}$` } as const;

export const PARAMETERS = {
  app_id: { ...ID, description: 'The id of the app.', example: '1' },
  client_id: { ...ID, description: 'The `clientId` that logs in or acts.', example: 'alice' },
  conversion_id: { ...ID, description: 'The id of the conversation.', example: 'c1' },
  sorted_member_ids: {
    type: 'string',
    minLength: 1,
    pattern: `^${ID_PATTERN}(:${ID_PATTERN})*$`,
    description:
      "Member ids joined with `:`, ascending by UTF-16 code unit as JavaScript's `.sort()` leaves them; at most the app's " +
      '`max_members` (500, unless the app is registered otherwise).',
    example: 'bob:carol',
  },
} as const satisfies Record<Parameter, object>;

/** The fields of every answer, after its parameters. */
const SIGNED = {
  timestamp: {
    description: 'The time of signing, exactly as signed: text, or with `format=sdk` a number.',
    oneOf: [
      { type: 'string', pattern: String.raw`^\d+(\.\d{6})?$` },
      { type: 'integer', format: 'int64' },
    ],
  },
  nonce: { type: 'string', pattern: '^[A-Za-z0-9]{8}$' },
  signature: {
    type: 'string',
    pattern: '^[0-9a-f]{40}$',
    description: "HMAC-SHA1 of the message under the app's master key, in lower-case hex.",
  },
};

/** Of the demo apps, so that readers can recompute the examples. */
const EXAMPLE_KEY = createSecretKey('demo-master-key', 'utf8');

/** The page of a route in the API document. @param ids the parameters of its path. */
export function SignatureDocument(
  name: ActionName,
  ids: readonly Parameter[],
  { operationId, summary }: { operationId: string; summary: string },
): MethodDecorator {
  return applyDecorators(
    ApiExtraModels(ProblemDocument),
    ApiSecurity({}),
    ApiTags('signature'),
    ApiBearerAuth(),
    ApiOperation({ operationId, summary, description: `Signs \`${signedMessage(ACTIONS[name], ids)}\`.` }),
    ...ids.map((id) => ApiParam({ name: id, ...documented(PARAMETERS[id]) })),
    ApiQuery({
      name: 'format',
      required: false,
      schema: { type: 'string', enum: ['sdk'] },
      description:
        '`sdk`: `timestamp` is a JSON number of whole milliseconds, signed over its digits; the form a protobuf SDK can carry.',
    }),
    ApiHeader(REQUEST_ID_HEADER),
    ApiOkResponse(answer(name, ids)),
    ...problemResponses(
      possibleProblems(name, ids),
      (asked) => `/signature/${name}/${ids.map((id) => asked[id] ?? PARAMETERS[id].example).join('/')}`,
      exampleOfNotPermitted(operationOf(name, ids)),
    ).map((response) => ApiResponse(response)),
  );
}

/** A parameter's description stands beside its schema. */
export function documented({ description, ...schema }: (typeof PARAMETERS)[Parameter]) {
  return { description, schema };
}

/** The message with the names of its parts in their places; a parameter that is not in the path is empty. */
function signedMessage({ message }: Action, ids: readonly Parameter[]): string {
  const nameOf = (id: Parameter) => (ids.includes(id) ? id : '');
  return message({
    app_id: 'app_id',
    client_id: 'client_id',
    conversion_id: nameOf('conversion_id'),
    sorted_member_ids: nameOf('sorted_member_ids'),
    timestamp: 'timestamp',
    nonce: 'nonce',
  });
}

function possibleProblems(name: ActionName, ids: readonly Parameter[]): ProblemCode[] {
  const { conversation, members }: Action = ACTIONS[name];
  const withMembers = ids.includes('sorted_member_ids');
  const ofSome: Partial<Record<ProblemCode, boolean>> = {
    invalid_conversion_id: conversation,
    invalid_member_id: withMembers,
    members_not_sorted: withMembers,
    members_required: members === 'at least one',
    too_many_members: withMembers,
    ...possibleRefusals(operationOf(name, ids)),
  };
  return DOCUMENTED_CODES.filter((code) => ofSome[code] ?? true);
}

/** What the path asks for, of another client where it has members. */
function operationOf(action: ActionName, ids: readonly Parameter[]): Operation {
  const members = ids.includes('sorted_member_ids') ? ['other'] : [];
  return { action, appId: 'app', clientId: 'client', conversationId: 'conversation', members };
}

/** The documented answer, with an example that the key of the demo apps signs. */
function answer(name: ActionName, ids: readonly Parameter[]) {
  const action: Action = ACTIONS[name];
  const isEmptyList = action.members !== 'none' && !ids.includes('sorted_member_ids');
  const properties = {
    ...Object.fromEntries(ids.map((id) => [id, PARAMETERS[id]])),
    ...(isEmptyList && { sorted_member_ids: { type: 'string', enum: [''] } }),
    ...(action.named && { action: { type: 'string', enum: [name] } }),
    ...SIGNED,
  };
  const example = (timestamp: string | number) => {
    const exampleOf = (id: Parameter) => (ids.includes(id) ? PARAMETERS[id].example : '');
    const parts = {
      app_id: exampleOf('app_id'),
      client_id: exampleOf('client_id'),
      conversion_id: exampleOf('conversion_id'),
      sorted_member_ids: exampleOf('sorted_member_ids'),
      timestamp: String(timestamp),
      nonce: 'cdXsciFc',
    };
    const signature = sign(action.message(parts), EXAMPLE_KEY);
    const values: Record<string, string | number> = { ...parts, action: name, timestamp, signature };
    return Object.fromEntries(Object.keys(properties).map((field) => [field, values[field]]));
  };
  return {
    description: 'The signature and all that was signed.',
    headers: {
      ...REQUEST_ID_RESPONSE_HEADER,
      'Signature-Key-Version': {
        description: "Which version of the app's master key signed.",
        required: true,
        schema: { type: 'string', pattern: String.raw`^[1-9]\d*$`, example: '1' },
      },
    },
    content: {
      'application/json': {
        schema: { type: 'object', required: Object.keys(properties), properties },
        examples: {
          'without format': { value: example('1450166986.392033') },
          'format=sdk': { value: example(1450166986392) },
        },
      },
    },
  };
}
