#!/usr/bin/env bats
# helpers/build-images and helpers/base-image: what they do when all is well, and what they say
# when it is not. Docker is played by a script, so nothing is built here.

bats_require_minimum_version 1.5.0
bats_load_library bats-support
bats_load_library bats-assert

setup() {
  version="$(sed -n 's/^version = "\(.*\)"/\1/p' "$BATS_TEST_DIRNAME/../plugin.toml")"
  # A copy of the tree's part, so that a test may change it.
  tree="$BATS_TEST_TMPDIR/tree" stage="$BATS_TEST_TMPDIR/stage"
  mkdir -p "$tree" "$stage/images" "$BATS_TEST_TMPDIR/bin"
  # without what was built: ten thousands of files, once the fuzzers have run
  tar --directory "$BATS_TEST_DIRNAME/.." --create --exclude helpers/build --file - helpers plugin.toml \
    | tar --directory "$tree" --extract --file -
  cat >"$BATS_TEST_TMPDIR/bin/docker" <<'EOF'
#!/usr/bin/env bash
# Images are files in $STAGE/images, named as they are, holding their digest.
echo "$*" >>"$STAGE/calls"
name() { echo "$STAGE/images/${1//\//_}"; }
case "$1 $2" in
  "version "*) if [[ -e $STAGE/broken ]]; then cat "$STAGE/broken" >&2; exit 1; fi; echo 20.10 ;;
  "image inspect") image="${*: -1}"; [[ -e $(name "$image") ]] && cat "$(name "$image")" ;;
  "pull "*) exit 1 ;;
  "build "*)
    [[ ! -e $STAGE/compiler-fails ]] || { echo "it does not compile"; exit 1; }
    while [[ $# -gt 0 ]]; do
      case "$1" in
        --tag) tag="$2" ;;
        --label) [[ $2 == *digest=* ]] && digest="${2#*=}" ;;
      esac
      shift
    done
    echo "$digest" >"$(name "$tag")"
    ;;
esac
EOF
  chmod +x "$BATS_TEST_TMPDIR/bin/docker"
  touch "$stage/images/debian:bookworm-slim"
  export STAGE="$stage" PATH="$BATS_TEST_TMPDIR/bin:$PATH"
}

builds() { grep -c '^build ' "$STAGE/calls" || true; }

@test "without names all three images are built and named" {
  run -0 --separate-stderr "$tree/helpers/build-images"
  assert_output "$(printf "interservice/%s:$version\\n" checker web probe)"
  assert_equal "$(builds)" 3
}

@test "an image that has what is in the directory is not built again, one that has not is" {
  run -0 "$tree/helpers/build-images" probe web
  run -0 --separate-stderr "$tree/helpers/build-images" probe web
  # shellcheck disable=SC2154 # run sets it
  assert_equal "$stderr" "$(printf -- "-----> interservice/%s:$version is up to date\\n" probe web)"
  assert_equal "$(builds)" 2

  echo "/* another line */" >>"$tree/helpers/probe/main.c"
  run -0 "$tree/helpers/build-images" probe
  assert_equal "$(builds)" 3
}

@test "what the images do not hold does not build them again" {
  run -0 "$tree/helpers/build-images" web
  mkdir -p "$tree/helpers/build" "$tree/helpers/tests"
  touch "$tree/helpers/build/left" "$tree/helpers/tests/new_test.c"
  chmod g+w "$tree/helpers/Makefile"
  run -0 "$tree/helpers/build-images" web
  assert_equal "$(builds)" 1
}

@test "an unknown name is refused before anything is done" {
  run -1 "$tree/helpers/build-images" web nginx
  assert_output --partial "there is no helper image 'nginx'"
  [[ ! -e $STAGE/calls ]]
}

@test "Docker that is missing, not permitted or down is told in a line, with the command that mends it" {
  echo "permission denied while trying to connect to the Docker daemon socket" >"$STAGE/broken"
  run -1 "$tree/helpers/build-images"
  assert_line --index 0 --partial "may not use Docker"
  assert_line --index 1 --partial "usermod --append --groups docker"

  echo "Cannot connect to the Docker daemon at unix:///var/run/docker.sock. Is the docker daemon running?" >"$STAGE/broken"
  run -1 "$tree/helpers/build-images"
  assert_line --index 0 --partial "Docker does not answer: Cannot connect"

  rm "$BATS_TEST_TMPDIR/bin/docker"
  local tool tools="$BATS_TEST_TMPDIR/tools"
  mkdir "$tools"
  for tool in bash cat cut dirname find head id sed sha256sum sort xargs; do
    ln -s "$(command -v "$tool")" "$tools/$tool"
  done
  PATH="$tools" run -1 "$tree/helpers/build-images"
  assert_line --index 0 --partial "docker is not installed"
}

@test "a build that fails shows its end, and leaves nothing behind" {
  touch "$STAGE/compiler-fails"
  run -1 "$tree/helpers/build-images" web
  assert_output --partial "it does not compile"
  assert_output --partial "building interservice/web:$version failed"
  [[ ! -e $STAGE/images/interservice_web:$version ]]
}

@test "the base image is left alone where it is there" {
  run -0 "$tree/helpers/base-image"
  assert_output ""
  assert_equal "$(cat "$STAGE/calls")" "image inspect debian:bookworm-slim"
}

@test "without base image, registry and root it says who can make it" {
  [[ $(id -u) -eq 0 ]] || skip "needs root to give it up"
  rm "$STAGE/images/debian:bookworm-slim"
  chmod -R a+rX "$BATS_TEST_TMPDIR"
  chmod a+rwX "$STAGE" "$STAGE/images"
  local copy
  copy="$(mktemp -d)" # bats' own directory lets nobody else in
  cp -r "$BATS_TEST_TMPDIR/." "$copy"
  chmod -R a+rwX "$copy"
  STAGE="$copy/stage" PATH="$copy/bin:$PATH" run -1 setpriv --reuid 65534 --clear-groups "$copy/tree/helpers/base-image"
  rm -rf "$copy"
  assert_output --partial "needs root"
  assert_output --partial "run once as root: "
}
