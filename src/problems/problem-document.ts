import { ApiProperty, type ApiResponseOptions, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import {
  type Problem,
  PROBLEM_HEADERS,
  type ProblemCode,
  type ProblemDetails,
  problemDetails,
  ProblemError,
  PROBLEMS,
  type Rule,
  RULES,
} from './problem-error.js';
import { REQUEST_ID_PATTERN } from './request-id.js';

export const PROBLEM_CODES = Object.keys(PROBLEMS) as ProblemCode[];
/** Of the one path that takes a body: the checker's, which is not in the API document. */
const CODES_OF_BODIES: readonly ProblemCode[] = ['invalid_body', 'body_too_large'];
/** Those that an operation of the API document can meet. */
export const DOCUMENTED_CODES = PROBLEM_CODES.filter((code) => !CODES_OF_BODIES.includes(code));

const REQUEST_ID = { type: 'string', pattern: REQUEST_ID_PATTERN } as const;
const REQUEST_ID_EXAMPLE = 'e4d14788-d9d5-4335-9ac0-5f81f2a27664';

/** The header parameter of every operation. */
export const REQUEST_ID_HEADER = {
  name: 'X-Request-Id',
  required: false,
  description: 'Names the request in its answer and in the log of the service, such as a UUID.',
  schema: REQUEST_ID,
} as const;

/** The header of every response. */
export const REQUEST_ID_RESPONSE_HEADER = {
  'X-Request-Id': {
    description: 'The `X-Request-Id` of the request if that has this form, or else a fresh UUID.',
    required: true,
    schema: REQUEST_ID,
  },
} as const;

/** Problem details as the API document describes them. */
@ApiSchema({ name: 'Problem' })
export class ProblemDocument implements ProblemDetails {
  @ApiProperty({ pattern: '^urn:im-signature:problem:[a-z_]+$', description: 'A name for the code, not an address.' })
  type!: string;
  @ApiProperty() title!: string;
  @ApiProperty({ type: 'integer' }) status!: number;
  @ApiProperty({ description: 'What is wrong with this request, for people.' }) detail!: string;
  @ApiProperty({ description: 'The path of the request.' }) instance!: string;
  @ApiProperty({ enum: PROBLEM_CODES, description: 'Stable: branch on this.' }) code!: ProblemCode;
  @ApiProperty({
    enum: RULES,
    required: false,
    description:
      'With `not_permitted`: the rule of the conversation that refused. Only a caller whose token proves who it is learns it.',
  })
  rule?: Rule;
  @ApiProperty({ ...REQUEST_ID, description: 'As in the header `X-Request-Id`, and in the log of the service.' })
  request_id!: string;
}

/**
 * A documented response for each status of the codes, with an example for each code.
 *
 * @param pathOf the path of an operation with these parameters in place of the usual ones.
 * @param notPermitted what the example of `not_permitted` says.
 */
export function problemResponses(
  codes: readonly ProblemCode[],
  pathOf: (asked: Readonly<Record<string, string>>) => string,
  notPermitted: { readonly rule?: Rule; readonly refusal?: string } = {},
): ApiResponseOptions[] {
  const exampleOf = (code: ProblemCode) => {
    const { example }: Problem = PROBLEMS[code];
    const { refusal = example.detail, rule } = code === 'not_permitted' ? notPermitted : {};
    const problem = new ProblemError(code, refusal, { rule });
    return { value: problemDetails(problem, pathOf(example.asked ?? {}), REQUEST_ID_EXAMPLE) };
  };
  return Array.from(new Set(codes.map((code) => PROBLEMS[code].status)), (status) => {
    const ofStatus = codes.filter((code) => PROBLEMS[code].status === status);
    const narrowed = { status: { enum: [status] }, code: { type: 'string', enum: ofStatus } };
    const headers = Object.entries(PROBLEM_HEADERS[status] ?? {}).map(([name, example]) => {
      return [name, { required: true, schema: { type: 'string', example } }] as const;
    });
    return {
      status,
      description: ofStatus.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join('\n\n'),
      headers: { ...REQUEST_ID_RESPONSE_HEADER, ...Object.fromEntries(headers) },
      content: {
        'application/problem+json': {
          schema: { allOf: [{ $ref: getSchemaPath(ProblemDocument) }, { properties: narrowed }] },
          examples: Object.fromEntries(ofStatus.map((code) => [code, exampleOf(code)])),
        },
      },
    };
  });
}
