# shellcheck shell=bash
# What every suite loads, at its top: `load helpers`.
#
# It then has a dokku with the plugin of this tree as it lies there, committed or not:
#   INTERSERVICE_REAL_DOKKU=1  the dokku of this machine, where tests/run has installed the plugin
#   INTERSERVICE_STANDIN=DIR   the stand-in that somebody has made in DIR
#   neither                    a stand-in of its own for the suite, removed after it
# A suite with a setup_file or teardown_file of its own calls dokku_up and dokku_down in it.
#
# Everything here asks Docker or Dokku's commands, so that it is true on a real Dokku too.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

TESTS="${BASH_SOURCE[0]%/*}"

setup_file() { dokku_up; }
teardown_file() { dokku_down; }

# --- the dokku under test ---

dokku_up() {
  "$TESTS/images/build" provider client
  if [[ -n "$INTERSERVICE_REAL_DOKKU" ]]; then
    return
  fi
  if [[ -z "$INTERSERVICE_STANDIN" ]]; then
    INTERSERVICE_STANDIN="$(mktemp -d "${TMPDIR:-/tmp}/interservice-XXXXXX")"
    export INTERSERVICE_STANDIN STANDIN_IS_OURS=1
    chmod 755 "$INTERSERVICE_STANDIN" # Dokku's user must be able to enter
    STANDIN_UPTIME=1 "$TESTS/dokku/install" "$INTERSERVICE_STANDIN"
    "$TESTS/snapshot" "$INTERSERVICE_STANDIN/source"
    "$INTERSERVICE_STANDIN/bin/dokku" plugin:install "file://$INTERSERVICE_STANDIN/source" --name interservice
  fi
  export PATH="$INTERSERVICE_STANDIN/bin:$PATH"
}

dokku_down() {
  [[ -z "$STANDIN_IS_OURS" ]] || "$TESTS/dokku/remove" "$INTERSERVICE_STANDIN"
}

# dokku_lib: the directory of its properties, data and services.
dokku_lib() {
  if [[ -n "$INTERSERVICE_REAL_DOKKU" ]]; then
    echo "${DOKKU_LIB_ROOT:-/var/lib/dokku}"
  else
    echo "$INTERSERVICE_STANDIN/lib"
  fi
}

# --- apps and datastores ---

# unique_name: valid for apps and datastores, and nobody else's.
unique_name() { echo "t$(od -An -N5 -tx1 /dev/urandom | tr -d ' \n')"; }

# new_app: creates an app and prints its name. What a deploy replaces is stopped after five
# seconds, not a minute.
new_app() {
  local app
  app="$(unique_name)"
  dokku apps:create "$app" >&2
  dokku checks:set "$app" wait-to-retire 5 >&2
  echo "$app"
}

# new_datastore TYPE [FLAG...]: creates a datastore and prints its name.
new_datastore() {
  local name
  name="$(unique_name)"
  dokku "$1:create" "$name" "${@:2}" >&2
  echo "$name"
}

# deploy_app APP IMAGE: provider, client, or the name of another image. Dokku does nothing for the
# image it already has, and removes the tag when it retires it: so each deploy has a tag of its own.
deploy_app() {
  local image="$2" tag="interservice-test/$1:${EPOCHREALTIME/[.,]/}"
  [[ "$image" == *[:/]* ]] || image="interservice-test/$image:1"
  docker image tag "$image" "$tag"
  dokku git:from-image "$1" "$tag"
}

# retired APP...: what their last deploys have replaced has stopped.
retired() {
  local app
  for app in "$@"; do
    wait_until 60 eval "[[ -z \$(docker ps --quiet --filter label=com.dokku.app-name=$app --filter name='\.[0-9]{9,}\$') ]]"
  done
}

# tick: what Dokku's timer does every five minutes. While that is at it, ps:retire exits with 137.
tick() {
  local status _
  for _ in {1..60}; do
    status=0
    dokku ps:retire || status=$?
    ((status == 137)) || break
    sleep 1
  done
  return "$status"
}

