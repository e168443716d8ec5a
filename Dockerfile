# Three stages: kustomize from the pinned Go module, the virtual environment from the lock file, and the final image.
#   docker build --build-arg VERSION=0.1.0 --build-arg REVISION=$(git rev-parse HEAD) -t lockstep .
# CI has no container engine, so a test runs these steps without one (tests/project/test_dockerfile.py).

FROM golang:1.26-bookworm AS kustomize
WORKDIR /src/localcluster
COPY localcluster/go.mod localcluster/go.sum ./
RUN CGO_ENABLED=0 GOFLAGS=-mod=readonly GOTOOLCHAIN=local go build -trimpath -buildvcs=false -ldflags "-s -w" -o /out/kustomize sigs.k8s.io/kustomize/kustomize/v5

FROM python:3.13-slim-bookworm AS environment
WORKDIR /src
RUN python -m venv /opt/lockstep
COPY requirements.txt requirements-build.txt ./
RUN /opt/lockstep/bin/pip install --no-cache-dir --require-hashes -r requirements.txt
RUN python -m venv /opt/build && /opt/build/bin/pip install --no-cache-dir --require-hashes -r requirements-build.txt
COPY pyproject.toml README.md LICENSE ./
COPY gitops gitops
COPY webhooks webhooks
RUN /opt/build/bin/pip wheel --no-deps --no-build-isolation --wheel-dir /out .
RUN /opt/lockstep/bin/pip install --no-cache-dir --no-deps /out/*.whl && /opt/lockstep/bin/pip uninstall --yes pip

FROM python:3.13-slim-bookworm
ARG VERSION=unknown
ARG REVISION=unknown
LABEL org.opencontainers.image.title="Lockstep" \
      org.opencontainers.image.description="GitOps controller: dev and prod cannot differ except in what was declared" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}"
# git for the config repo, ssh for its transport. Debian's git depends on perl, which nothing here runs.
RUN apt-get update \
 && apt-get install --yes --no-install-recommends ca-certificates git openssh-client \
 && rm -rf /var/lib/apt/lists/* \
 && groupadd --gid 65532 lockstep \
 && useradd --uid 65532 --gid 65532 --home-dir /home/lockstep --create-home --shell /usr/sbin/nologin lockstep \
 && install -d -o 65532 -g 65532 -m 0700 /var/lib/lockstep
COPY --from=kustomize /out/kustomize /usr/local/bin/kustomize
COPY --from=environment /opt/lockstep /opt/lockstep
ENV PATH=/opt/lockstep/bin:/usr/local/bin:/usr/bin:/bin \
    LOCKSTEP_CONFIG=/etc/lockstep/lockstep.yaml \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1
USER 65532:65532
WORKDIR /var/lib/lockstep
EXPOSE 8080 8081 8082
# The process writes only to /var/lib/lockstep, /tmp and /dev/shm, so the root file system may be read-only.
ENTRYPOINT ["/opt/lockstep/bin/lockstep"]
CMD ["run"]
