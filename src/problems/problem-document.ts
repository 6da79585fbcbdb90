import { ApiProperty, type ApiResponseOptions, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import { type ProblemCode, type ProblemDetails, PROBLEMS } from './problem-error.js';

const CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** ProblemError details as the API document describes them. */
@ApiSchema({ name: 'Problem' })
export class ProblemDocument implements ProblemDetails {
  @ApiProperty({ format: 'uri', example: 'urn:im-signature:problem:members_not_sorted' })
  type!: string;

  @ApiProperty({ example: PROBLEMS.members_not_sorted.title })
  title!: string;

  @ApiProperty({ example: 400 })
  status!: number;

  @ApiProperty({ example: 'The member ids must ascend by UTF-16 code unit: 10:9' })
  detail!: string;

  @ApiProperty({ description: 'The path that was asked for.', example: '/signature/conversion/1/alice/9:10' })
  instance!: string;

  @ApiProperty({ enum: CODES, description: 'Stable: branch on this.' })
  code!: ProblemCode;

  @ApiProperty({ format: 'uuid', description: 'Found again in the log of the service.' })
  request_id!: string;
}

/** One documented response for each status, listing the codes it comes with. */
export function problemResponses(): ApiResponseOptions[] {
  const statuses = [...new Set(CODES.map((code) => PROBLEMS[code].status))];
  return statuses.map((status) => {
    const codes = CODES.filter((code) => PROBLEMS[code].status === status);
    return {
      status,
      description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join('\n\n'),
      content: {
        'application/problem+json': {
          schema: {
            allOf: [
              { $ref: getSchemaPath(ProblemDocument) },
              { properties: { status: { enum: [status] }, code: { type: 'string', enum: codes } } },
            ],
          },
        },
      },
    };
  });
}
