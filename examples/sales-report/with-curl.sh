#!/bin/sh
# The sales report through the REST API, by curl: with-curl.sh SALES.csv DIRECTORY writes summary.json and chart.svg there.
# Needs WARREN_URL and WARREN_API_KEY.
set -eu
sales=$1 directory=$2
here=$(dirname -- "$0")
key="X-API-Key: $WARREN_API_KEY"
api="$WARREN_URL/v1/sandboxes"
json="Content-Type: application/json"

id=$(curl -fsS -H "$key" -H "$json" -d '{"memory_mb":512}' "$api" | sed 's/.*"id":"\([^"]*\)".*/\1/')
trap 'curl -fsS -H "$key" -X DELETE "$api/$id"' EXIT
echo "sandbox $id"

curl -fsS -H "$key" -F path=/tmp/sales.csv -F "file=@$sales" "$api/$id/files/write"
curl -fsS -H "$key" -F path=/tmp/report.py -F "file=@$here/report.py" "$api/$id/files/write"
curl -fsS -H "$key" -H "$json" "$api/$id/exec" \
  -d '{"cmd":"python3","args":["/tmp/report.py","/tmp/sales.csv","/tmp"],"timeout_sec":300}'
echo
for file in summary.json chart.svg; do
  curl -fsS -H "$key" -H "$json" -d "{\"path\":\"/tmp/$file\"}" -o "$directory/$file" "$api/$id/files/read"
done
(cd "$directory" && sha256sum summary.json chart.svg)
