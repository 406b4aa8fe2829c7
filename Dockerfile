# The service without torch. Build: docker build -t mmv-search .
# Run: docker run -p 8600:8600 -v mmv-library:/data mmv-search   (README, "In a container", says how to get the key)

FROM python:3.12-slim AS build
WORKDIR /src
RUN python -m venv /opt/mmv-search
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY index index
COPY models models
COPY service service
RUN /opt/mmv-search/bin/pip install --no-cache-dir '.[postgres]'

FROM python:3.12-slim
# A fixed id, so that a mounted folder can be given to it: chown 10001 DIR.
RUN useradd --uid 10001 --no-create-home --shell /usr/sbin/nologin mmv \
    && install --directory --owner mmv --group mmv --mode 0700 /data
COPY --from=build /opt/mmv-search /opt/mmv-search
ENV PATH=/opt/mmv-search/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    MMV_HOME=/data \
    MMV_HOST=0.0.0.0 \
    MMV_PORT=8600
USER 10001:10001
VOLUME /data
EXPOSE 8600
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['MMV_PORT'] + '/healthz', timeout=4)"]
CMD ["mmv-search", "serve"]
