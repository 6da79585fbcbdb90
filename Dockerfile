FROM node:24-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# With the optional packages: the build runs some.
RUN npm ci --ignore-scripts
COPY nest-cli.json tsconfig.json tsconfig.build.json ./
COPY src src
# The page of the checker is built with it.
COPY spec spec
# The schema's migrations are compiled. Registrations are not, so that another one needs no build.
COPY migrations/*.ts migrations/
# The service's own optional packages are the embedded PostgreSQL; in a container the database is another container.
# What is left is what runs, and package.json says no more, so that "npm sbom" lists it. Maps and types of packages are half of their size.
RUN npm run build \
  && npm prune --omit=dev --omit=optional --ignore-scripts && npm pkg delete devDependencies optionalDependencies \
  && find node_modules -type f '(' -name '*.map' -o -name '*.d.ts' -o -name '*.d.[mc]ts' ')' -delete \
  && find node_modules -type d -empty -delete

FROM node:24-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0
WORKDIR /app
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules node_modules
COPY --from=build /app/dist dist
# The registrations of this checkout; a folder of others may be mounted over it.
COPY migrations migrations
RUN ln -s /app/dist/src/cli/main.js /usr/local/bin/im-signature
# For the log: docker build --build-arg GIT_COMMIT=$(git rev-parse --short HEAD) .
ARG GIT_COMMIT=
ENV GIT_COMMIT=$GIT_COMMIT
USER node
EXPOSE 3000
CMD ["node", "dist/src/main.js"]
