# The page in a container: docs/hosting.md says how to run it. Models, comparisons and compiled models live in /data.
FROM python:3.11-slim-bookworm

# User 1000 is the one as which the hub runs Docker Spaces.
RUN useradd --create-home --uid 1000 user && install --directory --owner=user --group=user /data

WORKDIR /home/user/app
COPY requirements.txt ./
RUN pip install --no-cache-dir --disable-pip-version-check -r requirements.txt

COPY LICENSE app.py ./
COPY assets assets
COPY bksdm_demo bksdm_demo

ENV GRADIO_SERVER_NAME=0.0.0.0 \
    GRADIO_SERVER_PORT=7860 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONUNBUFFERED=1 \
    XDG_CACHE_HOME=/data/cache \
    XDG_DATA_HOME=/data
USER 1000
VOLUME /data
EXPOSE 7860
HEALTHCHECK --interval=30s --timeout=5s --start-period=90s --retries=3 CMD ["python", "-c", "from http.client import HTTPConnection as C; c = C('127.0.0.1', 7860, timeout=4); c.request('GET', '/healthz'); raise SystemExit(c.getresponse().status != 200)"]
CMD ["python", "app.py"]