# destroy_apps APP...: also what Dokku leaves for later.
destroy_apps() {
  local app
  for app in "$@"; do
    [[ -n "$app" ]] || continue
    if dokku apps:exists "$app" >/dev/null 2>&1; then dokku --force apps:destroy "$app" >&2; fi
    docker container ls --all --quiet --filter "label=com.dokku.app-name=$app" \
      | xargs --no-run-if-empty docker container rm --force --volumes >/dev/null
    docker image ls --format '{{ .Repository }}:{{ .Tag }}' "interservice-test/$app" \
      | xargs --no-run-if-empty docker image rm >/dev/null
  done
}

# destroy_datastores TYPE NAME...: their apps go first.
destroy_datastores() {
  local type="$1" name
  shift
  for name in "$@"; do
    [[ -n "$name" ]] || continue
    if dokku "$type:exists" "$name" >/dev/null 2>&1; then dokku "$type:destroy" "$name" --force >&2; fi
  done
}

# app_container APP [PROC] [N]: the id of its serving container.
app_container() { docker container inspect --format '{{ .Id }}' "$1.${2:-web}.${3:-1}"; }

# generations SERVICE: how many networks it has.
generations() { docker network ls --quiet --filter "label=com.dokku.interservice.service=$1" | wc -l; }

# digits: of this Dokku, as its images carry them.
digits() {
  (
    # shellcheck source=plugin/images
    source "$TESTS/../plugin/images"
    DOKKU_LIB_ROOT="$(dokku_lib)" images_root
  )
}

# container_networks CONTAINER: a line "network: alias alias" each, without the aliases that
# Docker makes of ids.
container_networks() {
  docker container inspect "$1" | jq -r '.[0] | .Id[0:12] as $id | .NetworkSettings.Networks
    | to_entries[] | "\(.key): \([.value.Aliases // [] | .[] | select(. != $id)] | unique | join(" "))"' | sort
}

# --- asking ---

# http_get APP [PATH]: "<status> <body>", through the nginx in front of the apps; "000 " when nothing answers.
http_get() {
  local url
  : >"$BATS_TEST_TMPDIR/body" # never an earlier answer's
  url="$(dokku plugin:trigger domains-urls "$1" url </dev/null | head -n 1)"
  # Its domain need not be known to this machine's resolver.
  curl --silent --show-error --max-time 20 --connect-to "::127.0.0.1:" \
    --output "$BATS_TEST_TMPDIR/body" --write-out '%{http_code} ' "$url${2:-/}"
  cat "$BATS_TEST_TMPDIR/body"
}

# caller_get APP URL, caller_resolve APP NAME: from inside a container of the image client.
caller_get() { docker container exec "$1.web.1" client get "$2"; }
caller_resolve() { docker container exec "$1.web.1" client resolve "$2"; }

# caller_redis APP: from inside one, does the Redis of its REDIS_URL let it in and answer?
caller_redis() {
  docker container exec "$1.web.1" python3 -c '
import os, socket, urllib.parse
url = urllib.parse.urlsplit(os.environ["REDIS_URL"])
server = socket.create_connection((url.hostname, url.port), 3)
server.sendall(f"AUTH {url.password}\r\nPING\r\n".encode())
answers = server.makefile("rb")
assert [answers.readline() for _ in range(2)] == [b"+OK\r\n", b"+PONG\r\n"]'
}

# wait_until SECONDS COMMAND...: until it succeeds; fails when it never does.
wait_until() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    if ((SECONDS >= deadline)); then
      echo "waited in vain for: $*" >&2
      return 1
    fi
    sleep 0.2
  done
}

# --- load ---

# in_background OUTPUT COMMAND...: with none of bats' own descriptors, for whose end bats waits.
# OUTPUT is there when the command has ended.
in_background() {
  local output="$1"
  shift
  (
    for fd in /proc/"$BASHPID"/fd/*; do
      fd="${fd##*/}"
      ((fd <= 2)) || eval "exec $fd>&-"
    done
    "$@" >"$output.part" 2>"$output.err" || true
    mv "$output.part" "$output"
  ) </dev/null >/dev/null 2>&1 &
}

# start_load NAME CALLER URL KIND [OPTION...]: `client load` in a container of the app CALLER.
start_load() {
  start_load_in "$(app_container "$2")" "$1" "${@:3}"
}

