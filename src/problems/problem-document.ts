import { ApiProperty, type ApiResponseOptions, ApiSchema, getSchemaPath } from '@nestjs/swagger';
import { type ProblemCode, type ProblemDetails, PROBLEMS } from './problem-error.js';

const CODES = Object.keys(PROBLEMS) as ProblemCode[];

/** Problem details as the API document describes them. */
@ApiSchema({ name: 'Problem' })
export class ProblemDocument implements ProblemDetails {
  @ApiProperty({ format: 'uri', example: 'urn:im-signature:problem:members_not_sorted' }) type!: string;
  @ApiProperty({ example: PROBLEMS.members_not_sorted.title }) title!: string;
  @ApiProperty({ example: 400 }) status!: number;
  @ApiProperty({ example: 'The member ids must ascend by UTF-16 code unit: 10:9' }) detail!: string;
  @ApiProperty({ description: 'The path of the request.', example: '/signature/conversion/1/alice/9:10' })
  instance!: string;
  @ApiProperty({ enum: CODES, description: 'Stable: branch on this.' }) code!: ProblemCode;
  @ApiProperty({ format: 'uuid', description: 'Also in the log of the service.' }) request_id!: string;
}

/** A documented response for each status, with its codes. */
export function problemResponses(): ApiResponseOptions[] {
  return Array.from(new Set(CODES.map((code) => PROBLEMS[code].status)), (status) => {
    const codes = CODES.filter((code) => PROBLEMS[code].status === status);
    const narrowed = { status: { enum: [status] }, code: { type: 'string', enum: codes } };
    const schema = { allOf: [{ $ref: getSchemaPath(ProblemDocument) }, { properties: narrowed }] };
    return {
      status,
      description: codes.map((code) => `\`${code}\`: ${PROBLEMS[code].title}.`).join('\n\n'),
      content: { 'application/problem+json': { schema } },
    };
  });
}
