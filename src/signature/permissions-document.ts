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
import { REFUSALS } from '../conversations/decision.js';
import {
  DOCUMENTED_CODES,
  ProblemDocument,
  problemResponses,
  REQUEST_ID_HEADER,
  REQUEST_ID_RESPONSE_HEADER,
} from '../problems/problem-document.js';
import { documented, PARAMETERS } from './signature-document.js';

const IDS = ['app_id', 'client_id', 'conversion_id'] as const;
const DECISION = { type: 'string', enum: ['allowed', ...REFUSALS] };
const MEMBER = {
  type: 'object',
  required: ['client_id', 'invite', 'kick'],
  properties: { client_id: PARAMETERS.client_id, invite: DECISION, kick: DECISION },
};
const NOT_HERE: readonly string[] = [...REFUSALS, 'members_not_sorted', 'members_required', 'invalid_format'];

/** The page of `/permissions` in the API document. */
export function PermissionsDocument(): MethodDecorator {
  const codes = DOCUMENTED_CODES.filter((code) => !NOT_HERE.includes(code));
  return applyDecorators(
    ApiExtraModels(ProblemDocument),
    ApiSecurity({}),
    ApiTags('permissions'),
    ApiBearerAuth(),
    ApiOperation({
      operationId: 'permissions',
      summary: 'What the client may do in a conversation',
      description:
        'For interfaces that hide what would be refused. `allowed`, or the code that a signature would be refused with.',
    }),
    ...IDS.map((id) => ApiParam({ name: id, ...documented(PARAMETERS[id]) })),
    ApiQuery({
      name: 'members',
      required: false,
      schema: { type: 'string' },
      description: 'Member ids joined with `:`, in any order: whether the client may invite and kick each of them.',
      example: 'bob:carol',
    }),
    ApiHeader(REQUEST_ID_HEADER),
    ApiOkResponse({
      description: 'By the rows that are committed now.',
      headers: REQUEST_ID_RESPONSE_HEADER,
      content: {
        'application/json': {
          schema: {
            type: 'object',
            required: ['join', 'invite', 'leave', 'members'],
            properties: {
              join: DECISION,
              invite: { ...DECISION, description: 'To add somebody who is no member yet.' },
              leave: DECISION,
              members: { type: 'array', items: MEMBER },
            },
          },
          example: {
            join: 'allowed',
            invite: 'allowed',
            leave: 'allowed',
            members: [{ client_id: 'bob', invite: 'allowed', kick: 'not_permitted' }],
          },
        },
      },
    }),
    ...problemResponses(codes, (asked) => {
      return `/permissions/${IDS.map((id) => asked[id] ?? PARAMETERS[id].example).join('/')}`;
    }).map((response) => ApiResponse(response)),
  );
}
