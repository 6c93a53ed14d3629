# docker build -t postern .          test/e2e/container.test.ts runs the same steps outside Docker

FROM node:24-trixie-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc tsconfig.json ./
COPY scripts ./scripts
COPY src ./src
COPY policies ./policies
# Builds dist/ through "prepare", on the Node that the lock file names, which is also the one that the image takes along.
RUN npm ci
# Source maps double what a layer holds, and Node does not read them unless told to.
RUN rm dist/*.map && mkdir certs audit

# glibc, libgcc and libstdc++, which the node binary links, the roots of Debian, and no shell.
FROM gcr.io/distroless/cc-debian13:nonroot
LABEL org.opencontainers.image.title="postern" \
      org.opencontainers.image.description="An egress proxy for code nobody trusts" \
      org.opencontainers.image.licenses="Apache-2.0"
WORKDIR /postern
COPY --from=build /build/node_modules/node-linux-*/bin/node ./
COPY --from=build /build/dist ./dist
COPY --from=build /build/policies ./policies
# All that is ever written to. Empty, and of the user that runs, so that a new volume mounted there is so too.
COPY --from=build --chown=65532:65532 /build/certs ./certs
COPY --from=build --chown=65532:65532 /build/audit ./audit
USER 65532:65532
EXPOSE 8080
# The admin listener is on loopback, where the check runs too.
HEALTHCHECK --interval=10s --timeout=3s --start-period=5s --retries=3 \
  CMD ["/postern/node", "-e", "require('http').get('http://127.0.0.1:9464/healthz', (answer) => process.exit(answer.statusCode === 200 ? 0 : 1)).on('error', () => process.exit(1))"]
ENTRYPOINT ["/postern/node", "--disable-sigusr1", "--max-semi-space-size=8", "/postern/dist/postern.js"]
CMD ["serve", "--listen", "0.0.0.0:8080"]
