#!/bin/sh
# The steps of the Dockerfile without a builder: the same files and packages in a clean folder, and a
# check that the application answers there. For machines where no image can be built.
#   sh deploy/image_steps.sh FOLDER
set -eu
cd "$(dirname "$0")/.."
to="$1"
python3 -m venv "$to/venv"
"$to/venv/bin/pip" install --quiet --no-cache-dir -r requirements.txt
mkdir -p "$to/app/docs"
cp -r app.py LICENSE pages olmoe_viz .streamlit "$to/app/"
cp docs/lesson.md docs/stops.yaml "$to/app/docs/"
cd "$to/app"
env -i PATH="$to/venv/bin:/usr/bin:/bin" HOME="$to" HF_HOME="$to/models" OMP_WAIT_POLICY=passive PYTHONPATH="$to/app" \
    "$to/venv/bin/streamlit" run app.py --server.address=127.0.0.1 --server.port=8642 --server.headless=true &
server=$!
trap 'kill $server' EXIT
for _ in $(seq 60); do
    sleep 1
    if "$to/venv/bin/python" -c "import urllib.request as u; u.urlopen('http://127.0.0.1:8642/_stcore/health', timeout=2)" 2>/dev/null; then
        echo "the application answers"
        exit 0
    fi
done
echo "no answer within a minute" >&2
exit 1
