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
} from '@nestjs/swagger';
import { MAX_ID_LENGTH } from '../problems/ids.js';
import { ClientIdentityGuard } from '../identity/client-identity.guard.js';
import { ProblemDocument, problemResponses } from '../problems/problem-document.js';
import { type Action, ACTIONS, type ActionName } from './actions.js';
import { SortedMembersGuard } from './sorted-members.guard.js';

const ID = { type: 'string', minLength: 1, maxLength: MAX_ID_LENGTH, pattern: '^[^:]+$' } as const;

const FIELDS = {
  app_id: { ...ID, description: 'The id of the app.' },
  client_id: { ...ID, description: 'The `clientId` that logs in or acts.' },
  conversion_id: { ...ID, description: 'The id of the conversation.' },
  sorted_member_ids: {
    type: 'string',
    description: "Member ids joined with `:`, ascending by UTF-16 code unit as JavaScript's `.sort()` leaves them.",
  },
} as const;

/**
 * A route that signs one action: its paths, the checks in their order, and its page in the API document.
 *
 * The last part of the path may be left out, so that its absence is judged like its emptiness: `/invite/app/client/conv` joins as
 * `/invite/app/client/conv/` does, and without a client `/login/app` is `invalid_client_id` rather than an unknown route.
 */
export function SignatureRoute(name: ActionName, summary: string): MethodDecorator {
  const action: Action = ACTIONS[name];
  const ids = ['app_id', 'client_id', ...(action.conversation ? ['conversion_id'] : [])] as (keyof typeof FIELDS)[];
  const documented = action.members === 'none' ? ids : [...ids, 'sorted_member_ids' as const];
  return applyDecorators(
    Get([pathOf(documented), pathOf(documented.slice(0, -1))]),
    UseGuards(new SortedMembersGuard(name), ClientIdentityGuard),
    Header('Content-Type', 'application/json; charset=utf-8'),
    Header('Cache-Control', 'no-store'),
    ApiExtraModels(ProblemDocument),
    ApiSecurity({}),
    ApiBearerAuth(),
    ApiOperation({ operationId: name, summary }),
    ...documented.map((id) => ApiParam({ name: id, schema: FIELDS[id], description: FIELDS[id].description })),
    ApiQuery({
      name: 'format',
      required: false,
      schema: { type: 'string', enum: ['sdk'] },
      description:
        '`sdk`: `timestamp` is a JSON number of whole milliseconds, signed over its digits; the form a protobuf SDK can carry.',
    }),
    ApiOkResponse({
      description: 'The signature and all that was signed.',
      schema: answerSchema(name, documented),
    }),
    ...problemResponses().map((response) => ApiResponse(response)),
  );
}

/** The API document takes the first of several paths. */
function pathOf(ids: readonly string[]): string {
  return ids.map((id) => `:${id}`).join('/');
}

function answerSchema(name: ActionName, documented: readonly (keyof typeof FIELDS)[]) {
  const properties = {
    ...Object.fromEntries(documented.map((id) => [id, FIELDS[id]])),
    ...(ACTIONS[name].named && { action: { type: 'string', enum: [name] } }),
    timestamp: {
      description: 'The moment of signing, exactly as it was signed.',
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
  return { type: 'object', required: Object.keys(properties), properties };
}
