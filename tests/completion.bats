#!/usr/bin/env bats
# Completion in bash and zsh, of commands, flags, apps, datastores and links.

load helpers

setup_file() {
  dokku_up
  CALLER="$(new_app)" SERVICE="$(new_app)" OTHER="$(new_app)"
  export CALLER SERVICE OTHER
  dokku interservice:link "$CALLER" "$SERVICE" --no-restart
}

teardown_file() {
  destroy_apps "$CALLER" "$SERVICE" "$OTHER"
  dokku_down
}

# completion FILE: where the installed plugin has it.
completion() { echo "$(dokku_lib)/plugins/available/interservice/completion/$1"; }

# candidates TYPED: what may stand at its end, sorted.
candidates() {
  local -a typed
  read -ra typed <<<"$1"
  if [[ "$1" == *" " ]]; then typed+=(""); fi
  "$(completion candidates)" "${typed[@]:1}" | sort
}

# bash_completes TYPED: what bash would make of it at a Tab: COMPREPLY, on a line.
bash_completes() {
  bash -c 'source "$1"; COMP_LINE="$2" COMP_POINT="${#2}" COMPREPLY=(); _interservice dokku; echo "${COMPREPLY[*]}"' \
    bash "$(completion interservice.bash)" "$1"
}

# zsh_completes TYPED: the line that zsh makes of it at a Tab.
zsh_completes() {
  zsh -f -c '
    zmodload zsh/zpty
    zpty shell zsh -f -i
    zpty -w shell "PS1= RPS1= COLUMNS=200; autoload -Uz compinit; compinit -D -u; source $1; bindkey \"^T\" complete-word; print rea\"dy\""
    zpty -r shell line "*ready*"
    zpty -w -n shell "$2"$'"'\t'"'
    zpty -r -m shell line "*$3*" && print -r -- "$line"
    zpty -d shell
  ' zsh "$(completion interservice.zsh)" "$1" "$2"
}

@test "Dokku's own cache, which is made of its help, has every command once" {
  local file
  run -0 dokku --quiet help --all
  for file in "$(dokku_lib)"/plugins/available/interservice/subcommands/*; do
    file="${file##*/}"
    [[ "$file" != default ]] || continue
    assert_equal "$(grep -cE "^    interservice:$file " <<<"$output")" 1
  done
}

@test "commands" {
  run -0 candidates "dokku interservice:li"
  assert_line interservice:link
  assert_line interservice:help
  refute_line interservice:default
  run -0 candidates "dokku interservice:help "
  assert_line status
}

@test "flags are those of the command's help, less those that are given, and their values" {
  run -0 candidates "dokku interservice:status --"
  assert_line -- --format
  refute_line -- --alias
  run -0 candidates "dokku interservice:status --watch --"
  refute_line -- --watch
  run -0 candidates "dokku interservice:status --format "
  assert_output $'json\nprometheus\ntext'
  run -0 candidates "dokku interservice:link $CALLER $SERVICE --attach "
  assert_output $'create\ndeploy'
  run -0 candidates "dokku interservice:link --path "
  assert_output ""
}

@test "apps, datastores, and for unlink just what is linked" {
  run -0 candidates "dokku interservice:link "
  assert_line "$CALLER"
  assert_line "$OTHER"
  run -0 candidates "dokku interservice:link $CALLER "
  assert_line "$SERVICE"
  refute_line "$CALLER"
  run -0 candidates "dokku interservice:unlink "
  assert_line "$CALLER"
  refute_line "$OTHER"
  run -0 candidates "dokku interservice:unlink $CALLER --no-restart "
  assert_output "$SERVICE"
}

@test "datastores stand beside apps" {
  local database
  database="$(new_datastore redis)"
  run -0 candidates "dokku interservice:link $CALLER "
  assert_line "redis:$database"
  run -0 bash_completes "dokku interservice:link $CALLER redis:$database"
  assert_output "$database"
  destroy_datastores redis "$database"
}

@test "words of other arguments" {
  run -0 candidates "dokku interservice:deploy "
  assert_output $'checker\nweb'
  run -0 candidates "dokku interservice:set $CALLER "
  assert_line drain
  run -0 candidates "dokku interservice:set "
  assert_line -- --global
}

@test "bash: only what begins as typed, and behind the colon" {
  run -0 bash_completes "dokku interservice:unl"
  assert_output unlink
  run -0 bash_completes "dokku inter"
  assert_output --partial interservice:link
  run -0 bash_completes "dokku interservice:unlink $CALLER ${SERVICE:0:6}"
  assert_output "$SERVICE"
  run -0 bash_completes "dokku interservice:sync --im"
  assert_output -- --images
}

@test "bash: what completed other commands of dokku before goes on doing so" {
  # shellcheck disable=SC2016 # the inner shell's
  run -0 bash -c '
    others() { COMPREPLY=(from-others); }
    complete -F others dokku
    source "$1"
    COMP_LINE="dokku apps:" COMP_POINT=11 _interservice dokku
    echo "${COMPREPLY[*]}"
    COMP_LINE="dokku interservice:deploy ch" COMP_POINT=28 _interservice dokku
    echo "${COMPREPLY[*]}"' bash "$(completion interservice.bash)"
  assert_output $'from-others\nchecker'
}

@test "zsh: at a Tab in a real shell" {
  run -0 zsh_completes "dokku interservice:unl" "interservice:unlink"
  run -0 zsh_completes "dokku interservice:unlink $CALLER ${SERVICE:0:6}" "$SERVICE"
  run -0 zsh_completes "dokku interservice:sync --im" "--images"
}
