# The programs of Classifieds, one target each: setup, migration, users-api, offers-api.
#   docker build --target users-api -t classifieds/users-api .

FROM rust:1.95-slim-bookworm AS build
WORKDIR /src
# Builds the dependencies in a layer of their own, with empty crates and the real manifests, so that
# a change of the sources does not build them again.
COPY Cargo.toml Cargo.lock ./
COPY bench/Cargo.toml bench/
COPY certs/Cargo.toml certs/
COPY direct-json/Cargo.toml direct-json/
COPY entity/Cargo.toml entity/
COPY graphql-http/Cargo.toml graphql-http/
COPY migration/Cargo.toml migration/
COPY offers-api/Cargo.toml offers-api/
COPY schema/Cargo.toml schema/
COPY server/Cargo.toml server/
COPY users-api/Cargo.toml users-api/
RUN for crate in . bench certs direct-json entity graphql-http migration offers-api schema server users-api; do \
        mkdir -p $crate/src && touch $crate/src/lib.rs && echo 'fn main() {}' >$crate/src/main.rs; \
    done \
    && mkdir bench/benches && touch bench/benches/parts.rs bench/benches/loaders.rs \
    && cargo build --release --locked --package certs --package migration \
        --package offers-api --package users-api \
    && find . -path ./target -prune -o -name '*.rs' -exec rm {} +
COPY . .
# Cargo compares the times of files, and a checkout may be older than the layer above.
RUN find . -path ./target -prune -o -name '*.rs' -exec touch {} + \
    && cargo build --release --locked --package certs --package migration \
        --package offers-api --package users-api

FROM debian:bookworm-slim AS base
RUN useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin classifieds \
    && install -d -o classifieds -g classifieds /data /data/keys
COPY ops/healthcheck.sh /usr/local/bin/
USER classifieds
WORKDIR /data

FROM base AS setup
COPY ops/init-secrets.sh /usr/local/bin/
COPY --from=build /src/target/release/certs /usr/local/bin/
# Root, since each secret is owned by the user that reads it.
USER root
ENTRYPOINT ["init-secrets.sh"]

FROM base AS migration
COPY --from=build /src/target/release/migration /usr/local/bin/
ENTRYPOINT ["migration"]
CMD ["up"]

FROM base AS users-api
COPY --from=build /src/target/release/users-api /usr/local/bin/
# Plain HTTP is for the health check, inside the container.
ENV HTTP_ADDR=127.0.0.1:8001 HTTPS_ADDR=0.0.0.0:8441 JWT_KEY_DIR=/data/keys LOG_FORMAT=json
EXPOSE 8441
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s --retries=3 CMD ["healthcheck.sh", "8001"]
ENTRYPOINT ["users-api"]

FROM base AS offers-api
COPY --from=build /src/target/release/offers-api /usr/local/bin/
ENV HTTP_ADDR=127.0.0.1:8002 HTTPS_ADDR=0.0.0.0:8442 LOG_FORMAT=json
EXPOSE 8442
HEALTHCHECK --interval=2s --timeout=3s --start-period=30s --retries=3 CMD ["healthcheck.sh", "8002"]
ENTRYPOINT ["offers-api"]
