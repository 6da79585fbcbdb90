import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import packageJson from '#package' with { type: 'json' };

const DESCRIPTION = `${packageJson.description}.

In a path each id is percent-encoded on its own, \`/\` as \`%2F\`, and taken exactly as given. \`conversion\` means conversation: the
protocol spells it so. A refusal is problem details (RFC 9457): branch on its \`code\`.`;

/** Swagger UI's tables and dialogs are too wide for a phone: there, a row becomes a column. */
const PAGE_STYLE = `
.swagger-ui .topbar, .swagger-ui .response-col_links { display: none !important }
@media (max-width: 640px) {
  .swagger-ui .wrapper { padding: 0 8px }
  .swagger-ui .info { margin: 20px 0 }
  .swagger-ui .scheme-container { padding: 12px 0 }
  .swagger-ui .opblock-body table:not(.headers), .swagger-ui .opblock-body table:not(.headers) > * > tr,
  .swagger-ui .opblock-body table:not(.headers) > * > tr > td { display: block; width: auto; max-width: none }
  .swagger-ui .opblock-body table:not(.headers) > thead { display: none }
  .swagger-ui .opblock-body table:not(.headers) > tbody > tr > td { padding: 4px 0 }
  .swagger-ui .parameters-col_description input, .swagger-ui .parameters-col_description select { max-width: 100%; width: 100% }
  .swagger-ui .dialog-ux .modal-ux { min-width: 0; width: 94vw }
  .swagger-ui .auth-container input { width: 100%; min-width: 0 }
}
`;

const HINT = `${packageJson.name}. ${packageJson.description}.
Read and try the API at /docs; programs read /openapi.json.
`;

/** Serves the API document, made from the code: `/openapi.json` for programs, `/docs` for people, and at `/` a hint to both. */
export function serveApiDocument(app: NestFastifyApplication): void {
  app
    .getHttpAdapter()
    .getInstance()
    .get('/', (_request, reply) => reply.type('text/plain; charset=utf-8').send(HINT));
  const document = SwaggerModule.createDocument(
    app,
    new DocumentBuilder()
      .setOpenAPIVersion('3.1.0')
      .setTitle(packageJson.name)
      .setDescription(DESCRIPTION)
      .setVersion(packageJson.version)
      .addServer('/')
      .addTag('signature', 'What the IM server asks of a client, signed.')
      .addTag('permissions', 'What the rules would say.')
      .addBearerAuth({
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'JWT',
        description: 'A token of the client in the path. Apps with identity `jwt` ask for it, and others ignore it.',
      })
      .build(),
    { autoTagControllers: false },
  );
  // A route with several paths is described by its first.
  const seen = new Set<string | undefined>();
  for (const [path, { get }] of Object.entries(document.paths)) {
    if (seen.has(get?.operationId)) Reflect.deleteProperty(document.paths, path);
    seen.add(get?.operationId);
  }
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    // Nest's page has no other place for what belongs into its head.
    customSiteTitle: `${packageJson.name}</title><meta name="viewport" content="width=device-width, initial-scale=1"><title>`,
    customCss: PAGE_STYLE,
  });
}
