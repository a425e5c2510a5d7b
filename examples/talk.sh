#!/bin/sh
# A conversation with curl: create it, post, read, search.
#   sh examples/talk.sh "Which hooks are there?"
set -eu
CHAT=${CHAT_URL:-${TAKARO_URL:-http://127.0.0.1:3100}}
if [ -n "${TAKARO_TOKEN:-}" ]; then WHO="Authorization: Bearer $TAKARO_TOKEN"; else WHO="X-User-Id: ${TAKARO_USER:-ann}"; fi
KEY=$(od -An -N16 -tx1 /dev/urandom | tr -d ' \n')

# With the same key a POST can be sent again: it has one effect, and the same answer. So curl may retry it.
post() {
  curl -sS --fail-with-body --retry 3 --retry-connrefused -H "$WHO" -H "Idempotency-Key: $KEY-$1" \
       -H 'Accept: application/json' -H 'Content-Type: application/json' -d "$3" "$CHAT/api/$2"
}
get() { curl -sS --fail-with-body -H "$WHO" -G "$@"; }

ID=$(post create conversations '{"agentId": "module-writer"}' | sed 's/.*"data":{"id":"\([^"]*\)".*/\1/')
post message "conversations/$ID/messages" "{\"content\": \"$1\"}"; echo
get "$CHAT/api/conversations/$ID/messages" -d limit=10; echo
get "$CHAT/api/conversations" -d limit=1 -d total=true; echo
echo "conversation $ID"
