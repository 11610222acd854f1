# leakgate, static, from scratch: no shell, no package manager, nobody else's files. It runs as
# nobody in particular, and its entrypoint is leakgate, as load.kubernetes needs it.
#
#   docker build -t leakgate .                            builds it in golang:1.26
#   make image && docker build -t leakgate --target prebuilt .    from a binary that is there
#   docker run --rm -v "$PWD:/work:ro" -v leakgate:/out leakgate run /work/plan.yaml --dir /out/run
#
# What it writes needs a volume that user 65532 may write to.

# bin/image is the root file system that make image leaves.
FROM scratch AS prebuilt
COPY bin/image/ /
USER 65532:65532
ENTRYPOINT ["/leakgate"]
CMD ["--help"]

FROM golang:1.26 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
RUN make image

FROM scratch
COPY --from=build /src/bin/image/ /
USER 65532:65532
ENTRYPOINT ["/leakgate"]
CMD ["--help"]