# start_load_in CONTAINER NAME URL KIND [OPTION...]
start_load_in() {
  local container="$1" name="$2"
  echo "$container" >"$BATS_TEST_TMPDIR/load-$name"
  in_background "$BATS_TEST_TMPDIR/load-$name.json" \
    docker container exec "$container" client load --name "$name" --url "$3" --kind "$4" \
    --seconds 3600 "${@:5}"
  wait_until 10 docker container exec "$container" test -e "/tmp/client-$name.pid"
}

# stop_load NAME: ends it and prints its line of JSON.
stop_load() {
  docker container exec "$(<"$BATS_TEST_TMPDIR/load-$1")" client stop "$1"
  wait_until 30 test -e "$BATS_TEST_TMPDIR/load-$1.json"
  cat "$BATS_TEST_TMPDIR/load-$1.json"
}

# assert_load JSON: something was sent, nothing failed; its figures are shown.
assert_load() {
  jq -er '"# \(.kind): \(.failed) of \(.sent) failed, slowest \(.slowest_ms) ms"' <<<"$1" >&3
  jq -e '.sent > 0 and .failed == 0' <<<"$1" >/dev/null || fail "$1"
}

# --- the very state ---

# snapshot NAME...: all that Docker, Dokku and the plugin know of apps and of datastores
# (postgres:db), as text to compare.
snapshot() {
  local name
  for name in "$@"; do
    echo "== $name"
    if [[ "$name" == *:* ]]; then
      snapshot_container "dokku.${name/:/.}"
      snapshot_files "config/${name/://}"
      cat "$(dokku_lib)/services/${name/://}/LINKS"
    else
      snapshot_app "$name"
    fi
    echo "- networks"
    docker network ls --format '{{ .Name }} {{ .Labels }}' | grep -Fw -e "${name#*:}" | cut -d ' ' -f 1 | sort || true
    echo "- files of the plugin"
    snapshot_store "${name#*:}"
  done
}

snapshot_app() {
  local container phase
  for container in $(docker container ls --all --filter "label=com.dokku.app-name=$1" --format '{{ .Names }}' | sort); do
    # Those that a deploy has replaced have a time behind their name, and go by themselves.
    [[ ! "$container" =~ ^"$1"\.[a-z0-9-]+\.[0-9]+$ ]] || snapshot_container "$container"
  done
  for phase in build deploy run; do
    echo "- docker-options $phase: $(dokku docker-options:report "$1" "--docker-options-$phase")"
  done
  echo "- config"
  dokku config:export --format json "$1" | jq --sort-keys .
  snapshot_files "config/network/$1"
  snapshot_files "config/docker-options/$1"
}

snapshot_container() {
  echo "- container $1"
  container_networks "$1"
}

# snapshot_files DIRECTORY: names and contents; where nothing is there, or only empty files, nothing.
snapshot_files() {
  local directory
  directory="$(dokku_lib)/$1"
  [[ ! -d "$directory" ]] || (cd "$directory" && find . -type f -size +0 | sort | xargs --no-run-if-empty grep --with-filename '')
}

# snapshot_store NAME: files of the plugin that are called so, or hold the name; without the last
# measurement, which is of all links of a Dokku and may be another suite's.
snapshot_store() {
  local file
  find "$(dokku_lib)"/{data,config}/interservice -type f ! -name measured ! -name audited 2>/dev/null | sort | while IFS= read -r file; do
    if [[ "$file" == *"$1"* ]] || grep -Fqw -e "$1" "$file"; then grep --with-filename '' "$file"; fi
  done || true
}

# assert_nothing_left NAME...: of an app's or a datastore's links there is no file, no network, no
# member of one, no property and no option.
assert_nothing_left() {
  local name
  for name in "$@"; do
    assert_equal "$(snapshot_store "${name#*:}")" ""
    assert_equal "$(docker network ls --filter "label=com.dokku.interservice.service=$name" --format '{{ .Name }}')" ""
    if [[ "$name" == *:* ]]; then
      name="${name/:/ }"
      assert_equal "$(dokku "${name% *}:info" "${name#* }" --post-create-network | grep interservice || true)" ""
    else
      assert_equal "$(docker ps --all --filter "label=com.dokku.app-name=$name" --format '{{ .Networks }}' | grep interservice || true)" ""
      assert_equal "$(snapshot_files "config/network/$name" | grep interservice || true)" ""
      assert_equal "$(snapshot_files "config/docker-options/$name" | grep -e --network-alias || true)" ""
    fi
  done
}
