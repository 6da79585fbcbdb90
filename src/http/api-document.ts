import type { NestFastifyApplication } from '@nestjs/platform-fastify';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import packageJson from '#package' with { type: 'json' };

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
      .setDescription(packageJson.description)
      .setVersion(packageJson.version)
      .addBearerAuth({
        type: 'http',
        scheme: 'bearer',
        bearerFormat: 'JWT',
        description: 'Asked for by apps with identity `jwt`.',
      })
      .build(),
  );
  // A route with several paths is described by its first: an operation stands in the document once.
  const seen = new Set<string | undefined>();
  for (const [path, { get }] of Object.entries(document.paths)) {
    if (seen.has(get?.operationId)) Reflect.deleteProperty(document.paths, path);
    seen.add(get?.operationId);
  }
  SwaggerModule.setup('docs', app, document, {
    jsonDocumentUrl: 'openapi.json',
    raw: ['json'],
    customSiteTitle: packageJson.name,
  });
}
