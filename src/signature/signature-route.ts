import { applyDecorators, Get, Header, UseGuards } from '@nestjs/common';
import {
  ApiBearerAuth,
  ApiExtraModels,
  ApiOkResponse,
  ApiOperation,
  ApiParam,
  ApiQuery,
  ApiResponse,
  ApiSecurity,
  ApiTags,
} from '@nestjs/swagger';
import { MAX_ID_LENGTH } from '../problems/ids.js';
import { ClientIdentityGuard } from '../identity/client-identity.guard.js';
import { ProblemDocument, problemResponses } from '../problems/problem-document.js';
import { type Action, ACTIONS, type ActionName, type Parameter } from './actions.js';
import { SortedMembersGuard } from './sorted-members.guard.js';

const ID = { type: 'string', minLength: 1, maxLength: MAX_ID_LENGTH, pattern: '^[^:]+$' } as const;

const PARAMETERS = {
  app_id: { ...ID, description: 'The id of the app.' },
  client_id: { ...ID, description: 'The `clientId` that logs in or acts.' },
  conversion_id: { ...ID, description: 'The id of the conversation.' },
  sorted_member_ids: {
    type: 'string',
    description: "Member ids joined with `:`, ascending by UTF-16 code unit as JavaScript's `.sort()` leaves them.",
  },
} as const satisfies Record<Parameter, object>;

/** The fields of every answer, after its parameters. */
const SIGNED = {
  timestamp: {
    description: 'The time of signing, exactly as signed.',
    oneOf: [
      { type: 'string', examples: ['1450166986.392033'] },
      { type: 'integer', format: 'int64', examples: [1450166986392] },
    ],
  },
  nonce: { type: 'string', pattern: '^[A-Za-z0-9]{8}$', examples: ['cdXsciFc'] },
  signature: {
    type: 'string',
    pattern: '^[0-9a-f]{40}$',
    description: "HMAC-SHA1 of the message under the app's master key, in lower-case hex.",
  },
};

/**
 * A route that signs one action: its paths, its checks in their order, and its page in the API document. The last parameter may be
 * absent, which counts as empty: `/invite/app/client/conv` joins, and `/login/app` is `invalid_client_id`.
 */
export function SignatureRoute(name: ActionName, summary: string): MethodDecorator {
  const { conversation, members, named }: Action = ACTIONS[name];
  const ids: Parameter[] = ['app_id', 'client_id'];
  if (conversation) ids.push('conversion_id');
  if (members !== 'none') ids.push('sorted_member_ids');
  const properties = {
    ...Object.fromEntries(ids.map((id) => [id, PARAMETERS[id]])),
    ...(named && { action: { type: 'string', enum: [name] } }),
    ...SIGNED,
  };
  return applyDecorators(
    // The API document takes the first path.
    Get([ids, ids.slice(0, -1)].map((path) => path.map((id) => `:${id}`).join('/'))),
    UseGuards(new SortedMembersGuard(name), ClientIdentityGuard),
    Header('Content-Type', 'application/json; charset=utf-8'),
    Header('Cache-Control', 'no-store'),
    ApiExtraModels(ProblemDocument),
    ApiSecurity({}),
    ApiTags('signature'),
    ApiBearerAuth(),
    ApiOperation({ operationId: name, summary }),
    ...ids.map((id) => ApiParam({ name: id, schema: PARAMETERS[id], description: PARAMETERS[id].description })),
    ApiQuery({
      name: 'format',
      required: false,
      schema: { type: 'string', enum: ['sdk'] },
      description:
        '`sdk`: `timestamp` is a JSON number of whole milliseconds, signed over its digits; the form a protobuf SDK can carry.',
    }),
    ApiOkResponse({
      description: 'The signature and all that was signed.',
      schema: { type: 'object', required: Object.keys(properties), properties },
    }),
    ...problemResponses().map((response) => ApiResponse(response)),
  );
}
