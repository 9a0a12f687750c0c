# The application, as a user who is not root. TORCH_INDEX is the index of a build of torch, as PyTorch's
# installation page names it: the CPU's is small, without one it is CUDA's.
#   docker build --build-arg TORCH_INDEX=... -t olmoe-viz .
FROM python:3.12-slim AS built
ARG TORCH_INDEX=""
COPY requirements.txt /src/
RUN python -m venv /venv \
    && if [ -n "$TORCH_INDEX" ]; then \
        /venv/bin/pip install --no-cache-dir torch==2.13.0 --index-url "$TORCH_INDEX"; \
    fi \
    && /venv/bin/pip install --no-cache-dir -r /src/requirements.txt

FROM python:3.12-slim
RUN useradd --create-home --uid 10001 olmoe && mkdir /models && chown olmoe /models
COPY --from=built /venv /venv
COPY --chown=root:root app.py LICENSE /app/
COPY --chown=root:root .streamlit /app/.streamlit
COPY --chown=root:root pages /app/pages
COPY --chown=root:root docs/lesson.md docs/stops.yaml /app/docs/
COPY --chown=root:root olmoe_viz /app/olmoe_viz
WORKDIR /app
USER olmoe
ENV PATH=/venv/bin:$PATH HF_HOME=/models OMP_WAIT_POLICY=passive PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/app
VOLUME /models
EXPOSE 8501
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s \
    CMD ["python", "-c", "import urllib.request as u; u.urlopen('http://127.0.0.1:8501/_stcore/health', timeout=5)"]
CMD ["streamlit", "run", "app.py", "--server.address=0.0.0.0", "--server.port=8501", "--server.headless=true"]
