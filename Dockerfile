# A small image with the server alone. The data directory is the volume /var/lib/omendb.
#
#   docker build -t omendb .
#   docker run -d -p 5433:5433 -v omendb:/var/lib/omendb -e OMENDB_ADMIN_PASSWORD=secret omendb

FROM rust:1.95-slim-bookworm AS build
RUN apt-get update \
 && apt-get install -y --no-install-recommends clang libclang-dev lld g++ make pkg-config \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY . .
RUN cargo build --release --locked --bin omendb

FROM debian:bookworm-slim
RUN apt-get update \
 && apt-get install -y --no-install-recommends libstdc++6 postgresql-client \
 && rm -rf /var/lib/apt/lists/* \
 && useradd --system --uid 10001 --home-dir /var/lib/omendb omendb \
 && install -d -o omendb -g omendb -m 0700 /var/lib/omendb
COPY --from=build /build/target/release/omendb /usr/local/bin/omendb
USER omendb
VOLUME /var/lib/omendb
EXPOSE 5433
# Ends as SIGTERM does: sessions are told, what is acknowledged is on disk.
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=10s --timeout=3s --start-period=30s CMD ["pg_isready", "-q", "-h", "127.0.0.1", "-p", "5433"]
ENTRYPOINT ["omendb"]
CMD ["serve", "--data", "/var/lib/omendb", "--listen", "0.0.0.0:5433"]
