# cmr in a container, for the CPU or for an NVIDIA GPU, see docs/install.md. Not for diagnosis.
#   docker build -t cmr .
#   docker build -t cmr:gpu --build-arg BASE=nvidia/cuda:12.8.1-base-ubuntu24.04 \
#       --build-arg TORCH_INDEX=https://pypi.org/simple .
ARG BASE=debian:bookworm-slim

FROM ${BASE} AS build
ARG TORCH_INDEX=https://download.pytorch.org/whl/cpu
ARG EXTRAS=parquet,review
# the base's own releases, which get its security updates
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3-venv \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
RUN python3 -m venv /opt/cmr
# torch first: the largest layer by far, which a change of the code leaves as it is
COPY constraints.txt ./
RUN /opt/cmr/bin/pip install --no-cache-dir --extra-index-url "${TORCH_INDEX}" --constraint constraints.txt torch
COPY . .
RUN /opt/cmr/bin/pip install --no-cache-dir --constraint constraints.txt ".[${EXTRAS}]"

FROM ${BASE}
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends python3 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --no-create-home cmr \
    && mkdir /data \
    && chown 10001 /data
COPY --from=build /opt/cmr /opt/cmr
ENV PATH=/opt/cmr/bin:${PATH} \
    HOME=/tmp
USER 10001
WORKDIR /data
ENTRYPOINT ["cmr"]
CMD ["--help"]
